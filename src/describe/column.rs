//! Columns that a tree may cut, and their values as the tree sees them: numbers, where NaN is missing.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::input::{ColumnReader, RowGroup, Source, ValueKind, fault};
use crate::prepare::as_text;
use crate::profile::{ShownColumn, ShownKind};

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutSort {
    /// Numbers with fractions; whether they are floating point, and whether they become 64 bits of that.
    Real { is_float: bool, casts: bool },
    /// Whole numbers.
    Whole,
    /// True and false.
    Flag,
    /// Days since 1970-01-01, from dates or from times, with a zone or without.
    Day { zoned: bool },
    /// Texts.
    Text,
    /// Whole numbers that stand for categories.
    Code,
}

/// A column that may be cut.
#[derive(Debug, Clone)]
pub(crate) struct CutColumn {
    /// Its position in the source.
    pub(super) position: usize,
    pub(super) name: String,
    pub(super) sort: CutSort,
    /// Numbers that stand for missing values.
    pub(super) missing: Vec<f64>,
}

impl CutColumn {
    /// A column as the profile shows it; None where its values have no short form: fractions that are categories.
    pub(crate) fn new(source: &Source, shown: &ShownColumn) -> Option<Self> {
        let column = &source.columns()[shown.column];
        let plain = match &column.data_type {
            DataType::Dictionary(_, values) => values.as_ref(),
            plain => plain,
        };
        let sort = match (ValueKind::of(plain), shown.kind) {
            (ValueKind::Text, _) => CutSort::Text,
            (ValueKind::Boolean, _) => CutSort::Flag,
            (ValueKind::Date, _) => CutSort::Day { zoned: matches!(plain, DataType::Timestamp(_, Some(_))) },
            (ValueKind::Number, ShownKind::Category) if plain.is_integer() => CutSort::Code,
            (ValueKind::Number, ShownKind::Category) => return None,
            (ValueKind::Number, _) if plain.is_integer() => CutSort::Whole,
            (ValueKind::Number, _) => {
                CutSort::Real { is_float: plain.is_floating(), casts: *plain != DataType::Float64 }
            }
            _ => return None,
        };
        // Times are compared by their day.
        let is_code = |code: &f64| !matches!(sort, CutSort::Day { .. }) || code.fract() == 0.0;
        let missing =
            if sort.is_category() { Vec::new() } else { shown.codes.iter().copied().filter(is_code).collect() };
        Some(CutColumn { position: shown.column, name: column.name.clone(), sort, missing })
    }

    /// The values of an array as numbers; NaN is missing.
    fn numbers(&self, values: &mut [f64]) {
        for value in values {
            // A time is its day before it is compared, as in SQL.
            let whole = if matches!(self.sort, CutSort::Day { .. }) { value.floor() } else { *value };
            let is_known = whole.is_finite() && !self.missing.contains(&whole);
            *value = if is_known { whole } else { f64::NAN };
        }
    }

    /// The values of an array, which is of this column.
    pub(super) fn array_numbers(&self, array: &ArrayRef) -> Result<Vec<f64>, String> {
        let mut values = Vec::with_capacity(array.len());
        crate::input::as_f64(array, &mut values)?;
        self.numbers(&mut values);
        Ok(values)
    }
}

impl CutSort {
    /// Whether values are equal or not, and have no order.
    pub(super) fn is_category(self) -> bool {
        matches!(self, CutSort::Text | CutSort::Code)
    }

    /// Whether cuts are whole numbers.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, CutSort::Whole | CutSort::Flag | CutSort::Day { .. })
    }
}

/// The values of a row group, piece by piece.
pub(super) struct PieceReader<'a> {
    source: &'a Source,
    group: RowGroup,
    column: &'a CutColumn,
    /// The categories that have a number, in order.
    named: &'a [String],
    reader: ColumnReader<'a>,
    values: Vec<f64>,
    used: usize,
}

impl<'a> PieceReader<'a> {
    pub(super) fn open(
        source: &'a Source,
        group: RowGroup,
        (column, named): (&'a CutColumn, &'a [String]),
    ) -> Result<Self> {
        let reader = ColumnReader::open(source, group, column.position)?;
        Ok(PieceReader { source, group, column, named, reader, values: Vec::new(), used: 0 })
    }

    /// The next `rows` values: numbers, or numbers of categories, with -1 for those that have none.
    pub(super) fn next(&mut self, rows: usize) -> Result<&[f64]> {
        self.values.drain(..self.used);
        self.used = rows;
        while self.values.len() < rows {
            if !self.fill()? {
                let why = format!("it ends {} rows before the others", rows - self.values.len());
                return Err(fault(self.source, self.group, self.column.position, &why));
            }
        }
        Ok(&self.values[..rows])
    }

    fn fill(&mut self) -> Result<bool> {
        let start = self.values.len();
        if !self.column.sort.is_category() {
            let more = self.reader.next_values(&mut self.values, &mut 0)?;
            self.column.numbers(&mut self.values[start..]);
            return Ok(more);
        }
        let Some(array) = self.reader.next_array()? else { return Ok(false) };
        let texts = as_text(&array).map_err(|why| fault(self.source, self.group, self.column.position, &why))?;
        self.values.extend(texts.as_string::<i64>().iter().map(|text| number(self.named, text)));
        Ok(true)
    }
}

/// The number of a category: NaN is missing, -1 has none.
pub(super) fn number(named: &[String], text: Option<&str>) -> f64 {
    let Some(text) = text else { return f64::NAN };
    named.binary_search_by(|name| name.as_str().cmp(text)).map_or(-1.0, |at| at as f64)
}
