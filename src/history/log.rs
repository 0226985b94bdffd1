//! The log of a history: lines of JSON that are only ever added, each with the hash of the line before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::record::{FORMAT, LineFault, LogEvent, LogLine};
use crate::error::{Error, ErrorKind, Result};
use crate::faults;
use crate::output::sync_folder;
use crate::text::timestamp;

/// The name of the log.
pub(super) const LOG: &str = "log.ndjson";

/// The log as it was read.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    pub(super) lines: Vec<LogLine>,
    /// What is wrong with it, by line from 1.
    pub(super) faults: Vec<(u64, String)>,
    is_newer: bool,
    /// What stands after the last line feed: a line that a crash cut off.
    pub(super) torn: Vec<u8>,
    /// Bytes of complete lines.
    whole: u64,
    /// The hash of the last line.
    last: Option<String>,
    /// Number of lines.
    count: u64,
}

impl Log {
    /// Reads the log in `folder`; one that does not exist has no lines.
    ///
    /// # Errors
    /// It cannot be read, or a line was changed.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let log = Log::inspect(folder)?;
        match log.faults.first() {
            None => Ok(log),
            Some((_, fault)) if log.is_newer => {
                let text = format!("{}: {fault}; use a newer hyades", log.path.display());
                Err(Error::usage(text).of_kind(ErrorKind::Corrupt).of_file(&log.path))
            }
            Some((_, fault)) => {
                let text = format!(
                    "{}: {fault}; restore the log from a backup (hyades history verify lists all that differs)",
                    log.path.display()
                );
                Err(Error::input(text).of_kind(ErrorKind::Corrupt).of_file(&log.path))
            }
        }
    }

    /// The same, with faults listed instead of refused.
    pub(super) fn inspect(folder: &Path) -> Result<Self> {
        let path = folder.join(LOG);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|e| Error::io("read", &path, &e))?,
        };
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        let mut log = Log {
            path,
            lines: Vec::new(),
            faults: Vec::new(),
            is_newer: false,
            torn: bytes[whole..].to_vec(),
            whole: whole as u64,
            last: None,
            count: 0,
        };
        bytes[..whole].split_inclusive(|&b| b == b'\n').for_each(|line| log.take(&line[..line.len() - 1]));
        Ok(log)
    }

    /// Takes in the next line.
    fn take(&mut self, text: &[u8]) {
        self.count += 1;
        let number = self.count;
        match LogLine::decode(text) {
            Err(LineFault::Changed) => self.faults.push((number, format!("line {number} was changed"))),
            Err(LineFault::Newer(format)) => {
                self.is_newer |= self.faults.is_empty();
                let text = format!("line {number} has format {format}, and this program reads up to {FORMAT}");
                self.faults.push((number, text));
            }
            Ok(line) => {
                if line.seq != number || line.before != self.last {
                    let text =
                        format!("line {number} does not follow from the line before, which was changed or removed");
                    self.faults.push((number, text));
                }
                self.lines.push(line);
            }
        }
        self.last = Some(blake3::hash(text).to_hex().to_string());
    }

    /// Adds lines, durably: all of them, or on failure none. The history's lock is held. What a crash left of a line is
    /// dropped, which is an event of its own.
    pub(super) fn append(&mut self, events: Vec<(Option<u64>, LogEvent)>) -> Result<()> {
        let dropped = String::from_utf8_lossy(&self.torn).into_owned();
        let repair = (!dropped.is_empty()).then_some((None, LogEvent::Repaired { dropped }));
        let (mut text, mut lines, mut last) = (String::new(), Vec::new(), self.last.clone());
        let time = timestamp(SystemTime::now());
        for (version, event) in repair.into_iter().chain(events) {
            let seq = self.count + 1 + lines.len() as u64;
            let line = LogLine { format: FORMAT, seq, time: time.clone(), version, event, before: last };
            let encoded = line.encode()?;
            last = Some(blake3::hash(encoded.as_bytes()).to_hex().to_string());
            text.push_str(&encoded);
            text.push('\n');
            lines.push(line);
        }
        self.write(&text).map_err(|e| Error::io("write", &self.path, &e))?;
        if self.count == 0 {
            sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        }
        self.torn.clear();
        self.whole += text.len() as u64;
        self.count += lines.len() as u64;
        self.lines.append(&mut lines);
        self.last = last;
        Ok(())
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut file = File::options().append(true).create(true).open(&self.path)?;
        if !self.torn.is_empty() {
            file.set_len(self.whole)?;
        }
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        let written = faults::point("history::log").and_then(|()| {
            file.write_all(first)?;
            // Between the two halves, tests see what a crash leaves.
            faults::point("history::log_half")?;
            file.write_all(second)?;
            faults::point("history::log_sync")?;
            file.sync_all()
        });
        if written.is_err() {
            // If this fails too, the next writer drops or completes what is there.
            let _ = file.set_len(self.whole).and_then(|()| file.sync_all());
        }
        written
    }
}
