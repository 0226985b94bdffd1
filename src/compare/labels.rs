//! The segment of every row of a labelling, as a small number, and the names of the segments.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, Source, whole_ids};

/// The code of a row without a segment.
pub(super) const NO_CODE: u16 = u16::MAX;

/// The most segments of a labelling.
pub(super) const MOST_SEGMENTS: usize = 4096;

/// The segments of all rows.
#[derive(Debug, Default)]
pub(super) struct RowLabels {
    /// By code, in order: numbers by value, other names by their characters.
    pub(super) names: Vec<String>,
    /// By row.
    pub(super) codes: Vec<u16>,
}

/// Names as they turn up.
#[derive(Default)]
struct FoundNames {
    names: Vec<String>,
    by_text: HashMap<String, u16>,
    by_number: HashMap<i64, u16>,
}

impl FoundNames {
    fn text(&mut self, name: &str, noise: &[String]) -> u16 {
        if let Some(code) = self.by_text.get(name) {
            return *code;
        }
        let code =
            if noise.iter().any(|none| none == name) { NO_CODE } else { self.names.len().min(MOST_SEGMENTS) as u16 };
        if code != NO_CODE {
            self.names.push(name.to_owned());
        }
        self.by_text.insert(name.to_owned(), code);
        code
    }

    fn number(&mut self, number: i64, noise: &[String]) -> u16 {
        if let Some(code) = self.by_number.get(&number) {
            return *code;
        }
        // Files may not agree about the type.
        let code = self.text(&number.to_string(), noise);
        self.by_number.insert(number, code);
        code
    }
}

impl RowLabels {
    /// Reads a column of segments, in which the values `noise` mean none. `at` names the labelling.
    ///
    /// # Errors
    /// Values that are no segments: fractions, nested ones, or more than 4096 different ones.
    pub(super) fn read(source: &Source, column: usize, noise: &[String], at: &str, watch: Watch<'_>) -> Result<Self> {
        let name = &source.columns()[column].name;
        let refused = |why: String| {
            let text = format!("{at}: column {name:?} {why}; name the column of segments with --segment");
            Error::usage(text).of_kind(ErrorKind::Values).of_columns([name]).of_option("--segment")
        };
        let mut found = FoundNames::default();
        let mut codes = Vec::with_capacity(source.rows() as usize);
        for &group in source.row_groups() {
            watch.check()?;
            let mut reader = ColumnReader::open(source, group, column)?;
            while let Some(array) = reader.next_array()? {
                push(&mut codes, &array, &mut found, noise).map_err(&refused)?;
                if found.names.len() > MOST_SEGMENTS {
                    return Err(refused(format!("has more than {MOST_SEGMENTS} values")));
                }
            }
            watch.advance(Stage::Compare, group.rows);
        }
        let order = found.order();
        codes.iter_mut().filter(|code| **code != NO_CODE).for_each(|code| *code = order[usize::from(*code)]);
        let mut names = vec![String::new(); found.names.len()];
        found.names.into_iter().zip(order).for_each(|(name, place)| names[usize::from(place)] = name);
        Ok(RowLabels { names, codes })
    }
}

/// Appends the codes of some rows.
fn push(codes: &mut Vec<u16>, array: &ArrayRef, found: &mut FoundNames, noise: &[String]) -> Result<(), String> {
    let stored = array.data_type();
    let is_decimal = matches!(stored, DataType::Decimal128(..) | DataType::Decimal256(..));
    // Numbers with nulls are often stored as doubles.
    let whole = match stored.is_floating() || is_decimal {
        true => whole_ids(array, codes.len() as u64).map_err(|_| "has values that are not whole numbers".to_owned())?,
        false => array.clone(),
    };
    let fail = |e: arrow::error::ArrowError| format!("holds {stored}, which are no names of segments ({e})");
    if whole.data_type().is_integer() && *whole.data_type() != DataType::UInt64 {
        let numbers = cast(&whole, &DataType::Int64).map_err(fail)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let mut last = None;
        for number in numbers.iter() {
            let code = match (number, last) {
                (None, _) => NO_CODE,
                (Some(number), Some((known, code))) if known == number => code,
                (Some(number), _) => {
                    let code = found.number(number, noise);
                    last = Some((number, code));
                    code
                }
            };
            codes.push(code);
        }
        return Ok(());
    }
    let texts = cast(&whole, &DataType::LargeUtf8).map_err(fail)?;
    codes.extend(texts.as_string::<i64>().iter().map(|name| name.map_or(NO_CODE, |name| found.text(name, noise))));
    Ok(())
}

impl FoundNames {
    /// The place of each name: by value if all are numbers, else by their characters.
    fn order(&self) -> Vec<u16> {
        let numbers: Option<Vec<i128>> = self.names.iter().map(|name| name.parse().ok()).collect();
        let mut at: Vec<usize> = (0..self.names.len()).collect();
        match &numbers {
            // 1 and 01 are two names.
            Some(numbers) => at.sort_by_key(|&code| (numbers[code], &self.names[code])),
            None => at.sort_by_key(|&code| &self.names[code]),
        }
        let mut order = vec![0; at.len()];
        at.into_iter().zip(0u16..).for_each(|(code, place)| order[code] = place);
        order
    }
}
