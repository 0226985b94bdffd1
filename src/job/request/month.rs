//! The month of a run, and what it means in paths.

use crate::error::{Error, ErrorKind, Result};
use crate::text::{day, parse_date};

/// The month of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Month {
    /// Days since 1970-01-01.
    days: f64,
    /// The number of the version.
    run: u64,
}

impl Month {
    /// As of a day such as 2026-11-30, as version number `run`.
    ///
    /// # Errors
    /// Not a day of the calendar.
    pub(crate) fn new(as_of: &str, run: u64) -> Result<Self> {
        let days = parse_date(as_of).filter(|days| days.fract() == 0.0).ok_or_else(|| {
            Error::usage(format!("--as-of {as_of}: give a day of the calendar, such as 2026-11-30"))
                .of_option("--as-of")
        })?;
        Ok(Month { days, run })
    }

    /// The day, as 2026-11-30.
    pub(crate) fn as_of(&self) -> String {
        day(self.days)
    }

    /// Days since 1970-01-01.
    pub(crate) fn days(&self) -> i32 {
        self.days as i32
    }

    /// The number of the version.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// The same month as version number `run`.
    pub(crate) fn of_run(self, run: u64) -> Self {
        Month { run, ..self }
    }

    /// `text` with its placeholders filled in; `{{` and `}}` stand for single braces.
    ///
    /// # Errors
    /// A placeholder that does not exist, or is not closed.
    pub(crate) fn fill(&self, text: &str) -> Result<String> {
        let refuse = |what: &str| {
            Err(Error::usage(format!(
                "{text:?}: {what}; there are {{as_of}}, {{as_of:%Y-%m}} with %Y, %m and %d, and {{run}}; \
                 {{{{ stands for a brace"
            ))
            .of_kind(ErrorKind::Config))
        };
        let (mut filled, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            filled.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                filled.push_str(brace);
                rest = after;
                continue;
            }
            let Some((name, after)) = rest.split_once('}').filter(|_| brace == "{") else {
                return refuse("a brace without its partner");
            };
            match name.split_once(':') {
                None if name == "as_of" => filled.push_str(&self.as_of()),
                None if name == "run" => filled.push_str(&format!("{:06}", self.run)),
                Some(("as_of", format)) => match self.formatted(format) {
                    Some(text) => filled.push_str(&text),
                    None => return refuse(&format!("{format:?} is not a format of days")),
                },
                _ => return refuse(&format!("no placeholder is named {name:?}")),
            }
            rest = after;
        }
        Ok(filled + rest)
    }

    /// The day in a format with `%Y`, `%m` and `%d`.
    fn formatted(&self, format: &str) -> Option<String> {
        let as_of = self.as_of();
        let (year, month, day) = (
            as_of.get(..as_of.len() - 6)?,
            as_of.get(as_of.len() - 5..as_of.len() - 3)?,
            as_of.get(as_of.len() - 2..)?,
        );
        let (mut text, mut letters) = (String::new(), format.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '%' => match letters.next()? {
                    'Y' => text.push_str(year),
                    'm' => text.push_str(month),
                    'd' => text.push_str(day),
                    '%' => text.push('%'),
                    _ => return None,
                },
                other => text.push(other),
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        let month = Month::new("2026-03-09", 42).unwrap();
        let fill = |text: &str| month.fill(text).unwrap();
        assert_eq!(fill("a/{as_of}/{as_of:%Y-%m}/x-{as_of:%d%m%Y}.parquet"), "a/2026-03-09/2026-03/x-09032026.parquet");
        assert_eq!(fill("r{run}-{{x}}"), "r000042-{x}");
        assert_eq!(fill("plain"), "plain");
        for (text, what) in [
            ("{asof}", "no placeholder is named \"asof\""),
            ("{as_of:%H}", "\"%H\" is not a format of days"),
            ("a{as_of", "a brace without its partner"),
            ("a}b", "a brace without its partner"),
        ] {
            let refused = month.fill(text).unwrap_err().to_string();
            assert!(refused.contains(what) && refused.contains("{as_of:%Y-%m}"), "{refused}");
        }
        let refused = Month::new("2026-02-30", 1).unwrap_err().to_string();
        assert_eq!(refused, "--as-of 2026-02-30: give a day of the calendar, such as 2026-11-30");
    }
}
