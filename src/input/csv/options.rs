//! How CSV files are written: as users say it ([`CsvOptions`]), and checked ([`CsvFormat`]).

use encoding_rs::{Encoding, UTF_8};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moment::{DayStyle, MomentFormat, day_styles};
use super::number::{GroupMark, NumberStyle};
use crate::error::{Error, Result};

/// How CSV files are written. What is not given is found from the files.
///
/// # Examples
/// ```
/// use hyades::input::CsvOptions;
///
/// let options = CsvOptions { separator: Some(";".into()), decimal: Some(",".into()), ..CsvOptions::default() };
/// assert_eq!(options.encoding, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct CsvOptions {
    /// Separator of fields: one character, or tab [default: found among , ; tab |]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "csv-separator", id = "csv_separator", value_name = "CHAR", help_heading = "CSV")
    )]
    pub separator: Option<String>,
    /// Encoding, such as utf-8, gb18030, latin-1 or windows-1252 [default: utf-8, or
    /// what the bytes look like]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "csv-encoding", id = "csv_encoding", value_name = "NAME", help_heading = "CSV")
    )]
    pub encoding: Option<String>,
    /// Whether the first line has the names [default: if it has no numbers]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "csv-header", id = "csv_header", value_name = "WHETHER", help_heading = "CSV")
    )]
    pub header: Option<CsvHeader>,
    /// Decimal mark, . or , [default: found]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "csv-decimal", id = "csv_decimal", value_name = "CHAR", help_heading = "CSV")
    )]
    pub decimal: Option<String>,
    /// Mark between thousands: . , ' or space [default: found, if . or ,]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "csv-thousands", id = "csv_thousands", value_name = "CHAR", help_heading = "CSV")
    )]
    pub thousands: Option<String>,
    /// Fields that stand for a missing value, besides the empty one [default: NULL
    /// and \N; where the others are numbers or dates also NA, N/A, NaN, None]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "csv-missing",
            id = "csv_missing",
            value_name = "FIELDS",
            value_delimiter = ',',
            allow_hyphen_values = true,
            help_heading = "CSV"
        )
    )]
    pub missing: Vec<String>,
    /// Format of dates and times, such as %d.%m.%Y or %Y%m%d %H:%M [default: found]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "csv-date-format", id = "csv_date_format", value_name = "FORMAT", help_heading = "CSV")
    )]
    pub date_format: Option<String>,
    /// Rows of a CSV file that are processed together, as the row groups of Parquet
    /// [default: 131072]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long = "row-group-rows", id = "row_group_rows", value_name = "N", help_heading = "CSV")
    )]
    pub row_group_rows: Option<usize>,
}

/// Whether the first line of a CSV file has the names of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum CsvHeader {
    /// The first line has the names
    Yes,
    /// The first line is a row; columns are named column_1, column_2 and so on
    No,
}

/// Checked options.
#[derive(Debug, Clone)]
pub(super) struct CsvFormat {
    pub(super) separator: Option<u8>,
    pub(super) encoding: Option<&'static Encoding>,
    pub(super) has_header: Option<bool>,
    /// The ways in which numbers may be written; at most 8. The plainest is first.
    pub(super) numbers: Vec<NumberStyle>,
    /// The ways in which days may be written; at most 16.
    pub(super) days: Vec<DayStyle>,
    pub(super) missing: MissingCodes,
    pub(super) row_group_rows: usize,
}

impl CsvFormat {
    /// Whether the user named a format of dates.
    pub(super) fn names_days(&self) -> bool {
        matches!(self.days.first(), Some(DayStyle::Named(_)))
    }
}

/// Which fields stand for a missing value.
#[derive(Debug, Clone)]
pub(super) struct MissingCodes {
    /// In every column.
    anywhere: Vec<Vec<u8>>,
    /// Only where the other values are no text: `NA` may be Namibia, `None` an answer.
    among_numbers: &'static [&'static str],
    /// The bytes with which codes begin: few values need to be compared with all codes.
    first: Box<[bool; 256]>,
}

