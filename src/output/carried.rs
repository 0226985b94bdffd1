//! Columns of the output that come neither from the id nor from the clustering: constants, and columns of the input.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field};

use crate::error::{Error, Result};
use crate::input::{ColumnStream, Source};
use crate::text::parse_date;

/// A column that is written beside the labels.
pub(crate) enum CarriedColumn<'a> {
    /// One value for all rows: a day, or text.
    Day(String, i32),
    /// Text.
    Text(String, Arc<StringArray>),
    /// A column of the input.
    Input(Field, Box<ColumnStream<'a>>),
}

impl<'a> CarriedColumn<'a> {
    /// The same value in every row; one that is a day of the calendar, such as 2026-11-30, is a date.
    pub(crate) fn constant(name: &str, value: &str) -> Self {
        match parse_date(value) {
            Some(day) => CarriedColumn::Day(name.to_owned(), day as i32),
            None => CarriedColumn::Text(name.to_owned(), Arc::new(StringArray::from(vec![value]))),
        }
    }

    /// A column of the input from the first row on, one of `side_by_side` that are read together.
    pub(crate) fn input(source: &'a Source, column: usize, side_by_side: usize) -> Self {
        let known = &source.columns()[column];
        let field = Field::new(&known.name, known.data_type.clone(), true);
        CarriedColumn::Input(field, Box::new(ColumnStream::new(source, column, side_by_side)))
    }

    pub(super) fn field(&self) -> Field {
        match self {
            CarriedColumn::Day(name, _) => Field::new(name, DataType::Date32, false),
            CarriedColumn::Text(name, _) => {
                let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                Field::new(name, text, false)
            }
            CarriedColumn::Input(field, _) => field.clone(),
        }
    }

    /// The next rows.
    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        match self {
            CarriedColumn::Day(_, day) => Ok(Arc::new(Date32Array::from_value(*day, rows))),
            CarriedColumn::Text(name, value) => {
                let same = DictionaryArray::try_new(Int32Array::from_value(0, rows), value.clone());
                same.map(|same| Arc::new(same) as ArrayRef).map_err(|e| Error::Internal(format!("{name}: {e}")))
            }
            CarriedColumn::Input(_, values) => values.take(rows),
        }
    }
}
