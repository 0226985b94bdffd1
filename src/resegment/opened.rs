//! The input of a month, opened once, and whatever can be refused before anything is computed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::base::BaseVersion;
use super::context::NAMES;
use super::definition::Definition;
use crate::error::{Error, Result};
use crate::event::{Observer, Watch};
use crate::identity::NameBook;
use crate::input::{Source, is_whole_id};
use crate::job::{Base, Beginning, FitRequest, JobFile, Month, Plan, RefitMode, inputs, plan_from};

/// A job in a month.
pub(super) struct MonthlyJob<'a> {
    pub(super) file: &'a JobFile,
    /// The path and the text of its file.
    pub(super) text: (&'a Path, &'a str),
    pub(super) opened: OpenedMonth,
    pub(super) mode: RefitMode,
    /// A version besides the base that the data are compared with.
    pub(super) baseline: Option<BaseVersion>,
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: &'a AtomicBool,
}

impl<'a> MonthlyJob<'a> {
    pub(super) fn watch(&self) -> Watch<'a> {
        Watch::new(self.observer, self.stop)
    }

    /// Bytes of memory that may be used.
    pub(super) fn memory(&self) -> u64 {
        self.opened.fit.resources.budget()
    }
}

/// A month before anything is computed.
pub(super) struct OpenedMonth {
    pub(super) month: Month,
    /// The fit of the month, with placeholders filled in.
    pub(super) fit: FitRequest,
    /// The input. All steps of a run read it through this, so a file that changes meanwhile is noticed.
    pub(super) source: Source,
    /// The column of ids.
    pub(super) id: Option<String>,
    pub(super) definition: Definition,
    pub(super) names: NameBook,
    plan: Plan,
}

impl OpenedMonth {
    /// Opens the input.
    ///
    /// # Errors
    /// What a fit refuses before its work; ids of another kind than the base version's; names that do not fit.
    pub(super) fn new(
        file: &JobFile,
        month: Month,
        (mode, base): (RefitMode, Option<&BaseVersion>),
        watch: Watch<'_>,
    ) -> Result<Self> {
        let mut fit = file.fit(&month)?;
        let mut definition = Definition::new(&fit)?;
        let source = inputs::open(&fit.input, fit.columns.id.as_deref(), (&fit.resources, None), watch)?;
        if source.rows() == 0 {
            return Err(Error::input("the input has no rows".into()));
        }
        let earlier = base.filter(|_| mode != RefitMode::Fresh);
        let earlier =
            earlier.map(|base| Base { model: &base.model, competes: mode == RefitMode::Auto, max_relabelled: None });
        let beginning = Beginning { source: Some(&source), base: earlier, ..Beginning::default() };
        let (plan, roles, _) = plan_from(&fit, beginning, watch.quiet())?;
        let id = roles.id.map(|id| source.columns()[id].name.clone());
        if let Some((base, id)) = base.zip(roles.id) {
            vet_ids(base, (&source, id), &fit, watch)?;
        }
        definition.id.clone_from(&id);
        // Both models take their ids from the same column.
        fit.columns.id = fit.columns.id.or_else(|| id.clone());
        let names = names(file, &month, base)?;
        Ok(OpenedMonth { month, fit, source, id, definition, names, plan })
    }

    /// The same month as version `number`, of which no path knows.
    pub(super) fn of_run(self, number: u64) -> Self {
        OpenedMonth { month: self.month.of_run(number), ..self }
    }

    /// Refuses options that the mode of the job ignores, since it takes them over from the base version.
    ///
    /// # Errors
    /// The sections that changed.
    pub(super) fn vet_definition(&self, file: &JobFile, base: Option<&BaseVersion>) -> Result<()> {
        let Some(base) = base.filter(|_| file.refit.mode != Some(RefitMode::Fresh)) else { return Ok(()) };
        let version = base.pointer.version;
        if let Some(known) = &base.definition {
            self.definition.vet((version, known), &file.refit)?;
        }
        let features: BTreeSet<String> =
            base.model.parts.iter().flat_map(|part| part.preparation.source_columns()).collect();
        match self.fit.columns.protect.iter().find(|name| features.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let text = format!(
                    "{} is to be protected, and is a feature of version {version}, which this run takes over; set mode = \
                     \"fresh\" in [refit] for this month",
                    crate::text::quoted(name)
                );
                Err(Error::usage(text).of_columns([name]))
            }
        }
    }

    /// What a run would do, line by line.
    pub(super) fn plan(&self, file: &JobFile, mode: RefitMode, base: Option<&BaseVersion>) -> Vec<String> {
        let mut lines = vec![
            format!("job {}, as of {}", file.name(), self.month.as_of()),
            match base {
                Some(base) => {
                    format!(
                        "based on version {} in {}: {}",
                        base.pointer.version,
                        file.history().display(),
                        mode.title()
                    )
                }
                None => format!("the first version in {}: a fit", file.history().display()),
            },
        ];
        lines.extend(self.source.files().iter().map(|file| format!("input {}", file.path.display())));
        lines.extend(self.plan.summary());
        lines
    }
}

/// Refuses ids that cannot be compared with those of the base version.
fn vet_ids(base: &BaseVersion, (source, id): (&Source, usize), fit: &FitRequest, watch: Watch<'_>) -> Result<()> {
    let Some(old) = base.id_column()? else { return Ok(()) };
    let new = &source.columns()[id];
    let version = base.pointer.version;
    // Pseudonyms are text.
    let is_whole = fit.columns.pseudonymise.is_none() && is_whole_id(&new.data_type);
    if is_whole_id(&old.data_type) != is_whole {
        let kind = |is_whole| if is_whole { "whole numbers" } else { "text" };
        let text = format!(
            "the ids of version {version} are {}, those of this month {}, so nobody could be found again; store them \
             alike, or begin another history ([job] history)",
            kind(!is_whole),
            kind(is_whole)
        );
        return Err(Error::input(text).of_columns([new.name.as_str()]));
    }
    if old.name != new.name {
        let quoted = crate::text::quoted;
        watch.note(format!(
            "ids are in the column {}; in version {version} they were in {}",
            quoted(&new.name),
            quoted(&old.name)
        ));
    }
    Ok(())
}

/// Before the first version it is not known how many segments there will be.
const MOST_FIRST_IDS: u64 = 1 << 16;

/// The names that people gave to segments, by their ids. Names of segments that ended may stay in the file.
fn names(file: &JobFile, month: &Month, base: Option<&BaseVersion>) -> Result<NameBook> {
    let given = file.names(month)?;
    let path: PathBuf = given.clone().unwrap_or_else(|| file.history().join(NAMES));
    let known: BTreeSet<u64> = (1..base.map_or(MOST_FIRST_IDS, |base| base.next_id)).collect();
    match given.is_some() || path.is_file() {
        true => NameBook::read(&path, &known),
        false => Ok(NameBook::default()),
    }
}
