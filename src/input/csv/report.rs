//! What users are told about CSV: how it was read, and what may need a word from them.

use super::moment::DayOrder;
use super::pass::SurveyedTable;
use super::seen::{CsvType, SettledColumns, TextReason};
use crate::event::Watch;
use crate::text::{quoted, thousands};

/// Columns that are named of each type.
const NAMED: usize = 8;

/// One note about the files and the types of their columns, and a warning for each column that is text by a few values
/// or by doubt.
pub(super) fn tell(tables: &[SurveyedTable], settled: &SettledColumns, watch: Watch<'_>) {
    let Some(first) = tables.first() else { return };
    for table in tables.iter().filter(|table| table.table.is_guess) {
        watch.warn(format!(
            "{} is not UTF-8 and was read as {}; if its letters look wrong, name its encoding with --csv-encoding",
            table.table.source.path.display(),
            table.table.encoding.0.name()
        ));
    }
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    let files = match tables.len() {
        1 => format!("{} is CSV", first.table.source.path.display()),
        n => format!("{} CSV files, the first {}", thousands(n as u64), first.table.source.path.display()),
    };
    let dialect = &first.table.dialect;
    let header = if dialect.has_header { "a header" } else { "no header (--csv-header yes if the first line is one)" };
    let encoding = first.table.encoding.0.name();
    watch.note(format!(
        "{files}: {encoding}, separated by {}, {header}; types from all {} rows: {}",
        dialect.separator_name(),
        thousands(rows),
        types(tables, settled)
    ));
    for name in names(tables) {
        let Some(column) = settled.get(name) else { continue };
        if let Some(text) = column.reason.as_ref().and_then(|reason| doubt(name, reason)) {
            watch.warn(text);
        }
    }
}

/// The names of all columns, in the order in which they first appear.
fn names(tables: &[SurveyedTable]) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    let all = tables.iter().flat_map(|table| &table.table.dialect.names).map(String::as_str);
    all.filter(|name| seen.insert(*name)).collect()
}

/// `integer: a, b; text: c`.
fn types(tables: &[SurveyedTable], settled: &SettledColumns) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for name in names(tables) {
        let Some(column) = settled.get(name) else { continue };
        let kind = described(&column.csv_type, column.reason.as_ref(), tables);
        match groups.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, columns)) => columns.push(name),
            None => groups.push((kind, vec![name])),
        }
    }
    let group = |(kind, columns): (String, Vec<&str>)| {
        let more = columns.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {} more", thousands(more as u64)) } else { String::new() };
        let named: Vec<&str> = columns.into_iter().take(NAMED).collect();
        format!("{kind}: {}{more}", named.join(", "))
    };
    groups.into_iter().map(group).collect::<Vec<_>>().join("; ")
}

/// A type, with how it is written where that could be otherwise.
fn described(csv_type: &CsvType, reason: Option<&TextReason>, tables: &[SurveyedTable]) -> String {
    let day = |at: usize| tables.first().and_then(|table| table.table.format.days.get(at));
    match (csv_type, reason) {
        (CsvType::Real(style), _) if style.decimal == b',' => "decimal (with a comma)".into(),
        (CsvType::Text, Some(TextReason::Padded)) => "text (zeros in front)".into(),
        (CsvType::Text, Some(TextReason::Long)) => "text (more digits than an integer has)".into(),
        (CsvType::Day(at) | CsvType::Moment(at, _), _) => match day(*at) {
            Some(style) if !style.is_order(DayOrder::YearFirst) => format!("{} ({})", csv_type.named(), style.named()),
            _ => csv_type.named().into(),
        },
        _ => csv_type.named().into(),
    }
}

/// What a user may want to do about a column that is text.
fn doubt(name: &str, reason: &TextReason) -> Option<String> {
    let name = quoted(name);
    match reason {
        TextReason::Odd(odd, others) => Some(format!(
            "column {name} is text, since {} in line {} is neither a number nor a date{}; if it stands for a missing \
             value, name it with --csv-missing",
            quoted(&odd.text),
            thousands(odd.place),
            match others {
                1 => String::new(),
                n => format!(" ({} such values)", thousands(*n)),
            }
        )),
        TextReason::AmbiguousDays => Some(format!(
            "column {name} is text, since its dates could have the day or the month first; name their format, such as \
             --csv-date-format %d/%m/%Y"
        )),
        TextReason::AmbiguousNumbers => Some(format!(
            "column {name} is text, since the marks in its numbers could be of decimals or of thousands; say which \
             with --csv-decimal and --csv-thousands"
        )),
        TextReason::Padded | TextReason::Long => None,
    }
}
