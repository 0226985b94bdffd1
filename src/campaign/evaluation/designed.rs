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

/// The request with the table of a design as its input, and all others joined, if the first input is a design.
pub(super) fn with_design(request: &EvaluateRequest, watch: Watch<'_>) -> Result<EvaluateRequest> {
    let mut request = request.clone();
    let Some(assignments) = request.input.paths.first().and_then(|path| assignments(path)) else {
        let named = |what: &Option<String>, option: &'static str, means: &str| match what {
            Some(_) => Ok(()),
            None => Err(Error::usage(format!("{option} is missing: {means}")).of_option(option)),
        };
        named(&request.arm, "--arm", "name the column that says which arm each customer was assigned to")?;
        named(&request.control, "--control", "name the arm that was left alone")?;
        return Ok(request);
    };
    let outcomes = request.input.paths.split_off(1);
    if outcomes.is_empty() {
        return Err(Error::usage("no outcomes: name a table of outcomes after the design".into()));
    }
    request.input.join = [outcomes, request.input.join].concat();
    if request.arm.is_none() && request.by.is_empty() {
        let design = Source::open_with(std::slice::from_ref(&assignments), &request.input.access())?;
        let has = |name: &&str| design.position(name).is_some();
        request.by = ["list", "segment"].iter().copied().filter(has).map(str::to_owned).collect();
    }
    request.arm.get_or_insert_with(|| "arm".into());
    request.control.get_or_insert_with(|| "control".into());
    if request.expected_shares.is_empty() {
        match DesignedLists::read(&assignments)?.and_then(|lists| lists.control_share()) {
            Some(share) => request.expected_shares = vec![format!("contact={}", 1.0 - share), format!("control={share}")],
            None => watch.warn(
                "the design gives no single share of the control groups: the sample ratio is that of equal shares; name \
                 others with --expected-shares",
            ),
        }
    }
    request.input.paths = vec![assignments];
    Ok(request)
}

/// The table of assignments, if this is the folder of a design or its file.
fn assignments(path: &Path) -> Option<PathBuf> {
    let folder = if path.file_name()? == DESIGN { path.parent()? } else { path };
    Some(folder.join(ASSIGNMENTS)).filter(|table| table.is_file())
}

/// What an evaluation needs of a design.
#[derive(Debug, Deserialize)]
struct DesignedLists {
    lists: Vec<DesignedList>,
}

#[derive(Debug, Deserialize)]
struct DesignedList {
    control_share: f64,
    /// Other shares, by segment.
    #[serde(default)]
    control_share_of: BTreeMap<String, f64>,
    contacted: u64,
    control: u64,
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

    /// The expected share of customers in a control group, if it does not depend on the segment.
    fn control_share(&self) -> Option<f64> {
        let customers = |list: &DesignedList| (list.contacted + list.control) as f64;
        let all: f64 = self.lists.iter().map(customers).sum();
        let control: f64 = self.lists.iter().map(|list| customers(list) * list.control_share).sum();
        let is_plain = self.lists.iter().all(|list| list.control_share_of.is_empty());
        Some(control / all).filter(|share| is_plain && *share > 0.0 && *share < 1.0)
    }
}
