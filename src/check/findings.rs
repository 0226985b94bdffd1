//! Findings: possible problems to look at before customers are clustered by these columns, each one sentence about one
//! thing.

use super::class::Class;
use super::finding::Severity::{Note, Warning};
use super::finding::{Finding, Severity};
use super::personal;
use super::profile::{ColumnValues, Profile};
use super::report::ColumnReport;
use super::sentinel::{Codes, sentinels};
use super::value::Value;
use super::written::{Written, are_days, as_text};
use crate::roles::{LeftOutColumn, Personal, Protected, Reason, Roles};
use crate::text::{percent, quoted};

/// Share of a single value from which a column is nearly constant.
const NEARLY: f64 = 0.99;
/// Share of missing values above which they are reported.
const HALF: f64 = 0.5;
/// The fewest rows for which distinct values in all rows are significant.
const ROWS_FOR_IDS: u64 = 100;
/// Estimated share of distinct values that suggests an id: three standard errors below all.
const ALL_DIFFERENT: f64 = 1.0 - 3.0 * super::DISTINCT_ERROR;

/// What a fit would do with a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role<'a> {
    /// Why it is left out, if it is.
    left_out: Option<&'a LeftOutColumn>,
    /// The protected attribute that it is.
    protected: Option<&'a Protected>,
    /// The personal data that it likely holds, by its name or comment.
    personal: Option<Personal>,
    is_code: bool,
}

impl<'a> Role<'a> {
    pub(super) fn of(roles: &'a Roles, column: usize, name: &str) -> Self {
        Role {
            left_out: roles.reason(name),
            protected: roles.protected.iter().find(|p| p.column == column),
            personal: roles.personal_data(column),
            is_code: roles.codes.contains(&column),
        }
    }
}

/// The personal data that a column likely holds, and the reason to think so.
pub(super) fn personal_data(role: Role<'_>, profile: &Profile, class: Class) -> Option<String> {
    let by_shape = match &profile.values {
        ColumnValues::Text(text) => personal::by_shape(&text.sample)
            .map(|(what, share)| format!("likely {what}: {} of the sampled values look so", percent(share))),
        ColumnValues::Numbers(n) if class == Class::Number && personal::are_cards(&n.sample()) => {
            Some("likely card numbers: the digits have the check digit of card schemes".to_owned())
        }
        _ => None,
    };
    // A flag tells whether there is an address, not the address.
    let by_name = || role.personal.filter(|_| class != Class::Boolean).map(|found| found.to_string());
    by_shape.or_else(by_name)
}

/// A column as the finders below see it.
struct ColumnFacts<'a> {
    report: &'a ColumnReport,
    profile: &'a Profile,
    /// The personal data it likely holds, from [`personal_data`].
    personal: Option<&'a str>,
    role: Role<'a>,
}

