//! A tree as one SQL expression, which has a row's segment: in the dialect of DuckDB, with every value written so that
//! it is read back exactly.

use super::column::{CutColumn, CutSort};
use super::reach::{Reach, reaches};
use super::tree::Tree;
use crate::text::day;

/// Whole numbers up to this are the same as f64 and in SQL.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `CASE WHEN ... THEN segment ... END` of a part whose segments begin with `first_segment`, each line after the first
/// behind `indent`.
pub(crate) fn case_of_part(tree: &Tree, columns: &[CutColumn], first_segment: usize, indent: &str) -> String {
    let mut text = "CASE".to_owned();
    for (path, segment) in tree.paths().iter().zip(&tree.leaves) {
        let of = |reach: &Reach| condition(reach, &columns[reach.column], &tree.named[reach.column]);
        let conditions: Vec<String> = reaches(path).iter().map(of).collect();
        let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        text.push_str(&format!("\n{indent}  WHEN {conditions} THEN {}", first_segment + *segment as usize));
    }
    text + "\n" + indent + "END"
}

/// The same of several parts: conditions of rules, then of strata, each with what it stands for.
pub(crate) fn case_of_parts(parts: &[(String, String)]) -> String {
    let lines: Vec<String> = parts.iter().map(|(when, then)| format!("\n  WHEN {when} THEN {then}")).collect();
    format!("CASE{}\nEND", lines.concat())
}

/// A name between quotation marks.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn condition(reach: &Reach, column: &CutColumn, named: &[String]) -> String {
    let sql = ColumnSql::new(column);
    if reach.is_void() {
        return "false".to_owned();
    }
    if reach.is_of_missing() {
        let ways = sql.missing();
        return if ways.len() == 1 { ways.concat() } else { format!("({})", ways.join(" OR ")) };
    }
    let category = |&number: &u32| match column.sort {
        CutSort::Text => literal(&named[number as usize]),
        _ => named[number as usize].clone(),
    };
    let known = if let Some(is) = &reach.is {
        format!("{} = {}", sql.value, category(is))
    } else if !reach.not.is_empty() {
        format!("{} NOT IN ({})", sql.value, reach.not.iter().map(category).collect::<Vec<_>>().join(", "))
    } else if reach.is_of_known() {
        return sql.known();
    } else {
        sql.within(reach)
    };
    if reach.missing { format!("({known} OR {})", sql.missing().join(" OR ")) } else { known }
}

/// A column in SQL.
struct ColumnSql<'a> {
    column: &'a CutColumn,
    /// Its name.
    name: String,
    /// What is compared.
    value: String,
}

impl<'a> ColumnSql<'a> {
    fn new(column: &'a CutColumn) -> Self {
        let name = identifier(&column.name);
        let value = match column.sort {
            CutSort::Real { casts: true, .. } => format!("CAST({name} AS DOUBLE)"),
            CutSort::Day { zoned: true } => format!("CAST({name} AT TIME ZONE 'UTC' AS DATE)"),
            CutSort::Day { zoned: false } => format!("CAST({name} AS DATE)"),
            _ => name.clone(),
        };
        ColumnSql { column, name, value }
    }

    fn is_float(&self) -> bool {
        matches!(self.column.sort, CutSort::Real { is_float: true, .. })
    }

    /// Where the value is missing: any of these.
    fn missing(&self) -> Vec<String> {
        let mut ways = vec![format!("{} IS NULL", self.name)];
        if self.is_float() {
            ways.push(format!("NOT isfinite({})", self.name));
        }
        ways.extend(self.in_list("IN", &self.column.missing));
        ways
    }

    /// Where it is known.
    fn known(&self) -> String {
        let is_known =
            if self.is_float() { format!("isfinite({})", self.name) } else { format!("{} IS NOT NULL", self.name) };
        let mut all = vec![is_known];
        all.extend(self.in_list("NOT IN", &self.column.missing));
        all.join(" AND ")
    }

    /// Where it is between the bounds; if missing values do not meet the condition, known.
    fn within(&self, reach: &Reach) -> String {
        let (above, up_to) = (reach.above.is_finite(), reach.up_to.is_finite());
        if self.column.sort == CutSort::Flag {
            return format!("{} = {above}", self.value);
        }
        let mut all = Vec::new();
        if above {
            all.push(format!("{} > {}", self.compared(reach.above), self.number(reach.above)));
        }
        if up_to {
            all.push(format!("{} <= {}", self.compared(reach.up_to), self.number(reach.up_to)));
        }
        if !reach.missing {
            // NaN is greater than all numbers in DuckDB.
            if self.is_float() && !(above && up_to) {
                all.push(format!("isfinite({})", self.name));
            }
            let codes = self.column.missing.iter().copied().filter(|code| *code > reach.above && *code <= reach.up_to);
            all.extend(self.in_list("NOT IN", &codes.collect::<Vec<f64>>()));
        }
        all.join(" AND ")
    }

    fn in_list(&self, words: &str, codes: &[f64]) -> Option<String> {
        let list: Vec<String> = codes.iter().map(|code| self.number(*code)).collect();
        (!list.is_empty()).then(|| format!("{} {words} ({})", self.value, list.join(", ")))
    }

    /// What is compared with a number: large whole numbers as f64, as the tree sees them.
    fn compared(&self, with: f64) -> String {
        match self.column.sort {
            CutSort::Whole if with.abs() >= EXACT => format!("CAST({} AS DOUBLE)", self.name),
            _ => self.value.clone(),
        }
    }

    fn number(&self, value: f64) -> String {
        match self.column.sort {
            CutSort::Day { .. } => format!("DATE '{}'", day(value)),
            CutSort::Whole if value.abs() < EXACT && value.fract() == 0.0 => format!("{}", value as i64),
            // With an exponent it is a double, without one a decimal.
            _ if (1e-6..1e16).contains(&value.abs()) || value == 0.0 => format!("{value}e0"),
            _ => format!("{value:e}"),
        }
    }
}
