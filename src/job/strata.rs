//! Checks that a division suits a job (no conflicting columns, enough rows in every part), and reports it.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Of, Watch};
use crate::input::Source;
use crate::output::NAME_COLUMN;
use crate::roles::{LeftOutColumn, Reason, Roles};
use crate::rules::{Division, Membership, RuleCount, Stratum, UNKNOWN_STRATUM};
use crate::text::did_you_mean;

/// The roles without the column of the strata, which is constant within a stratum and so cannot be a feature.
///
/// # Errors
/// The column was requested as a feature, or no other feature is left; an id named like a column of the output.
pub(super) fn without_strata(mut roles: Roles, division: &Division, source: &Source) -> Result<Roles> {
    vet_id(roles.id, division, source)?;
    let Some(within) = division.within().filter(|within| roles.features.contains(within)) else { return Ok(roles) };
    let name = &source.columns()[within].name;
    if roles.features_named {
        let text = format!("{name:?} defines the strata and cannot also be a feature");
        return Err(Error::usage(text).of_columns([name]));
    }
    roles.features.retain(|f| *f != within);
    if roles.features.is_empty() {
        let text =
            format!("the only numeric column is {name:?}, which defines the strata; there is nothing to cluster by");
        return Err(Error::input(text).of_columns([name]));
    }
    roles.left_out.push(LeftOutColumn { column: name.clone(), reason: Reason::Strata, is_usable: true });
    Ok(roles)
}

/// Refuses an id named like the column of segment names in the output of a divided bank.
pub(super) fn vet_id(id: Option<usize>, division: &Division, source: &Source) -> Result<()> {
    match id.map(|id| &source.columns()[id].name) {
        Some(name) if !division.is_whole() && name == NAME_COLUMN => {
            let text = format!("the id column is named {name:?}, like a column of the output; rename it");
            Err(Error::input(text).of_columns([name]))
        }
        _ => Ok(()),
    }
}

/// Warns if a protected attribute defines the strata.
pub(super) fn warn_of_protected(division: &Division, roles: &Roles, source: &Source, watch: Watch<'_>) {
    if let Some(p) = roles.protected.iter().find(|p| Some(p.column) == division.within()) {
        let name = &source.columns()[p.column].name;
        watch.warn(format!("the strata are defined by {name}, a protected attribute ({})", p.attribute));
    }
}

/// Reports the rows of each rule; warns about rules that took no rows, and about rows of an unknown stratum.
pub(super) fn tell(membership: &Membership, watch: Watch<'_>) {
    for RuleCount { name, rows, taken_before } in &membership.rules {
        match (rows, taken_before) {
            (0, 0) => watch.warn(format!("rule {name:?} matches no rows")),
            (0, n) => watch.warn(format!("rule {name:?} takes no rows: earlier rules take all {n} that it matches")),
            _ => watch.note(format!("rule {name:?}: {rows} rows; earlier rules took {taken_before} more")),
        }
    }
    if membership.unknown > 0 {
        watch.warn(format!(
            "{} rows have a stratum that the model does not know; they are named {UNKNOWN_STRATUM:?} and have no segment",
            membership.unknown
        ));
    }
}

/// The number of segments of each part; `k` unless the rules set one. `rules` is the file of the rules.
///
/// # Errors
/// No rows left to cluster, named strata that do not exist, strata with fewer rows than segments; all of a kind at
/// once.
pub(super) fn segments(
    membership: &Membership,
    division: &Division,
    rules: Option<&Path>,
    k: usize,
) -> Result<Vec<usize>> {
    if membership.strata.iter().all(|s| s.rows == 0) {
        let rows = membership.rows();
        return Err(Error::input(format!("the rules take all {rows} rows and leave none to cluster")));
    }
    vet_names(membership, division, rules)?;
    let ks: Vec<usize> = membership.strata.iter().map(|s| division.k_of(&s.name, k)).collect();
    let small = membership.strata.iter().zip(&ks).filter(|(s, k)| s.rows < **k as u64);
    let small: Vec<String> = small.map(|(s, k)| format!("{:?} ({} rows, k = {k})", s.name, s.rows)).collect();
    if small.is_empty() {
        return Ok(ks);
    }
    Err(Error::input(format!(
        "strata with fewer rows than segments: {}; set a smaller k in [strata.k_of], or take their rows with a rule",
        small.join(", ")
    )))
}

/// Checks that every stratum that the rules name has rows.
fn vet_names(membership: &Membership, division: &Division, rules: Option<&Path>) -> Result<()> {
    let names: Vec<&str> = membership.strata.iter().map(|s| s.name.as_str()).collect();
    let named = division.book().and_then(|book| book.strata.as_ref()).into_iter().flat_map(|s| s.k_of.keys());
    let strangers: Vec<String> = named
        .filter(|name| !names.contains(&name.as_str()))
        .map(|name| format!("{name:?}{}", did_you_mean(name, names.iter().copied())))
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let there: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let path = rules.unwrap_or(Path::new("the rules"));
    let text = format!(
        "{}: strata.k_of names strata without rows: {}; strata with rows: {}",
        path.display(),
        strangers.join(", "),
        there.join(", ")
    );
    Err(Error::usage(text).of_kind(ErrorKind::Config).of_file(path))
}

/// Runs the work on a part; messages and errors name the part if there are several.
pub(super) fn within<T>(
    division: &Division,
    stratum: &Stratum,
    watch: Watch<'_>,
    work: impl FnOnce(Watch<'_>) -> Result<T>,
) -> Result<T> {
    if division.is_whole() {
        return work(watch);
    }
    let what = format!("stratum {:?}", stratum.name);
    let about = Of::new(watch, what.as_str());
    work(watch.to(&about)).map_err(|e| e.of(&what))
}
