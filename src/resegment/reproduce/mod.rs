//! A version made again from its job, its inputs and the version that it is based on, and compared with what it was.

mod departures;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use self::departures::Departure;
use super::base::{BaseVersion, FIRST_ID};
use super::context::{NAMES, RUN_RECORD, damaged, text_of};
use super::make::make;
use super::opened::{MonthlyJob, OpenedMonth};
use super::source_key::{self, RunKey};
use super::stage::Staging;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Watch};
use crate::history::{History, VersionRecord};
use crate::job::{DeviceOptions, JobFile, Month, RefitMode};
use crate::text::{TomlText, thousands};

/// What came of making a version again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reproduction {
    /// The version.
    pub version: u64,
    /// Its hash.
    pub blake3: String,
    /// The hash of what was made now; None if inputs changed, so that nothing was computed.
    pub now: Option<String>,
    /// Inputs, and files that steer the job, that are not what the run read.
    pub changed_inputs: Vec<String>,
    /// What else was different: the program, the device, the job file.
    pub notes: Vec<String>,
    /// Files that are the same.
    pub same: u64,
    /// Files that differ, what others follow from first. `run.json` is not compared.
    pub departures: Vec<Departure>,
}

impl Reproduction {
    /// An error unless all files are the same.
    ///
    /// # Errors
    /// [`Error::Input`] where inputs changed, [`Error::Limit`] where files differ.
    pub fn verdict(&self) -> Result<()> {
        let version = self.version;
        if !self.changed_inputs.is_empty() {
            let text = format!(
                "version {version} cannot be made again from what is there: {}; restore what its run read",
                self.changed_inputs.join("; ")
            );
            return Err(Error::input(text));
        }
        match self.departures.first() {
            None => Ok(()),
            Some(first) => {
                let all = self.same + self.departures.iter().filter(|departure| !departure.is_new()).count() as u64;
                Err(Error::limit(format!(
                    "version {version} is not reproduced: {} of {} files differ, {} among them",
                    thousands(self.departures.len() as u64),
                    thousands(all),
                    first.file
                )))
            }
        }
    }
}

/// What a run recorded of itself.
#[derive(Deserialize)]
struct RecordedProgram {
    job: Option<RecordedJob>,
    tool: serde_json::Value,
    device: RecordedDevice,
}

#[derive(Deserialize)]
struct RecordedJob {
    path: PathBuf,
    text: String,
}

#[derive(Deserialize)]
struct RecordedDevice {
    device: String,
}

