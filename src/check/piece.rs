//! A decoded batch of a column in the two forms that counting needs: numbers, and keys that are equal for equal values.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use twox_hash::XxHash3_128;

use crate::input::{ValueKind, as_f64};
use crate::text::beginning;

/// The class of a column, which determines its statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Integers, floats and decimals.
    Number,
    /// Booleans: numbers 0 and 1.
    Boolean,
    /// Dates and timestamps: days since 1970.
    Date,
    /// Text.
    Text,
    /// Anything else: only nulls and distinct values are counted.
    Other,
}

impl Class {
    pub(super) fn of(data_type: &DataType) -> Class {
        match ValueKind::of(data_type) {
            ValueKind::Number => Class::Number,
            ValueKind::Boolean => Class::Boolean,
            ValueKind::Date => Class::Date,
            ValueKind::Text => Class::Text,
            _ => Class::Other,
        }
    }

    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Class::Number | Class::Boolean | Class::Date)
    }
}

/// The key of a null; it collides with a value with a probability of 2^-64.
pub(super) const NULL: u64 = 0x6e75_6c6c_6e75_6c6c;

/// The key of every NaN, regardless of its payload.
const NAN: u64 = f64::NAN.to_bits();

/// The key of a text.
pub(super) fn key_of_text(text: &str) -> u64 {
    XxHash3_128::oneshot(text.as_bytes()) as u64
}

/// The key of a number in columns that are not read as 64-bit integers. -0 counts as 0.
#[inline(always)]
pub(super) fn key_of_number(v: f64) -> u64 {
    (v + 0.0).to_bits()
}

/// A batch of one column. Decimals are distinguished to the precision of f64: at least their first 15 digits.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Numbers and days, NaN where missing; empty for other classes.
    pub(super) values: Vec<f64>,
    /// Equal values have equal keys and different values different ones: their bits, or 64 bits of a hash.
    pub(super) keys: Vec<u64>,
    /// Another 64 bits of the hash; empty if the keys are the values.
    pub(super) more: Vec<u64>,
    pub(super) nulls: u64,
    /// Whether any value is null, NaN or infinite.
    pub(super) gaps: bool,
    /// The text of text columns.
    pub(super) text: Option<ArrayRef>,
}

impl Piece {
    /// `wide`: 64-bit integers are distinguished by all their bits, not only by those that f64 holds.
    ///
    /// # Errors
    /// Values that cannot be decoded.
    pub(super) fn take(&mut self, array: &ArrayRef, class: Class, wide: bool) -> Result<(), String> {
        self.values.clear();
        self.keys.clear();
        self.more.clear();
        self.text = None;
        self.nulls = array.logical_null_count() as u64;
        match class {
            Class::Text => self.take_text(array),
            Class::Other => self.take_other(array),
            _ => self.take_numbers(array, wide),
        }
    }

    /// Rows of a column that is absent from their file.
    pub(super) fn absent(&mut self, rows: usize) {
        self.values.clear();
        self.values.resize(rows, f64::NAN);
        self.keys.clear();
        self.keys.resize(rows, NULL);
        self.more.clear();
        self.text = None;
        (self.nulls, self.gaps) = (rows as u64, true);
    }

    fn take_numbers(&mut self, array: &ArrayRef, wide: bool) -> Result<(), String> {
        as_f64(array, &mut self.values)?;
        self.gaps = self.nulls > 0 || self.values.iter().any(|v| !v.is_finite());
        match array.data_type() {
            DataType::Int64 if wide => {
                self.keys.extend(array.as_primitive::<Int64Type>().values().iter().map(|&v| v as u64));
            }
            DataType::UInt64 if wide => self.keys.extend_from_slice(array.as_primitive::<UInt64Type>().values()),
            _ if self.gaps => {
                self.keys.extend(self.values.iter().map(|&v| if v.is_nan() { NAN } else { key_of_number(v) }));
            }
            _ => self.keys.extend(self.values.iter().map(|&v| key_of_number(v))),
        }
        self.mark_nulls(array);
        Ok(())
    }

    fn take_text(&mut self, array: &ArrayRef) -> Result<(), String> {
        let text = cast(array, &DataType::LargeUtf8).map_err(|e| e.to_string())?;
        let strings = text.as_string::<i64>();
        let rows = strings.len();
        self.keys.reserve(rows);
        self.more.reserve(rows);
        for i in 0..rows {
            self.hash(if strings.is_valid(i) { Some(strings.value(i).as_bytes()) } else { None });
        }
        self.text = Some(text);
        Ok(())
    }

    fn take_other(&mut self, array: &ArrayRef) -> Result<(), String> {
        let field = SortField::new(array.data_type().clone());
        let rows = RowConverter::new(vec![field]).and_then(|c| c.convert_columns(std::slice::from_ref(array)));
        if let Ok(rows) = rows {
            rows.iter().for_each(|row| self.hash(Some(row.as_ref())));
        } else {
            // Types without an order, such as maps: by their printed form.
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options).map_err(|e| e.to_string())?;
            for row in 0..array.len() {
                let text = formatter.value(row).try_to_string().map_err(|e| e.to_string())?;
                self.hash(Some(text.as_bytes()));
            }
        }
        self.mark_nulls(array);
        Ok(())
    }

    /// A readable form of a value.
    pub(super) fn show(&self, row: usize) -> Option<String> {
        match &self.text {
            Some(text) => Some(beginning(text.as_string::<i64>().value(row)).into_owned()),
            None => self.values.get(row).map(f64::to_string),
        }
    }

    fn hash(&mut self, bytes: Option<&[u8]>) {
        let hash = bytes.map_or(u128::from(NULL), XxHash3_128::oneshot);
        self.keys.push(hash as u64);
        self.more.push((hash >> 64) as u64);
    }

    fn mark_nulls(&mut self, array: &ArrayRef) {
        if let Some(nulls) = array.logical_nulls().filter(|n| n.null_count() > 0) {
            (!nulls.inner()).set_indices().for_each(|i| self.keys[i] = NULL);
        }
    }
}
