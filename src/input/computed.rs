//! Columns that are calculated from the others of a table, row group by row group. They are written once to an unnamed
//! scratch file, and from then on read like the input's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};

use super::beside::JoinedColumns;
use super::schema::SourceColumn;
use super::source::{Joined, RowGroup, Source};
use crate::error::{Error, ErrorKind, Result};

/// Columns of a source that are calculated.
#[derive(Debug)]
pub(crate) struct ComputedColumns {
    table: usize,
    schema: Arc<Schema>,
}

/// Makes the columns of a row group.
pub(crate) type RowGroupValues<'a> = dyn Fn(RowGroup) -> Result<Vec<ArrayRef>> + Sync + 'a;

impl Source {
    /// Adds columns whose values follow with [`Source::compute`].
    ///
    /// # Errors
    /// There are columns with these names.
    pub(crate) fn with_computed(mut self, fields: Vec<Field>) -> Result<(Self, ComputedColumns)> {
        if let Some(taken) = fields.iter().find(|field| self.position(field.name()).is_some()) {
            let name = taken.name();
            let text =
                format!("the input has a column {name:?}, which is the name of one that is calculated; rename it");
            return Err(Error::usage(text).of_columns([name]).of_kind(ErrorKind::Column));
        }
        let table = self.joined().len();
        let column = |(at, field): (usize, &Field)| SourceColumn {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            is_partition: false,
            conflicts: Vec::new(),
            widened: None,
            lacking: Vec::new(),
            is_locked: false,
            is_repeated: false,
            from_folder: false,
            joined: Some((table, at)),
        };
        let columns = self.columns().iter().cloned().chain(fields.iter().enumerate().map(column)).collect();
        let calculated = Joined { path: PathBuf::new(), source: self.without_files(), id: None, beside: None };
        let joined = self.joined().iter().cloned().chain([calculated]).collect();
        self.set_joined(columns, joined);
        Ok((self, ComputedColumns { table, schema: Arc::new(Schema::new(fields)) }))
    }

    /// Calculates columns for all rows; `folder` has the scratch file.
    ///
    /// # Errors
    /// Those of `values`, and a scratch file that cannot be written.
    pub(crate) fn compute(
        &mut self,
        columns: &ComputedColumns,
        folder: &Path,
        values: &RowGroupValues<'_>,
    ) -> Result<()> {
        let schema = &columns.schema;
        let batch = |group: usize| {
            let batch = RecordBatch::try_new(schema.clone(), values(self.row_groups()[group])?);
            batch.map_err(|e| Error::Internal(format!("calculated columns: {e}")))
        };
        let beside = JoinedColumns::write(schema, folder, self.row_groups().len(), &batch)?;
        self.set_beside(columns.table, beside);
        Ok(())
    }
}
