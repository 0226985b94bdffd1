//! Columns beside those of the input's files, joined or calculated, stored in the row order of the input.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rayon::prelude::*;

use super::file::RangeFile;
use crate::error::{Error, Result};

/// Columns in the row order of the input.
#[derive(Debug, Clone)]
pub(crate) struct JoinedColumns {
    pub(super) file: RangeFile,
    pub(super) metadata: ArrowReaderMetadata,
}

impl JoinedColumns {
    /// Writes the batches that `batch` makes for the row groups of the input, so many, to an unnamed scratch file.
    pub(super) fn write(
        schema: &Arc<Schema>,
        folder: &Path,
        groups: usize,
        batch: &(dyn Fn(usize) -> Result<RecordBatch> + Sync),
    ) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|e| Error::io("create a scratch file in", folder, &e))?;
        let fail = |e: parquet::errors::ParquetError| {
            Error::environment(format!("cannot write a scratch file in {}: {e}", folder.display())).of_file(folder)
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(usize::MAX))
            .build();
        let handle: File = file.try_clone().map_err(|e| Error::io("create a scratch file in", folder, &e))?;
        let mut writer = ArrowWriter::try_new(handle, schema.clone(), Some(properties)).map_err(fail)?;
        let wave = rayon::current_num_threads();
        for first in (0..groups).step_by(wave) {
            let batches: Vec<RecordBatch> =
                (first..groups.min(first + wave)).into_par_iter().with_max_len(1).map(batch).collect::<Result<_>>()?;
            for batch in batches {
                writer.write(&batch).map_err(fail)?;
                // One row group for each of the input's.
                writer.flush().map_err(fail)?;
            }
        }
        writer.close().map_err(fail)?;
        let file = RangeFile::of(file, folder).map_err(|e| Error::io("read the scratch file in", folder, &e))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(fail)?;
        Ok(JoinedColumns { file, metadata })
    }

    /// A whole column of a row group.
    pub(super) fn column(&self, group: usize, column: usize) -> Result<ArrayRef> {
        use parquet::arrow::ProjectionMask;
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
        let read = || -> Result<ArrayRef, ArrowError> {
            let mask = ProjectionMask::roots(self.metadata.parquet_schema(), [column]);
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![group])
                .build()?;
            let batches = reader.collect::<Result<Vec<RecordBatch>, ArrowError>>()?;
            concat(&batches.iter().map(|b| b.column(0).as_ref()).collect::<Vec<_>>())
        };
        read().map_err(|e| Error::environment(format!("cannot read the scratch file of a join: {e}")))
    }
}
