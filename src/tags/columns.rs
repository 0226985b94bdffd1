//! Which columns of a table are read.

use crate::error::{Error, Result};
use crate::input::Source;
use crate::roles::guess_id;
use crate::text::did_you_mean;

/// The column of ids.
pub(super) fn id_column(source: &Source, named: Option<&str>) -> Result<usize> {
    let Some(name) = named else {
        let none = || Error::usage("no column is named like an id; name it with --id".into()).of_option("--id");
        return guess_id(source.columns(), &[]).ok_or_else(none);
    };
    source.position(name).ok_or_else(|| {
        let names = source.columns().iter().map(|column| column.name.as_str());
        let what = format!("--id: no column is named {name:?}{}", did_you_mean(name, names));
        Error::usage(what).of_columns([name]).of_option("--id")
    })
}
