//! Why a column is no feature: in a manifest one sentence a column, on the terminal one line a reason.

use std::borrow::Cow;

/// Columns that a line names before it counts the others.
const NAMED: usize = 8;

/// A column that is not a feature, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutColumn {
    /// Its name.
    pub column: String,
    pub(crate) reason: Reason,
}

/// Why a column is not a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// By `--exclude`.
    Excluded,
    /// It has another role, by request.
    Weight,
    Outcome,
    /// It is in the way of another role.
    Strata,
    /// By its name, or what is said of the column.
    LikelyOutcome,
    Protected {
        attribute: Cow<'static, str>,
        /// Whether values of its type can be features.
        is_usable: bool,
    },
    Personal(&'static str),
    /// A further id.
    NamedLikeId,
    /// What pandas writes beside the columns.
    Index,
    Truth,
    /// By its values.
    ShapedLikeId,
    /// By where its values come from.
    Folder,
    /// By its type.
    Date,
    Unusable(&'static str),
}

impl Reason {
    /// What all columns of the reason are, and what to do if it is wrong.
    fn heading(&self) -> (&'static str, &'static str) {
        match self {
            Reason::Excluded => ("excluded", ""),
            Reason::Weight => ("the row weight", ""),
            Reason::Outcome => ("outcomes", ""),
            Reason::Strata => ("it defines the strata", ""),
            Reason::LikelyOutcome => ("likely outcomes, by their names", "--include to use them"),
            Reason::Protected { .. } => {
                ("protected attributes", "--include to use them, --audit to see their shares by segment")
            }
            Reason::Personal(_) => ("likely personal data, by their names", "--include to use them"),
            Reason::NamedLikeId => ("ids, by their names", "--include to use them"),
            Reason::Index => ("row numbers of pandas", "--include to use them"),
            Reason::Truth => ("the planted segment of a synthetic bank", ""),
            Reason::ShapedLikeId => (
                "likely ids: whole numbers without gaps of note, each of them different",
                "--id to use one as the id, --include as features",
            ),
            Reason::Folder => ("folder names", "--include to use them"),
            Reason::Date => ("dates", "--include to use them, in days since 1970"),
            Reason::Unusable(what) => (what, ""),
        }
    }

    /// What is particular to the column.
    fn detail(&self) -> Option<&str> {
        match self {
            Reason::Protected { attribute, .. } => Some(attribute),
            Reason::Personal(what) => Some(what),
            _ => None,
        }
    }
}

impl LeftOutColumn {
    /// Why, in one sentence.
    pub fn why(&self) -> String {
        match &self.reason {
            Reason::Outcome => "an outcome".into(),
            Reason::LikelyOutcome => "likely an outcome, by its name; --include to use it".into(),
            Reason::Protected { attribute, is_usable } => {
                let include = if *is_usable { "--include to use it, " } else { "" };
                format!("a protected attribute ({attribute}); {include}--audit to see its share by segment")
            }
            Reason::Personal(what) => format!("likely {what}, by its name; --include to use it"),
            Reason::NamedLikeId => "an id, by its name; --include to use it".into(),
            Reason::Index => "row numbers of pandas; --include to use them".into(),
            Reason::ShapedLikeId => {
                "likely an id: whole numbers, each of them different; --id to use it as the id, --include as a feature"
                    .into()
            }
            Reason::Folder => "a folder name; --include to use it".into(),
            Reason::Date => "a date; --include to use it, in days since 1970".into(),
            reason => reason.heading().0.into(),
        }
    }
}

/// One line for each reason, with its columns.
pub(crate) fn lines(left_out: &[LeftOutColumn]) -> Vec<String> {
    let mut groups: Vec<(&Reason, Vec<String>)> = Vec::new();
    for LeftOutColumn { column, reason } in left_out {
        let shown = match reason.detail() {
            Some(detail) => format!("{column} ({detail})"),
            None => column.clone(),
        };
        match groups.iter_mut().find(|(first, _)| first.heading() == reason.heading()) {
            Some((_, columns)) => columns.push(shown),
            None => groups.push((reason, vec![shown])),
        }
    }
    groups.iter().map(|(reason, columns)| line(reason, columns)).collect()
}

fn line(reason: &Reason, columns: &[String]) -> String {
    let (what, remedy) = reason.heading();
    let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
    format!("not features ({what}): {}{remedy}", few(columns))
}

/// The first of many names, and how many there are more.
pub(crate) fn few(names: &[String]) -> String {
    // One more name is shorter than its count.
    if names.len() <= NAMED + 1 {
        return names.join(", ");
    }
    format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_reason() {
        let of = |column: &str, reason: Reason| LeftOutColumn { column: column.into(), reason };
        let mut left_out = vec![
            of("sex", Reason::Protected { attribute: "sex".into(), is_usable: true }),
            of("note", Reason::Unusable("text")),
            of("born", Reason::Protected { attribute: "age".into(), is_usable: false }),
        ];
        left_out.extend((0..20).map(|i| of(&format!("t{i}"), Reason::Unusable("text"))));
        assert_eq!(
            lines(&left_out),
            [
                "not features (protected attributes): sex (sex), born (age); --include to use them, --audit to see their \
                 shares by segment",
                "not features (text): note, t0, t1, t2, t3, t4, t5, t6 and 13 more",
            ]
        );
    }
}