/// Codes of databases: no text means them.
const ANYWHERE: [&str; 3] = ["NULL", "null", "\\N"];
/// Codes that could be a text.
const AMONG_NUMBERS: [&str; 14] =
    ["NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "-nan", "#N/A", "#NA", "None", "<NA>", "NaT", "Null"];

impl MissingCodes {
    fn new(named: &[String]) -> Self {
        let (anywhere, among_numbers): (Vec<Vec<u8>>, &[&str]) = match named {
            [] => (ANYWHERE.iter().map(|code| code.as_bytes().to_vec()).collect(), &AMONG_NUMBERS),
            named => (named.iter().map(|code| code.as_bytes().to_vec()).collect(), &[]),
        };
        let mut first = Box::new([false; 256]);
        let codes = anywhere.iter().map(Vec::as_slice).chain(among_numbers.iter().map(|code| code.as_bytes()));
        codes.filter_map(|code| code.first()).for_each(|byte| first[usize::from(*byte)] = true);
        MissingCodes { anywhere, among_numbers, first }
    }

    /// Whether a field is missing whatever its column has.
    pub(super) fn is_missing(&self, field: &[u8]) -> bool {
        match field.first() {
            None => true,
            Some(byte) => self.first[usize::from(*byte)] && self.anywhere.iter().any(|code| code == field),
        }
    }

    /// Whether a field is missing in a column of numbers or dates.
    pub(super) fn is_missing_number(&self, field: &[u8]) -> bool {
        field.first().is_some_and(|byte| self.first[usize::from(*byte)])
            && self.among_numbers.iter().any(|code| code.as_bytes() == field)
    }
}

/// Rows of a row group, if the user does not say.
const ROW_GROUP_ROWS: usize = 1 << 17;
const MOST_ROW_GROUP_ROWS: usize = 1 << 24;

impl CsvOptions {
    /// The checked options.
    ///
    /// # Errors
    /// An option that is not understood.
    pub(super) fn check(&self) -> Result<CsvFormat> {
        let rows = self.row_group_rows.unwrap_or(ROW_GROUP_ROWS);
        if rows == 0 || rows > MOST_ROW_GROUP_ROWS {
            let text = format!("--row-group-rows {rows}: expected 1 to {MOST_ROW_GROUP_ROWS} rows");
            return Err(Error::usage(text).of_option("--row-group-rows"));
        }
        let named = self.date_format.as_deref().map(str::parse::<MomentFormat>).transpose()?;
        Ok(CsvFormat {
            separator: self.separator.as_deref().map(separator).transpose()?,
            encoding: self.encoding.as_deref().map(encoding).transpose()?,
            has_header: self.header.map(|header| header == CsvHeader::Yes),
            numbers: number_styles(self.decimal.as_deref(), self.thousands.as_deref())?,
            days: day_styles(named),
            missing: MissingCodes::new(&self.missing),
            row_group_rows: rows,
        })
    }
}

fn separator(text: &str) -> Result<u8> {
    match text.as_bytes() {
        _ if text.eq_ignore_ascii_case("tab") || text == "\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') && !byte.is_ascii_alphanumeric() => {
            Ok(*byte)
        }
        _ => Err(Error::usage(format!(
            "--csv-separator {text:?}: expected one ASCII character that is no letter, digit or quote, or tab"
        ))
        .of_option("--csv-separator")),
    }
}

fn encoding(name: &str) -> Result<&'static Encoding> {
    let label = match name.to_ascii_lowercase().as_str() {
        "latin-1" | "latin_1" | "iso-8859-1" => "windows-1252",
        "utf8" => "utf-8",
        "cp1252" => "windows-1252",
        other => return known(other, name),
    };
    known(label, name)
}

fn known(label: &str, name: &str) -> Result<&'static Encoding> {
    // "replacement" stands for encodings that must not be decoded.
    Encoding::for_label(label.as_bytes()).filter(|e| e.name() != "replacement").ok_or_else(|| {
        Error::usage(format!(
            "--csv-encoding {name:?} is not known; use utf-8, gb18030, big5, shift_jis, latin-1, windows-1252 or \
             another name of the web's encodings"
        ))
        .of_option("--csv-encoding")
    })
}

/// The ways in which numbers may be written, the plainest first.
fn number_styles(decimal: Option<&str>, thousands: Option<&str>) -> Result<Vec<NumberStyle>> {
    let decimal = match decimal {
        None => None,
        Some("." | ",") => decimal.map(|d| d.as_bytes()[0]),
        Some(text) => {
            let text = format!("--csv-decimal {text:?}: expected . or ,");
            return Err(Error::usage(text).of_option("--csv-decimal"));
        }
    };
    let group = match thousands {
        None => None,
        Some("." | "," | "'") => thousands.map(|t| GroupMark::Byte(t.as_bytes()[0])),
        Some(" " | "space" | "\u{a0}" | "\u{202f}") => Some(GroupMark::Space),
        Some(text) => {
            let text = format!("--csv-thousands {text:?}: expected . , ' or space");
            return Err(Error::usage(text).of_option("--csv-thousands"));
        }
    };
    if let (Some(decimal), Some(GroupMark::Byte(mark))) = (decimal, group)
        && decimal == mark
    {
        let mark = char::from(mark);
        let text = format!("--csv-decimal and --csv-thousands are both {mark}: one character cannot be both");
        return Err(Error::usage(text).of_option("--csv-thousands"));
    }
    let decimals = decimal.map_or_else(|| vec![b'.', b','], |decimal| vec![decimal]);
    let mut styles = Vec::new();
    for decimal in decimals {
        match group {
            Some(group) if group == GroupMark::Byte(decimal) => {}
            Some(group) => styles.push(NumberStyle { decimal, group: Some(group) }),
            None => {
                let other = if decimal == b'.' { b',' } else { b'.' };
                styles.push(NumberStyle { decimal, group: None });
                styles.push(NumberStyle { decimal, group: Some(GroupMark::Byte(other)) });
            }
        }
    }
    Ok(styles)
}

/// Whether text in this encoding is read as it is.
pub(super) fn is_utf8(encoding: &'static Encoding) -> bool {
    encoding == UTF_8
}