/// Severity, kind and text of a finding.
type ColumnFinding = (Severity, &'static str, String);
type ColumnFinder = fn(&ColumnFacts<'_>) -> Option<ColumnFinding>;

/// Finders for every column, in the order of the report.
const OF_ANY_COLUMN: [ColumnFinder; 6] = [personal, protected, other_role, mistyped, absent, empty];
/// Finders for columns that have values; [`sentinel_codes`] and [`likely_id`] follow them.
const OF_VALUES: [ColumnFinder; 8] =
    [mostly_missing, infinite, nan, empty_text, padded, constant, written_otherwise, code];

/// Kinds of findings about text that is neither a category nor an id.
pub(super) const AS_TEXT: [&str; 3] = ["number_as_text", "percentage_as_text", "date_as_text"];

/// The findings about one column. `personal` is the result of [`personal_data`].
pub(super) fn of_column(
    report: &ColumnReport,
    profile: &Profile,
    personal: Option<String>,
    role: Role<'_>,
) -> Vec<Finding> {
    let facts = ColumnFacts { report, profile, personal: personal.as_deref(), role };
    let mut found: Vec<ColumnFinding> = OF_ANY_COLUMN.iter().filter_map(|find| find(&facts)).collect();
    if profile.present() > 0 {
        found.extend(OF_VALUES.iter().filter_map(|find| find(&facts)));
        found.extend(sentinel_codes(&facts));
        // What is a number or a date is no name.
        let is_value = found.iter().any(|(_, kind, _)| AS_TEXT.contains(kind));
        found.extend(likely_id(&facts).filter(|_| !is_value));
    }
    let column = || Some(report.name.clone());
    found.into_iter().map(|(severity, kind, text)| Finding { severity, kind, column: column(), text }).collect()
}

fn personal(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let what = facts.personal?;
    let remedy = if facts.role.left_out.is_some() && matches!(facts.report.class, Class::Number | Class::Date) {
        "a fit leaves it out unless --include names it"
    } else {
        "leave it out with --exclude unless it is meant to be used"
    };
    Some((Warning, "personal_data", format!("{what}; {remedy}")))
}

fn protected(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let Protected { attribute, by_comment, .. } = facts.role.protected.filter(|_| facts.personal.is_none())?;
    let by = if *by_comment { "comment" } else { "name" };
    let is_usable = facts.role.left_out.is_none_or(|left| left.is_usable);
    let unless = if is_usable { " unless --include names it" } else { "" };
    let text = format!("a protected attribute ({attribute}), by its {by}; a fit leaves it out{unless}");
    Some((Note, "protected_attribute", text))
}

/// What a fit takes it for by its name.
fn other_role(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let left_out = facts.role.left_out?;
    let kind = match left_out.reason {
        Reason::LikelyOutcome => "outcome",
        Reason::NamedLikeId => "second_id",
        Reason::Index => "index",
        _ => return None,
    };
    Some((Note, kind, format!("{}; a fit leaves it out", left_out.why())))
}

fn code(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let text = "likely a code, by its name; a fit uses it as a quantity: encode it in a recipe, or --exclude it";
    facts.role.is_code.then(|| (Note, "code", text.to_owned()))
}

fn mistyped(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.mistyped)?;
    Some((Warning, "mistyped", format!("{n} rows are of files in which its type is of another kind")))
}

fn absent(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.absent)?;
    Some((Warning, "absent", format!("{n} rows are of files without it")))
}

fn empty(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    (facts.profile.present() == 0).then(|| (Warning, "empty", "every value is missing".into()))
}

fn mostly_missing(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let ColumnFacts { report, profile, .. } = facts;
    let rows = profile.rows + report.absent + report.mistyped;
    let missing = report.missing() as f64 / rows.max(1) as f64;
    (missing > HALF).then(|| (Note, "mostly_missing", format!("{} of the values are missing", percent(missing))))
}

fn infinite(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.numbers.as_ref()?.infinite)?;
    Some((Warning, "infinite", format!("{n} infinities; a fit treats them as missing")))
}

fn nan(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.numbers.as_ref()?.nan)?;
    Some((Note, "nan", format!("{n} NaN; a fit treats them as missing")))
}

fn empty_text(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.text.as_ref()?.empty)?;
    Some((Note, "empty_text", format!("{n} empty texts that are not null")))
}

fn padded(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.text.as_ref()?.padded)?;
    Some((Note, "padded", format!("{n} texts begin or end with a blank")))
}

/// A constant or nearly constant column.
fn constant(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let common = facts.report.most_common.as_ref();
    let value = |v: &Option<Value>| v.as_ref().map_or_else(|| "one value".to_owned(), tell);
    if facts.report.distinct == 1 {
        let what = common.map_or_else(|| "one value".to_owned(), |c| value(&c.value));
        return Some((Warning, "constant", format!("constant: {what} wherever it is not missing")));
    }
    let c = common.filter(|c| c.share >= NEARLY)?;
    let text = format!("nearly constant: {} in {} of the rows", value(&c.value), percent(c.share));
    Some((Note, "nearly_constant", text))
}

