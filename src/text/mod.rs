//! Text: words of names, suggestions, dates, escaping, locations of secrets, and faults of TOML files.

pub(crate) mod as_text;
mod beginning;
pub(crate) mod dates;
mod encoding;
mod escape;
mod exact_number;
mod figures;
mod list;
pub(crate) mod nearest;
mod phrase;
mod secret;
mod size;
mod toml;
pub(crate) mod toml_schema;
mod words;

#[cfg(test)]
pub(crate) use self::beginning::LONGEST_SHOWN;
pub(crate) use self::beginning::beginning;
pub(crate) use self::dates::{NANOS_A_DAY, date, day_of, moment, parse as parse_date, parse_time};
pub use self::dates::{day, timestamp};
pub(crate) use self::encoding::{is_utf16, unmarked, utf8};
pub(crate) use self::escape::quoted;
pub use self::escape::shown;
pub(crate) use self::exact_number::ExactNumber;
pub(crate) use self::figures::grouped;
pub use self::figures::{percent, thousands};
pub(crate) use self::list::split_names;
pub(crate) use self::nearest::{did_you_mean, nearest};
pub use self::phrase::Phrase;
pub use self::secret::KeySource;
pub use self::size::ByteSize;
pub(crate) use self::toml::{TomlFaults, TomlText, integer, line_and_column};
pub(crate) use self::words::words;
