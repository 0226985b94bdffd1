//! Columns that options name.

use arrow::datatypes::DataType;

use crate::error::{Error, ErrorKind, Result};
use crate::input::Source;
use crate::text::did_you_mean;

/// The column of a name, which an option gives.
pub(super) fn position(source: &Source, name: &str, option: &'static str) -> Result<usize> {
    source.position(name).ok_or_else(|| {
        let names = || source.columns().iter().map(|c| c.name.as_str());
        let text = format!("no column is named {name:?} ({option}){}", did_you_mean(name, names()));
        Error::usage(text).of_kind(ErrorKind::Column).of_columns([name]).of_option(option)
    })
}

/// The column of a number or a truth value.
pub(super) fn number(source: &Source, name: &str, option: &'static str) -> Result<usize> {
    let column = position(source, name, option)?;
    let data_type = &source.columns()[column].data_type;
    if data_type.is_numeric() || *data_type == DataType::Boolean {
        return Ok(column);
    }
    let text = format!("{option} {name:?} is {data_type}; an outcome is a number, or true or false");
    Err(Error::input(text).of_kind(ErrorKind::Column).of_columns([name]).of_option(option))
}

/// The columns of numbers of an option.
pub(super) fn numbers(source: &Source, names: &[String], option: &'static str) -> Result<Vec<usize>> {
    names.iter().map(|name| number(source, name, option)).collect()
}
