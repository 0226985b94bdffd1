//! A decoded batch of a column in the two forms that counting needs: numbers, and keys that are equal for equal values.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Int64Type, UInt64Type};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use twox_hash::XxHash3_128;

use super::class::Class;
use super::grain::{Grain, halves};
use crate::input::as_f64;
use crate::text::beginning;

/// The key of a null; it collides with a value with a probability of 2^-64.
pub(super) const NULL: u64 = 0x6e75_6c6c_6e75_6c6c;

/// The key of every NaN, regardless of its payload.
const NAN: u64 = f64::NAN.to_bits();

/// The key of a text.
pub(super) fn key_of_text(text: &str) -> u64 {
    XxHash3_128::oneshot(text.as_bytes()) as u64
}

/// The key of a number in columns that are compared as f64. -0 counts as 0.
#[inline(always)]
pub(super) fn key_of_number(v: f64) -> u64 {
    (v + 0.0).to_bits()
}

/// A batch of one column.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Numbers and days, NaN where missing; empty for other classes.
    pub(super) values: Vec<f64>,
    /// Equal values have equal keys and different values different ones: their bits, or 64 bits of a hash.
    pub(super) keys: Vec<u64>,
    /// The places of the numbers, where keys are hashes of some of them; otherwise empty.
    pub(super) wide: Vec<i128>,
    /// Another 64 bits of the hash; empty if the keys are the values.
    pub(super) more: Vec<u64>,
    pub(super) nulls: u64,
    /// Whether any value is null, NaN or infinite.
    pub(super) gaps: bool,
    /// The text of text columns.
    pub(super) text: Option<ArrayRef>,
}

impl Piece {
    /// Numbers are distinguished as `grain` says.
    ///
    /// # Errors
    /// Values that cannot be decoded.
    pub(super) fn take(&mut self, array: &ArrayRef, class: Class, grain: Grain) -> Result<(), String> {
        self.values.clear();
        self.keys.clear();
        self.wide.clear();
        self.more.clear();
        self.text = None;
        self.nulls = array.logical_null_count() as u64;
        match class {
            Class::Text => self.take_text(array),
            Class::Other => self.take_other(array),
            _ => self.take_numbers(array, grain),
        }
    }

    /// Rows of a column that is absent from their file.
    pub(super) fn absent(&mut self, rows: usize) {
        self.values.clear();
        self.values.resize(rows, f64::NAN);
        self.keys.clear();
        self.keys.resize(rows, NULL);
        self.wide.clear();
        self.more.clear();
        self.text = None;
        (self.nulls, self.gaps) = (rows as u64, true);
    }

    fn take_numbers(&mut self, array: &ArrayRef, grain: Grain) -> Result<(), String> {
        as_f64(array, &mut self.values)?;
        self.gaps = self.nulls > 0 || self.values.iter().any(|v| !v.is_finite());
        match grain {
            Grain::Float if self.gaps => {
                self.keys.extend(self.values.iter().map(|&v| if v.is_nan() { NAN } else { key_of_number(v) }));
            }
            Grain::Float => self.keys.extend(self.values.iter().map(|&v| key_of_number(v))),
            _ => self.take_places(array)?,
        }
        self.mark_nulls(array);
        Ok(())
    }

    /// The places of numbers, as keys.
    fn take_places(&mut self, array: &ArrayRef) -> Result<(), String> {
        use DataType as T;
        let keys = &mut self.keys;
        match array.data_type() {
            T::Int64 => keys.extend(array.as_primitive::<Int64Type>().values().iter().map(|&v| v as u64)),
            T::UInt64 => keys.extend_from_slice(array.as_primitive::<UInt64Type>().values()),
            T::Decimal32(..) => keys.extend(array.as_primitive::<Decimal32Type>().values().iter().map(|&v| v as u64)),
            T::Decimal64(..) => keys.extend(array.as_primitive::<Decimal64Type>().values().iter().map(|&v| v as u64)),
            T::Decimal128(..) => {
                let values = array.as_primitive::<Decimal128Type>().values();
                if values.iter().all(|&v| i64::try_from(v).is_ok()) {
                    keys.extend(values.iter().map(|&v| v as u64));
                } else {
                    self.wide.extend_from_slice(values);
                    let (keys, more) = values.iter().map(|&place| halves(place)).unzip();
                    (self.keys, self.more) = (keys, more);
                }
            }
            T::Date64 | T::Timestamp(..) => {
                let ticks = cast(array, &T::Int64).map_err(|e| e.to_string())?;
                keys.extend(ticks.as_primitive::<Int64Type>().values().iter().map(|&v| v as u64));
            }
            T::Dictionary(_, values) => {
                let plain = cast(array, values).map_err(|e| e.to_string())?;
                return self.take_places(&plain);
            }
            other => return Err(format!("its type is {other}")),
        }
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

    /// The place of a number that is not missing.
    #[inline(always)]
    pub(super) fn place(&self, row: usize, grain: Grain) -> i128 {
        self.wide.get(row).copied().unwrap_or_else(|| grain.place(self.keys[row]))
    }

    /// A readable form of a value.
    pub(super) fn show(&self, row: usize, class: Class, grain: Grain) -> Option<String> {
        match &self.text {
            Some(text) => Some(beginning(text.as_string::<i64>().value(row)).into_owned()),
            None => self.values.get(row).map(|_| grain.value(self.place(row, grain), class).to_string()),
        }
    }

    fn hash(&mut self, bytes: Option<&[u8]>) {
        let hash = bytes.map_or(u128::from(NULL), XxHash3_128::oneshot);
        self.keys.push(hash as u64);
        self.more.push((hash >> 64) as u64);
    }

    fn mark_nulls(&mut self, array: &ArrayRef) {
        if let Some(nulls) = array.logical_nulls().filter(|n| n.null_count() > 0) {
            for i in (!nulls.inner()).set_indices() {
                self.keys[i] = NULL;
                // Whatever lies under a null, nulls are equal.
                if let Some(more) = self.more.get_mut(i) {
                    *more = NULL;
                }
            }
        }
    }
}
