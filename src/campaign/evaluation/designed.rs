//! The folder of a design as the input of an evaluation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::request::EvaluateRequest;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::Source;

const ASSIGNMENTS: &str = "assignments.parquet";
const DESIGN: &str = "design.json";
/// Columns and arms of the assignments.
const LIST: &str = "list";
const SEGMENT: &str = "segment";
const ARM: &str = "arm";
const CONTROL: &str = "control";
const CONTACT: &str = "contact";

/// A request, and the design that it names.
#[derive(Debug)]
pub(super) struct DesignedRequest {
    /// With the table of a design as its input, and all others joined.
    pub(super) request: EvaluateRequest,
    /// None: there is no design, or its arms are not those that are compared.
    pub(super) design: Option<DesignedLists>,
}

impl DesignedRequest {
    /// Columns that cells are told apart by: those of groups, and those that shares and costs depend on.
    pub(super) fn by(&self) -> Vec<String> {
        let mut by = self.request.by.clone();
        for (column, is_needed) in self.design.iter().flat_map(DesignedLists::needed) {
            if is_needed && !by.iter().any(|name| name == column) {
                by.push(column.to_owned());
            }
        }
        by
    }

    /// The day of the contact, if a design tells it.
    pub(super) fn day(&self) -> Option<&str> {
        self.design.as_ref()?.day.as_deref()
    }
}

/// Completes a request whose first input is a design.
pub(super) fn with_design(request: &EvaluateRequest, watch: Watch<'_>) -> Result<DesignedRequest> {
    let mut request = request.clone();
    let Some(assignments) = request.input.paths.first().and_then(|path| assignments(path)) else {
        let named = |what: &Option<String>, option: &'static str, means: &str| match what {
            Some(_) => Ok(()),
            None => Err(Error::usage(format!("{option} is missing: {means}")).of_option(option)),
        };
        named(&request.arm, "--arm", "name the column that says which arm each customer was assigned to")?;
        named(&request.control, "--control", "name the arm that was left alone")?;
        return Ok(DesignedRequest { request, design: None });
    };
    let outcomes = request.input.paths.split_off(1);
    if outcomes.is_empty() && request.events.is_empty() {
        let text = "no outcomes: name a table of outcomes after the design, or one of events with --events";
        return Err(Error::usage(text.into()));
    }
    request.input.join = [outcomes, request.input.join].concat();
    if request.arm.is_none() && request.by.is_empty() {
        let design = Source::open_with(std::slice::from_ref(&assignments), &request.input.access())?;
        let has = |name: &&str| design.position(name).is_some();
        request.by = [LIST, SEGMENT].iter().copied().filter(has).map(str::to_owned).collect();
    }
    request.arm.get_or_insert_with(|| ARM.into());
    request.control.get_or_insert_with(|| CONTROL.into());
    let is_ours = request.arm.as_deref() == Some(ARM) && request.control.as_deref() == Some(CONTROL);
    let design = DesignedLists::read(&assignments)?.filter(|_| is_ours);
    if request.id.is_none() {
        request.id = design.as_ref().and_then(|design| design.id.clone());
    }
    if design.as_ref().is_some_and(DesignedLists::shares_differ) {
        watch.warn(
            "the shares of the control groups differ by list or segment, so contacted customers as a whole are not \
             like the control as a whole: read the figures by list and segment",
        );
    }
    request.input.paths = vec![assignments];
    Ok(DesignedRequest { request, design })
}

/// The table of assignments, if this is the folder of a design or its file.
fn assignments(path: &Path) -> Option<PathBuf> {
    let folder = if path.file_name()? == DESIGN { path.parent()? } else { path };
    Some(folder.join(ASSIGNMENTS)).filter(|table| table.is_file())
}

/// What an evaluation needs of a design.
#[derive(Debug, Deserialize)]
pub(super) struct DesignedLists {
    day: Option<String>,
    id: Option<String>,
    lists: Vec<DesignedList>,
}

#[derive(Debug, Deserialize)]
struct DesignedList {
    name: String,
    control_share: f64,
    /// Other shares, by segment.
    #[serde(default)]
    control_share_of: BTreeMap<String, f64>,
    cost_per_contact: Option<f64>,
}

/// The group of a cell: the columns that tell cells apart, and their values.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellGroup<'a> {
    pub(super) columns: &'a [String],
    pub(super) values: &'a [Option<String>],
}

impl CellGroup<'_> {
    fn value(&self, column: &str) -> Option<&str> {
        self.values[self.columns.iter().position(|name| name == column)?].as_deref()
    }
}

impl DesignedLists {
    /// None: there is no file of the design beside the assignments.
    fn read(assignments: &Path) -> Result<Option<Self>> {
        let path = assignments.with_file_name(DESIGN);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, &e))?;
        let unreadable = |e| Error::input(format!("{}: not a design: {e}", path.display())).of_file(&path);
        serde_json::from_str(&text).map(Some).map_err(unreadable)
    }

    /// Columns that shares and costs may depend on, and whether they do.
    fn needed(&self) -> [(&'static str, bool); 2] {
        let first = self.lists.first();
        let differs = |list: &DesignedList| {
            first.is_some_and(|first| {
                first.control_share != list.control_share || first.cost_per_contact != list.cost_per_contact
            })
        };
        let by_segment = self.lists.iter().any(|list| !list.control_share_of.is_empty());
        let by_list = self.lists.iter().any(differs) || by_segment && self.lists.len() > 1;
        [(LIST, by_list), (SEGMENT, by_segment)]
    }

    fn shares_differ(&self) -> bool {
        let share = |list: &DesignedList| list.control_share;
        let first = self.lists.first().map(share);
        self.lists.iter().any(|list| !list.control_share_of.is_empty() || Some(share(list)) != first)
    }

    /// The list of a cell.
    fn list(&self, group: CellGroup<'_>) -> Result<&DesignedList> {
        let name = group.value(LIST);
        let list = match name {
            Some(name) => self.lists.iter().find(|list| list.name == name),
            None => self.lists.first(),
        };
        list.ok_or_else(|| {
            let name = name.unwrap_or_default();
            Error::input(format!("{ASSIGNMENTS} has customers of the list {name:?}, which {DESIGN} does not know"))
        })
    }

    /// The shares in which the customers of a cell were assigned, by arm.
    pub(super) fn shares(&self, group: CellGroup<'_>, arms: &[String]) -> Result<Vec<f64>> {
        let list = self.list(group)?;
        let own = group.value(SEGMENT).and_then(|segment| list.control_share_of.get(segment));
        let control = *own.unwrap_or(&list.control_share);
        let share = |arm: &String| match arm.as_str() {
            CONTROL => control,
            CONTACT => 1.0 - control,
            _ => 0.0,
        };
        Ok(arms.iter().map(share).collect())
    }

    /// What a contact of the customers of a cell costs.
    pub(super) fn cost(&self, group: CellGroup<'_>) -> Result<Option<f64>> {
        Ok(self.list(group)?.cost_per_contact)
    }

    /// What a contact of each list costs, where it is told.
    pub(super) fn costs(&self) -> BTreeMap<String, f64> {
        self.lists.iter().filter_map(|list| Some((list.name.clone(), list.cost_per_contact?))).collect()
    }
}
