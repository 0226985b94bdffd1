//! The table of customers, and their segments by id from another table.

use std::path::Path;

use super::columns::id_column;
use super::request::TagsRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::{OtherTable, Source};
use crate::job::{inputs, of_folder, segment_names, vet_matches};
use crate::text::did_you_mean;

/// The column of labels by default: as a fit writes it.
const SEGMENT: &str = "segment";

/// Customers whose columns can be read once they are joined.
pub(super) struct TaggedCustomers {
    pub(super) source: Source,
    pub(super) id: usize,
    /// The column of segments.
    pub(super) label: Option<usize>,
    /// Names of segments, by number.
    pub(super) names: Vec<String>,
}

impl TaggedCustomers {
    /// Opens the input, and the labels if the request names any.
    ///
    /// # Errors
    /// An input or labels that cannot be opened; no id, or no column of labels.
    pub(super) fn open(request: &TagsRequest, out: Option<&Path>, watch: Watch<'_>) -> Result<Self> {
        let wanted = request.label_column.as_deref().unwrap_or(SEGMENT);
        let (asked, place) = (request.id.as_deref(), (&request.resources, out));
        let Some(path) = request.labels.as_deref().map(of_folder) else {
            let source = inputs::open(&request.input, asked, place, watch)?;
            let label = request.label_column.as_ref().map(|_| label_column(&source, wanted, "the input"));
            let (id, label) = (id_column(&source, asked)?, label.transpose()?);
            return Ok(TaggedCustomers { source, id, label, names: Vec::new() });
        };
        let labels = Source::open_with(std::slice::from_ref(&path), &request.input.access())?;
        label_column(&labels, wanted, &path.display().to_string())?;
        let names = segment_names(&labels).filter(|_| wanted == SEGMENT).unwrap_or_default();
        // A table of labels may have other columns of the input, too.
        let beside = OtherTable { path, only: Some(wanted.to_owned()) };
        let joined = inputs::open_beside(&request.input, Some(beside), asked, place, watch);
        let source = joined.map_err(|e| Error::input(e.to_string().replace("--join", "--labels")).of_kind(e.kind()))?;
        let (id, label) = (id_column(&source, asked)?, source.position(wanted));
        Ok(TaggedCustomers { source, id, label, names })
    }

    /// Looks up the joined columns among `needed`, and refuses labels of which more than `limit` of the rows lack one.
    pub(super) fn join(
        &mut self,
        needed: &[usize],
        (request, limit): (&TagsRequest, f64),
        out: Option<&Path>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let needed: Vec<usize> = needed.iter().copied().chain(self.label).collect();
        inputs::tell_differences(&self.source, needed.iter().copied().chain([self.id]), watch);
        let joins = inputs::join(&mut self.source, &needed, &request.resources, out, watch)?;
        joins.last().filter(|_| request.labels.is_some()).map_or(Ok(()), |labels| vet_matches(labels, limit))
    }
}

fn label_column(source: &Source, name: &str, at: &str) -> Result<usize> {
    source.position(name).ok_or_else(|| {
        let hint = did_you_mean(name, source.columns().iter().map(|column| column.name.as_str()));
        let what = format!("{at} has no column of segments {name:?}{hint}; name it with --label-column");
        Error::usage(what).of_kind(ErrorKind::Column).of_columns([name]).of_option("--label-column")
    })
}
