//! Writes rows from batches of any size as Parquet with row groups of one size.

use std::fs::File;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use parquet::schema::types::ColumnPath;

use super::OUTPUT_GROUP_ROWS;
use super::row_groups::{RowGroups, properties};
use crate::error::{Error, Result};

/// Writes rows as they arrive.
pub(crate) struct TableWriter {
    groups: RowGroups,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    rows: u64,
}

impl TableWriter {
    /// A writer to `file`, which errors call `path`.
    pub(crate) fn new(file: File, path: PathBuf, schema: SchemaRef) -> Result<Self> {
        let mut properties = properties();
        // Counts repeat; ids, which come first, never do, and measured values rarely do.
        for field in schema.fields().iter().enumerate().filter(|(i, f)| *i == 0 || f.data_type().is_floating()) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.1.name().as_str()), false);
        }
        let groups = RowGroups::new(file, path, schema, properties.build())?;
        Ok(TableWriter { groups, waiting: Vec::new(), waiting_rows: 0, rows: 0 })
    }

    /// Appends the next rows.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let mut rest = batch;
        while self.waiting_rows + rest.num_rows() >= OUTPUT_GROUP_ROWS {
            let now = OUTPUT_GROUP_ROWS - self.waiting_rows;
            self.waiting.push(rest.slice(0, now));
            rest = rest.slice(now, rest.num_rows() - now);
            self.flush()?;
        }
        self.waiting_rows += rest.num_rows();
        if rest.num_rows() > 0 {
            self.waiting.push(rest);
        }
        Ok(())
    }

    /// Writes the waiting rows as a row group.
    fn flush(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.waiting);
        self.waiting_rows = 0;
        let table = concat_batches(self.groups.schema(), &batches)
            .map_err(|e| Error::Internal(format!("assembling a table: {e}")))?;
        drop(batches);
        self.groups.write(table.columns())?;
        self.rows += table.num_rows() as u64;
        Ok(())
    }

    /// Adds a name and a value to the footer.
    pub(crate) fn describe(&mut self, name: &str, value: String) {
        self.groups.describe(&[(name, value)]);
    }

    /// Writes the remaining rows and the footer; the file is then complete but not yet synced. Returns rows and bytes.
    pub(crate) fn finish(mut self) -> Result<(u64, u64)> {
        if self.waiting_rows > 0 {
            self.flush()?;
        }
        Ok((self.rows, self.groups.finish()?))
    }
}
