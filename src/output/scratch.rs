//! The labels of one stratum, kept in an unnamed file until those of all strata are available: 8 bytes per row, and 4
//! each for margins and micro-segments, 28 for posteriors.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::measure::MeasuredRows;
use crate::backend::RowPosterior;
use crate::error::{Error, Result};
use crate::survey::Segment;

/// Bytes written or read at a time.
const BUFFER: usize = 1 << 16;

/// Writes labels.
pub(crate) struct LabelScratch {
    file: BufWriter<File>,
    folder: PathBuf,
}

/// Reads labels back, in order.
pub(crate) struct Kept {
    file: BufReader<File>,
    folder: PathBuf,
}

/// The record of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Record {
    /// The segment in its stratum.
    pub(crate) segment: Segment,
    pub(crate) distance: f32,
    pub(crate) margin: Option<f32>,
    /// The micro-segment in its stratum.
    pub(crate) micro: Option<u32>,
    /// The posterior; its second component is that of the stratum.
    pub(crate) posterior: Option<RowPosterior>,
}

/// What a record has besides the segment and the distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordShape {
    pub(super) margin: bool,
    pub(super) micro: bool,
    pub(super) posterior: bool,
}

/// Words of a row's posteriors.
const POSTERIOR_WORDS: usize = 7;

/// Stands for no second component.
const NO_SECOND: u32 = u32::MAX;

impl LabelScratch {
    /// An unnamed file in `folder`, which disappears with the process.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|e| Error::io("create a scratch file in", folder, &e))?;
        Ok(LabelScratch { file: BufWriter::with_capacity(BUFFER, file), folder: folder.to_path_buf() })
    }

    pub(super) fn write(&mut self, segments: &[Segment], rows: &MeasuredRows) -> Result<()> {
        let put = |file: &mut BufWriter<File>| {
            for (i, (segment, distance)) in segments.iter().zip(&rows.distances).enumerate() {
                file.write_all(&segment.code().to_le_bytes())?;
                file.write_all(&distance.to_le_bytes())?;
                if let Some(margins) = &rows.margins {
                    file.write_all(&margins[i].to_le_bytes())?;
                }
                if let Some(micro) = &rows.micro {
                    file.write_all(&micro[i].to_le_bytes())?;
                }
                if let Some(posteriors) = &rows.posteriors {
                    let RowPosterior { first, second, second_posterior, entropy } = posteriors[i];
                    for value in [first, second_posterior, entropy] {
                        file.write_all(&value.to_le_bytes())?;
                    }
                    file.write_all(&second.unwrap_or(NO_SECOND).to_le_bytes())?;
                }
            }
            Ok(())
        };
        put(&mut self.file).map_err(|e| Error::io("write the scratch file in", &self.folder, &e))
    }

    pub(super) fn finish(self) -> Result<Kept> {
        let folder = self.folder;
        let fault = |e: &std::io::Error| Error::io("write the scratch file in", &folder, e);
        let mut file = self.file.into_inner().map_err(|e| fault(e.error()))?;
        file.seek(SeekFrom::Start(0)).map_err(|e| fault(&e))?;
        Ok(Kept { file: BufReader::with_capacity(BUFFER, file), folder })
    }
}

impl Kept {
    /// Bytes of memory that each one holds.
    pub(crate) const BYTES: u64 = BUFFER as u64;

    /// Goes back to the first row.
    pub(super) fn rewind(&mut self) -> Result<()> {
        self.file.rewind().map_err(|e| Error::io("read the scratch file in", &self.folder, &e))
    }

    /// The next row.
    pub(super) fn next(&mut self, shape: RecordShape) -> Result<Record> {
        let RecordShape { margin, micro, posterior } = shape;
        let mut bytes = [0; 4 * (4 + POSTERIOR_WORDS)];
        let before = 8 + 4 * (usize::from(margin) + usize::from(micro));
        let record = &mut bytes[..before + if posterior { 4 * POSTERIOR_WORDS } else { 0 }];
        self.file.read_exact(record).map_err(|e| Error::io("read the scratch file in", &self.folder, &e))?;
        let word = |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        let (segment, distance) = (Segment::of_code(word(0).cast_signed()), f32::from_bits(word(4)));
        let margin = margin.then(|| f32::from_bits(word(8)));
        let micro = micro.then(|| word(if margin.is_some() { 12 } else { 8 }));
        let double = |i: usize| f64::from_bits(u64::from(word(i)) | u64::from(word(i + 4)) << 32);
        let posterior = posterior.then(|| RowPosterior {
            first: double(before),
            second_posterior: double(before + 8),
            entropy: double(before + 16),
            second: Some(word(before + 24)).filter(|second| *second != NO_SECOND),
        });
        Ok(Record { segment, distance, margin, micro, posterior })
    }
}
