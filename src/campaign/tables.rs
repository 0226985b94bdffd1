//! What all tables of a campaign have in common: where they are opened, and how columns are found.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::Source;
use crate::job::Resources;
use crate::roles::guess_id;
use crate::text::{did_you_mean, quoted};

/// Where scratch files lie, and what may be used.
#[derive(Clone, Copy)]
pub(super) struct Workplace<'a> {
    pub(super) resources: &'a Resources,
    pub(super) scratch: &'a Path,
    pub(super) watch: Watch<'a>,
}

/// The column of ids: that named, or one named like an id.
pub(super) fn id_of(source: &Source, named: Option<&str>) -> Result<usize> {
    match named {
        Some(name) => column(source, name),
        None => guess_id(source.columns(), &[]).ok_or_else(|| {
            Error::usage("no column of the customers is named like an id; name it in [customers]: id = \"...\"".into())
                .of_kind(ErrorKind::Column)
        }),
    }
}

/// A column by its name.
pub(super) fn column(source: &Source, name: &str) -> Result<usize> {
    source.position(name).ok_or_else(|| {
        let hint = did_you_mean(name, source.columns().iter().map(|column| column.name.as_str()));
        Error::usage(format!("no column is named {}{hint}", quoted(name))).of_columns([name]).of_kind(ErrorKind::Column)
    })
}
