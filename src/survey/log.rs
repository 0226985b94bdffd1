//! The segment of every row, kept for a survey that follows the label pass: in an unnamed file, so that memory does not
//! grow with the input.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Ride, Segment};
use crate::error::{Error, Result};
use crate::input::{read_at, write_at};

/// Segments by row, as numbers of 1, 2 or 4 bytes, as few as the number of segments needs; 0 is a row without one.
#[derive(Debug)]
pub(crate) struct SegmentLog {
    file: File,
    folder: PathBuf,
    width: u64,
    rows: u64,
}

impl SegmentLog {
    /// An empty log for so many `segments`, in an unnamed file in `folder`.
    pub(crate) fn new(folder: &Path, segments: usize) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|e| Error::io("create a scratch file in", folder, &e))?;
        let width = match segments {
            0..0xff => 1,
            0xff..0xffff => 2,
            _ => 4,
        };
        Ok(SegmentLog { file, folder: folder.to_path_buf(), width, rows: 0 })
    }

    /// The folder of its file.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads consecutive rows, one for each place of `out`: the number of the segment plus 1, or 0 without a segment.
    pub(crate) fn read(&self, first_row: u64, out: &mut [u32]) -> Result<()> {
        let width = self.width as usize;
        let mut bytes = vec![0; out.len() * width];
        let fail = |e: std::io::Error| Error::io("read the scratch file in", &self.folder, &e);
        read_at(&self.file, &mut bytes, first_row * self.width).map_err(fail)?;
        if width == 1 {
            out.iter_mut().zip(bytes).for_each(|(code, byte)| *code = byte.into());
            return Ok(());
        }
        for (code, bytes) in out.iter_mut().zip(bytes.chunks_exact(width)) {
            *code = bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
        }
        Ok(())
    }
}

impl Ride for SegmentLog {
    fn start(&mut self) {
        self.rows = 0;
    }

    fn see(&mut self, segments: &[Segment]) -> Result<()> {
        let number = |segment: &Segment| segment.number().map_or(0, |number| number + 1);
        let bytes: Vec<u8> =
            segments.iter().flat_map(|s| number(s).to_le_bytes().into_iter().take(self.width as usize)).collect();
        let fail = |e: std::io::Error| Error::io("write the scratch file in", &self.folder, &e);
        write_at(&self.file, &bytes, self.rows * self.width).map_err(fail)?;
        self.rows += segments.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_back_by_row() {
        let folder = tempfile::tempdir().unwrap();
        for segments in [4, 0xfe, 0xff, 70_000] {
            let mut log = SegmentLog::new(folder.path(), segments).unwrap();
            let last = Segment::new(segments as u32 - 1);
            log.see(&[last]).unwrap();
            log.start();
            log.see(&[Segment::new(0), Segment::NONE]).unwrap();
            log.see(&[last]).unwrap();
            let mut out = [7; 3];
            log.read(0, &mut out).unwrap();
            assert_eq!((out, log.rows), ([1, 0, segments as u32], 3), "{segments}");
            let mut two = [7; 2];
            log.read(1, &mut two).unwrap();
            assert_eq!(two, [0, segments as u32]);
        }
    }
}
