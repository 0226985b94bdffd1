//! What a division asks of a job: columns that do not contradict it, enough rows in every part, and a word to the user.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Of, Watch};
use crate::input::Source;
use crate::output::NAME_COLUMN;
use crate::roles::Roles;
use crate::rules::{Division, Membership, RuleCount, Stratum, UNKNOWN_STRATUM};
use crate::text::did_you_mean;

/// The roles without the column of the strata, which is the same for all rows of one and no feature.
///
/// # Errors
/// The column was asked for as a feature, or nothing else is left; an id named like a column of the output.
pub(super) fn without_strata(mut roles: Roles, division: &Division, source: &Source) -> Result<Roles> {
    vet_id(roles.id, division, source)?;
    let Some(within) = division.within().filter(|within| roles.features.contains(within)) else { return Ok(roles) };
    let name = &source.columns()[within].name;
    if roles.features_named {
        let text = format!("{name:?} divides into strata and cannot be a feature too");
        return Err(Error::usage(text).of_columns([name]));
    }
    roles.features.retain(|f| *f != within);
    if roles.features.is_empty() {
        let text = format!("no numeric column to cluster by but {name:?}, which divides into strata");
        return Err(Error::input(text).of_columns([name]));
    }
    roles.left_out.push((name.clone(), "it divides into strata".into()));
    Ok(roles)
}

/// The output of a divided bank has a column for the names of segments.
pub(super) fn vet_id(id: Option<usize>, division: &Division, source: &Source) -> Result<()> {
    match id.map(|id| &source.columns()[id].name) {
        Some(name) if !division.is_whole() && name == NAME_COLUMN => {
            let text = format!("the id column is named {name:?}, like a column that the output adds; rename it");
            Err(Error::input(text).of_columns([name]))
        }
        _ => Ok(()),
    }
}

/// Warns if the strata are those of a protected attribute.
pub(super) fn warn_of_protected(division: &Division, roles: &Roles, source: &Source, watch: Watch<'_>) {
    if let Some(p) = roles.protected.iter().find(|p| Some(p.column) == division.within()) {
        let name = &source.columns()[p.column].name;
        watch.warn(format!("the strata are those of {name}, a protected attribute ({})", p.attribute));
    }
}

/// Reports what each rule took, and warns of rules that took nothing and of rows whose stratum a model does not know.
pub(super) fn tell(membership: &Membership, watch: Watch<'_>) {
    for RuleCount { name, rows, taken_before } in &membership.rules {
        match (rows, taken_before) {
            (0, 0) => watch.warn(format!("rule {name:?} matches no row")),
            (0, n) => watch.warn(format!("rule {name:?} takes no row: earlier rules take all {n} that it matches")),
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

/// The number of segments of each part; `k` where the rules say nothing. `rules` is the file of the rules.
///
/// # Errors
/// No row left to cluster, strata that are named and not there, strata with fewer rows than segments; all of a kind at
/// once.
pub(super) fn segments(
    membership: &Membership,
    division: &Division,
    rules: Option<&Path>,
    k: usize,
) -> Result<Vec<usize>> {
    if membership.strata.iter().all(|s| s.rows == 0) {
        let rows = membership.rows();
        return Err(Error::input(format!("the rules take all {rows} rows, and leave none to cluster")));
    }
    vet_names(membership, division, rules)?;
    let ks: Vec<usize> = membership.strata.iter().map(|s| division.k_of(&s.name, k)).collect();
    let small = membership.strata.iter().zip(&ks).filter(|(s, k)| s.rows < **k as u64);
    let small: Vec<String> = small.map(|(s, k)| format!("{:?} ({} rows, k = {k})", s.name, s.rows)).collect();
    if small.is_empty() {
        return Ok(ks);
    }
    Err(Error::input(format!(
        "strata with fewer rows than segments: {}; give them a smaller k in [strata.k_of], or take their rows by a rule",
        small.join(", ")
    )))
}

/// Every stratum that the rules name has rows.
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
        "{}: strata.k_of names strata without rows: {}; there are: {}",
        path.display(),
        strangers.join(", "),
        there.join(", ")
    );
    Err(Error::usage(text).of_kind(ErrorKind::Config).of_file(path))
}

/// Does the work on a part; messages and errors say which, where there may be several.
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
