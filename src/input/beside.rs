//! The joined columns of a table, stored in the row order of the input.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use super::file::RangeFile;
use crate::error::{Error, Result};

/// Columns in the row order of the input.
#[derive(Debug, Clone)]
pub(crate) struct JoinedColumns {
    pub(super) file: RangeFile,
    pub(super) metadata: ArrowReaderMetadata,
}

impl JoinedColumns {
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