/// Numbers or dates in a type that a fit does not read as such.
fn written_otherwise(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let name = quoted(&facts.report.name);
    let (kind, what, example, remedy) = match &facts.profile.values {
        ColumnValues::Text(text) if facts.personal.is_none() => {
            let (written, example) = as_text(&text.sample)?;
            let number = format!("a fit does not use text: write {name} as a number, with a decimal point");
            let (kind, what, remedy) = match written {
                Written::Digits => {
                    let remedy = "a fit does not use text: if they count or measure something, write them as numbers; a \
                                  recipe can encode codes";
                    return Some((Note, "digits_as_text", format!("whole numbers as text ({example:?}); {remedy}")));
                }
                Written::Number => ("number_as_text", "numbers as text", number),
                Written::Percentage => ("percentage_as_text", "percentages as text", number),
                Written::Date => {
                    ("date_as_text", "dates as text", format!("write {name} as a date, which --include then uses"))
                }
            };
            (kind, what, format!("{example:?}"), remedy)
        }
        ColumnValues::Numbers(n) if facts.report.class == Class::Number && are_days(&n.sample()) => {
            let example = n.sample().into_iter().find(|v| v.is_finite() && *v != 0.0)?;
            let remedy =
                format!("their differences are not days: write {name} as a date, or leave it out with --exclude");
            ("date_as_number", "dates as whole numbers", example.to_string(), remedy)
        }
        _ => return None,
    };
    Some((Warning, kind, format!("{what} ({example}); {remedy}")))
}

/// Codes for unknown, such as -999 or 1900-01-01.
fn sentinel_codes(facts: &ColumnFacts<'_>) -> Vec<ColumnFinding> {
    let (ColumnValues::Numbers(n), Some(told)) = (&facts.profile.values, &facts.report.numbers) else {
        return Vec::new();
    };
    let class = facts.report.class;
    let show = |place: i128| n.grain.value(place, class);
    let finding = |codes: Codes| {
        let list: Vec<String> = codes.values.iter().map(|&(v, n)| format!("{} ({n} rows)", show(v))).collect();
        // A code identifies no customer; the next value may.
        let next = match facts.personal {
            Some(_) => String::new(),
            None => format!("; the nearest other value is {}", show(codes.next)),
        };
        let what = if list.len() == 1 { "a code" } else { "codes" };
        (Warning, "sentinel", format!("likely {what} for unknown: {}{next}", list.join(", ")))
    };
    sentinels(n, &told.sorted, class == Class::Date).into_iter().map(finding).collect()
}

fn likely_id(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let (report, present) = (facts.report, facts.profile.present());
    match facts.role.left_out {
        Some(left) if left.reason == Reason::ShapedLikeId => return Some((Note, "likely_id", left.why())),
        Some(left) if left.reason == Reason::NamedLikeId => return None,
        _ => {}
    }
    let may_be_id = match report.class {
        Class::Number => report.numbers.as_ref().is_some_and(|n| n.whole),
        Class::Text => true,
        _ => false,
    };
    let all_different = if report.distinct_exact {
        report.distinct == present
    } else {
        report.distinct as f64 >= ALL_DIFFERENT * present as f64
    };
    if !may_be_id || !all_different || present < ROWS_FOR_IDS {
        return None;
    }
    let how = if report.distinct_exact { "every value is" } else { "as far as can be estimated, every value is" };
    let text = match report.class {
        Class::Number if facts.role.left_out.is_none() => {
            format!("{how} different; if it is an id, leave it out of a fit with --exclude")
        }
        _ => format!("likely an id: {how} different; it is no feature"),
    };
    Some((Note, "likely_id", text))
}

fn positive(n: u64) -> Option<u64> {
    (n > 0).then_some(n)
}

/// A value in a sentence.
pub(super) fn tell(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        other => other.to_string(),
    }
}
