//! What deserves a look before customers are grouped by these columns: a finding is one sentence about one thing.

use super::finding::{Finding, Severity};
use super::personal;
use super::piece::Class;
use super::profile::{ColumnValues, Profile};
use super::report::ColumnReport;
use super::sentinel::sentinels;
use super::value::Value;
use crate::roles::{personal_data as personal_name, protected_attribute};
use crate::text::{date, percent, quoted};

/// Share of one value from which a column is nearly constant.
const NEARLY: f64 = 0.99;
/// Share of missing values that is worth a word.
const HALF: f64 = 0.5;
/// Rows from which different values in every row mean something.
const ROWS_FOR_IDS: u64 = 100;
/// Share of different values from which an estimate speaks for an id: three standard errors of it below all.
const ALL_DIFFERENT: f64 = 1.0 - 3.0 * super::DISTINCT_ERROR;

/// What a column likely holds of people, and why one may think so.
pub(super) fn personal_data(name: &str, profile: &Profile, class: Class) -> Option<String> {
    let by_shape = match &profile.values {
        ColumnValues::Text(text) => personal::by_shape(&text.sample)
            .map(|(what, share)| format!("likely {what}: {} of the sampled values look so", percent(share))),
        ColumnValues::Numbers(n) if class == Class::Number && personal::are_cards(&n.sample) => {
            Some("likely card numbers: the digits have the check digit of card schemes".to_owned())
        }
        _ => None,
    };
    // A flag tells whether there is an address, not which.
    let by_name = || personal_name(name).filter(|_| class != Class::Boolean);
    by_shape.or_else(|| Some(format!("likely {}, by its name", by_name()?)))
}

/// The findings about one column. `personal` is what [`personal_data`] said.
pub(super) fn of_column(report: &ColumnReport, profile: &Profile, personal: Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |severity, kind, text: String| {
        found.push(Finding { severity, kind, column: Some(report.name.clone()), text });
    };
    use Severity::{Note, Warning};
    let is_personal = personal.is_some();
    if let Some(what) = personal {
        let by_name = personal_name(&report.name).is_some() && matches!(report.class, Class::Number | Class::Date);
        let remedy = if by_name {
            "a fit leaves it out unless --include names it"
        } else {
            "leave it out with --exclude unless it is meant to be used"
        };
        add(Warning, "personal_data", format!("{what}; {remedy}"));
    }
    if let Some(attribute) = protected_attribute(&report.name).filter(|_| !is_personal) {
        let text =
            format!("a protected attribute ({attribute}), by its name; a fit leaves it out unless --include names it");
        add(Note, "protected_attribute", text);
    }
    let (rows, present) = (profile.rows + report.absent + report.mistyped, profile.present());
    if report.mistyped > 0 {
        let text = format!("{} rows are of files in which its type is of another kind", report.mistyped);
        add(Warning, "mistyped", text);
    }
    if report.absent > 0 {
        add(Warning, "absent", format!("{} rows are of files without it", report.absent));
    }
    if present == 0 {
        add(Warning, "empty", "every value is missing".into());
        return found;
    }
    let missing = report.missing() as f64 / rows.max(1) as f64;
    if missing > HALF {
        add(Note, "mostly_missing", format!("{} of the values are missing", percent(missing)));
    }
    if let Some(n) = &report.numbers {
        if n.infinite > 0 {
            add(Warning, "infinite", format!("{} infinities; a fit treats them as missing", n.infinite));
        }
        if n.nan > 0 {
            add(Note, "nan", format!("{} NaN; a fit treats them as missing", n.nan));
        }
    }
    if let Some(text) = &report.text {
        if text.empty > 0 {
            add(Note, "empty_text", format!("{} empty texts that are not null", text.empty));
        }
        if text.padded > 0 {
            add(Note, "padded", format!("{} texts begin or end with a blank", text.padded));
        }
    }
    let value = |v: &Option<Value>| v.as_ref().map_or_else(|| "one value".to_owned(), tell);
    if report.distinct == 1 {
        let what = report.most_common.as_ref().map_or_else(|| "one value".to_owned(), |c| value(&c.value));
        add(Warning, "constant", format!("constant: {what} wherever it is not missing"));
    } else if let Some(c) = report.most_common.as_ref().filter(|c| c.share >= NEARLY) {
        add(
            Note,
            "nearly_constant",
            format!("nearly constant: {} in {} of the rows", value(&c.value), percent(c.share)),
        );
    }
    if let (ColumnValues::Numbers(n), Some(told)) = (&profile.values, &report.numbers) {
        let is_date = report.class == Class::Date;
        let show = |v: f64| if is_date { date(v) } else { v.to_string() };
        for codes in sentinels(&n.edges(), n.moments.n, &told.sorted, is_date) {
            let list: Vec<String> = codes.values.iter().map(|&(v, n)| format!("{} ({n} rows)", show(v))).collect();
            // The codes belong to nobody; the next value is somebody's.
            let next =
                if is_personal { String::new() } else { format!("; the nearest other value is {}", show(codes.next)) };
            let what = if list.len() == 1 { "a code" } else { "codes" };
            let text = format!("likely {what} for unknown: {}{next}", list.join(", "));
            add(Warning, "sentinel", text);
        }
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
    if may_be_id && all_different && present >= ROWS_FOR_IDS {
        let how = if report.distinct_exact { "every value is" } else { "as far as can be estimated, every value is" };
        add(Note, "likely_id", format!("likely an id: {how} different; it is no feature"));
    }
    found
}

/// A value in a sentence.
pub(super) fn tell(value: &Value) -> String {
    match value {
        Value::Truth(yes) => yes.to_string(),
        Value::Whole(n) => n.to_string(),
        Value::Number(x) => x.to_string(),
        Value::Text(text) => quoted(text),
    }
}
