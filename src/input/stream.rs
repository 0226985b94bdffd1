//! A column in row order, in pieces of any length.

use std::collections::VecDeque;

use arrow::array::ArrayRef;

use super::cloud::Ahead;
use super::column::ColumnReader;
use super::source::{Order, RowGroup, Source};
use crate::error::{Error, ErrorKind, Result};

/// One column of all rows, decoded as it is taken: memory holds one batch.
pub(crate) struct ColumnStream<'a> {
    source: &'a Source,
    column: usize,
    groups: std::slice::Iter<'a, RowGroup>,
    reader: Option<ColumnReader<'a>>,
    waiting: VecDeque<ArrayRef>,
    _ahead: Ahead,
}

impl<'a> ColumnStream<'a> {
    /// The column from the first row on, one of `side_by_side` columns that are read together.
    pub(crate) fn new(source: &'a Source, column: usize, side_by_side: usize) -> Self {
        let groups = source.row_groups();
        let _ahead = source.ahead(groups, &[column], Order::InTurn(side_by_side));
        ColumnStream { source, column, groups: groups.iter(), reader: None, waiting: VecDeque::new(), _ahead }
    }

    /// At least one of the next rows and at most `rows`, which is not 0.
    ///
    /// # Errors
    /// A column that ends early, or cannot be decoded.
    pub(crate) fn next(&mut self, rows: usize) -> Result<ArrayRef> {
        loop {
            let array = match self.waiting.pop_front() {
                Some(array) => array,
                None => self.next_array()?,
            };
            if array.len() > rows {
                self.waiting.push_front(array.slice(rows, array.len() - rows));
                return Ok(array.slice(0, rows));
            }
            if !array.is_empty() {
                return Ok(array);
            }
        }
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// As those of [`next`](Self::next).
    pub(crate) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let mut pieces: Vec<ArrayRef> = Vec::new();
        let mut have = 0;
        while have < rows {
            let piece = self.next(rows - have)?;
            have += piece.len();
            pieces.push(piece);
        }
        let parts: Vec<&dyn arrow::array::Array> = pieces.iter().map(AsRef::as_ref).collect();
        let name = &self.source.columns()[self.column].name;
        let unreadable = |e| Error::input(format!("cannot read the column {name:?}: {e}")).of_columns([name]);
        arrow::compute::concat(&parts).map_err(unreadable)
    }

    /// Gives back rows that were just taken: they are the next to be taken.
    pub(crate) fn put_back(&mut self, rows: ArrayRef) {
        self.waiting.push_front(rows);
    }

    fn next_array(&mut self) -> Result<ArrayRef> {
        loop {
            if let Some(reader) = &mut self.reader
                && let Some(array) = reader.next_array()?
            {
                return Ok(array);
            }
            let name = &self.source.columns()[self.column].name;
            let group = self.groups.next().ok_or_else(|| {
                Error::input(format!("column {name:?} is corrupt: it has fewer values than there are rows"))
                    .of_columns([name])
                    .of_kind(ErrorKind::Corrupt)
            })?;
            self.reader = Some(ColumnReader::open(self.source, *group, self.column)?);
        }
    }
}