/// Makes a version again, in a scratch folder and on whatever device is there, and compares all files. Without a
/// number, the current version. The job is the text that the run recorded, or the file `job`. Names of segments are
/// those of the version. The history is not changed.
///
/// # Errors
/// No such version, one whose files or whose base version were changed or removed; a version that does not say its job;
/// whatever a run refuses. What differs is no error: see [`Reproduction::verdict`].
pub fn reproduce(
    history: &History,
    version: Option<u64>,
    job: Option<&Path>,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<Reproduction> {
    let made = PastRun::of(history, version)?;
    let (path, text) = made.job(job)?;
    let mut file = JobFile::of_text(&TomlText::of_file(&text, &path), &path)?;
    file.device = DeviceOptions::default();
    let names = std::path::absolute(made.folder.join(NAMES)).unwrap_or_default();
    // Braces would be placeholders.
    file.job.names = names.to_str().map(|names| names.replace('{', "{{").replace('}', "}}").into());
    file.resources.install(|| made.again(history, (&path, &text), &file, observer, stop))
}

/// The run that made the files of a version.
struct PastRun {
    record: VersionRecord,
    /// Where the files are; after a rollback they are also those of another version.
    folder: PathBuf,
    blake3: String,
    run: RecordedProgram,
}

impl PastRun {
    fn of(history: &History, version: Option<u64>) -> Result<Self> {
        let none = || Error::usage("no version is published yet: name one (hyades history list)".into());
        let version = match version {
            Some(version) => version,
            None => history.current()?.ok_or_else(none)?.version,
        };
        let mut record = history.vet_files(version)?;
        let folder = history.folder(version);
        let blake3 = record.blake3.clone().unwrap_or_default();
        // What a rollback published was made for another version.
        let mut records = history.versions()?;
        while let Some(origin) = record.origin {
            let at = records.iter().position(|other| other.version == origin && other.version < record.version);
            record = records.remove(at.ok_or_else(|| Error::Internal(format!("version {origin} is not known")))?);
        }
        let path = folder.join(RUN_RECORD);
        let run = serde_json::from_str(&text_of(&path)?).map_err(|e| damaged(&path, &e.to_string()))?;
        Ok(PastRun { record, folder, blake3, run })
    }

    /// The path and the text of the job file.
    fn job(&self, given: Option<&Path>) -> Result<(PathBuf, String)> {
        match (given, &self.run.job) {
            (Some(path), _) => Ok((path.to_path_buf(), TomlText::read(path)?.text)),
            (None, Some(job)) => Ok((job.path.clone(), job.text.clone())),
            (None, None) => {
                let text =
                    format!("version {} does not say which job made it; name it with --job", self.record.version);
                Err(Error::usage(text).of_kind(ErrorKind::NotFound).of_option("--job"))
            }
        }
    }

    fn again(
        &self,
        history: &History,
        (path, text): (&Path, &str),
        file: &JobFile,
        observer: &dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Reproduction> {
        let watch = Watch::new(observer, stop);
        let facts = &self.record.facts;
        let base = facts.based_on.map(|version| self.earlier(history, version)).transpose()?;
        let baseline = facts.baseline.map(|version| self.earlier(history, version)).transpose()?;
        let month = Month::new(facts.as_of.as_deref().unwrap_or_default(), self.record.version)?;
        let mode = if base.is_some() { file.refit.mode.unwrap_or_default() } else { RefitMode::Fresh };
        let opened = OpenedMonth::new(file, month, (mode, base.as_ref()), watch)?;
        let mut found = Reproduction {
            version: self.record.version,
            blake3: self.blake3.clone(),
            now: None,
            changed_inputs: source_key::changed(&opened.source.hashed_apart(), &self.folder, path, watch)?,
            notes: Vec::new(),
            same: 0,
            departures: Vec::new(),
        };
        if self.run.job.as_ref().is_some_and(|job| job.text != text) {
            found.notes.push("the job file is another one than that of the run".into());
        }
        if !found.changed_inputs.is_empty() {
            return Ok(found);
        }
        let key = RunKey::new(file, &file.fit(&month)?)?;
        let resources = &opened.fit.resources;
        let (staging, scratch) = (Staging::rehearsal(resources)?, resources.existing_scratch_folder(None));
        let made = tempfile::Builder::new().prefix("hyades-reproduction-").tempdir_in(&scratch);
        let made = made.map_err(|e| Error::io("create a folder in", &scratch, &e))?;
        let out = made.path().join("version");
        let job = MonthlyJob { file, text: (path, text), opened, mode, baseline, observer, stop };
        make(&job, &staging, base.as_ref(), (&out, SystemTime::now(), &key))?;
        self.compare(history, &out, found)
    }

    /// A version that this one was compared with, as it was then.
    fn earlier(&self, history: &History, version: u64) -> Result<BaseVersion> {
        history.vet(version)?;
        let mut earlier = BaseVersion::numbered(history, version)?;
        // Other versions have given ids since.
        let first = self.record.facts.more.get(FIRST_ID).and_then(serde_json::Value::as_u64);
        earlier.next_id = first.unwrap_or(earlier.next_id);
        Ok(earlier)
    }

    fn compare(&self, history: &History, out: &Path, found: Reproduction) -> Result<Reproduction> {
        let (now, differences) = history.differences(&self.record, out)?;
        let Reproduction { mut notes, .. } = found;
        let run: RecordedProgram = serde_json::from_str(&text_of(&out.join(RUN_RECORD))?)
            .map_err(|e| Error::Internal(format!("{RUN_RECORD}: {e}")))?;
        if self.run.tool != run.tool {
            notes.push(format!("the program was {}, and is {}", named(&self.run.tool), named(&run.tool)));
        }
        if self.run.device.device != run.device.device {
            notes.push(format!("the device was {}, and is {}", self.run.device.device, run.device.device));
        }
        let departures = departures::of(&self.folder, out, differences);
        let differ = departures.iter().filter(|departure| !departure.is_new()).count();
        let same = (self.record.files.len() - differ) as u64;
        Ok(Reproduction { now: Some(now), notes, same, departures, ..found })
    }
}

/// A program in words.
fn named(tool: &serde_json::Value) -> String {
    let text = |key: &str| tool.get(key).and_then(serde_json::Value::as_str);
    let parts = [text("hyades_version"), text("commit"), text("platform")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
