//! Why a column is no feature: in a manifest one sentence a column, on the terminal one line a reason.

use std::borrow::Cow;

use super::personal::Personal;
use super::protected::attribute_in_chinese;

/// Columns that a line names before it counts the others.
const NAMED: usize = 8;

/// A column that is not a feature, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutColumn {
    /// Its name.
    pub column: String,
    pub(crate) reason: Reason,
    /// Whether it can be a feature, if it is asked for.
    pub(crate) is_usable: bool,
}

/// Why a column is not a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// By `--exclude`.
    Excluded,
    /// It has another role, by request.
    Weight,
    Outcome,
    Product,
    /// It is in the way of another role.
    Strata,
    /// By its name, or what is said of the column.
    LikelyOutcome,
    Protected(Cow<'static, str>),
    Personal(Personal),
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
    /// What all columns of the reason are, and what to do if it is wrong and they can be features.
    fn heading(&self) -> (&'static str, &'static str) {
        match self {
            Reason::Excluded => ("excluded", ""),
            Reason::Weight => ("the row weight", ""),
            Reason::Outcome => ("outcomes", ""),
            Reason::Product => ("products", "--include to use them"),
            Reason::Strata => ("it defines the strata", ""),
            Reason::LikelyOutcome => ("likely outcomes, by their names", "--include to use them"),
            Reason::Protected(_) => {
                ("protected attributes", "--include to use them, --audit to see their shares by segment")
            }
            Reason::Personal(found) if found.by_comment() => {
                ("likely personal data, by their comments", "--include to use them")
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
            Reason::Protected(attribute) => Some(attribute),
            Reason::Personal(found) => Some(found.what()),
            _ => None,
        }
    }
}

impl LeftOutColumn {
    /// The same as [`why`](Self::why), in Chinese.
    pub(crate) fn why_in_chinese(&self) -> String {
        let include = "可用 --include 纳入";
        let (what, remedy) = match &self.reason {
            Reason::Protected(attribute) => {
                let include = if self.is_usable { format!("{include}，") } else { String::new() };
                let attribute = attribute_in_chinese(attribute);
                return format!("受保护属性（{attribute}）；{include}用 --audit 查看其在各客群中的占比");
            }
            Reason::Personal(found) => (found.phrase().zh, include),
            Reason::Excluded => ("已用 --exclude 排除".into(), ""),
            Reason::Weight => ("行权重".into(), ""),
            Reason::Outcome => ("结果变量".into(), ""),
            Reason::Strata => ("用于划分分层".into(), ""),
            Reason::LikelyOutcome => ("根据名称，疑似结果变量".into(), include),
            Reason::NamedLikeId => ("根据名称，为编号字段".into(), include),
            Reason::Index => ("pandas 行号".into(), include),
            Reason::Truth => ("合成数据中预设的客群".into(), ""),
            Reason::ShapedLikeId => {
                ("疑似编号：均为整数且互不相同".into(), "用 --id 指定为客户编号，或用 --include 作为特征")
            }
            Reason::Folder => ("来自文件夹名称".into(), include),
            Reason::Date => ("日期".into(), "可用 --include 纳入，以 1970 年以来的天数计"),
            Reason::Product => ("产品持有标志".into(), include),
            Reason::Unusable(_) => ("该类型不能作为特征".into(), ""),
        };
        if self.is_usable && !remedy.is_empty() { format!("{what}；{remedy}") } else { what }
    }

    /// Why, in one sentence.
    pub fn why(&self) -> String {
        let (what, remedy) = match &self.reason {
            Reason::Protected(attribute) => {
                let include = if self.is_usable { "--include to use it, " } else { "" };
                return format!("a protected attribute ({attribute}); {include}--audit to see its share by segment");
            }
            Reason::Personal(found) => (found.to_string(), "--include to use it"),
            Reason::Outcome => ("an outcome".into(), ""),
            Reason::Product => ("a product".into(), "--include to use it"),
            Reason::LikelyOutcome => ("likely an outcome, by its name".into(), "--include to use it"),
            Reason::NamedLikeId => ("an id, by its name".into(), "--include to use it"),
            Reason::Index => ("row numbers of pandas".into(), "--include to use them"),
            Reason::ShapedLikeId => (
                "likely an id: whole numbers, each of them different".into(),
                "--id to use it as the id, --include as a feature",
            ),
            Reason::Folder => ("a folder name".into(), "--include to use it"),
            Reason::Date => ("a date".into(), "--include to use it, in days since 1970"),
            reason => (reason.heading().0.to_owned(), ""),
        };
        if self.is_usable && !remedy.is_empty() { format!("{what}; {remedy}") } else { what }
    }

    /// What all columns of its line are, and what to do if that is wrong.
    fn heading(&self) -> (&'static str, &'static str) {
        match (self.reason.heading(), &self.reason) {
            (heading, _) if self.is_usable => heading,
            ((what, _), Reason::Protected(_)) => (what, "--audit to see their shares by segment"),
            ((what, _), _) => (what, ""),
        }
    }
}

/// One line for each reason, with its columns.
pub(crate) fn lines(left_out: &[LeftOutColumn]) -> Vec<String> {
    let mut groups: Vec<((&str, &str), Vec<String>)> = Vec::new();
    for left in left_out {
        let shown = match left.reason.detail() {
            Some(detail) => format!("{} ({detail})", left.column),
            None => left.column.clone(),
        };
        match groups.iter_mut().find(|(first, _)| *first == left.heading()) {
            Some((_, columns)) => columns.push(shown),
            None => groups.push((left.heading(), vec![shown])),
        }
    }
    groups.into_iter().map(|(heading, columns)| line(heading, &columns)).collect()
}

fn line((what, remedy): (&str, &str), columns: &[String]) -> String {
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
        let of = |column: &str, reason, is_usable| LeftOutColumn { column: column.into(), reason, is_usable };
        let mut left_out = vec![
            of("sex", Reason::Protected("sex".into()), true),
            of("note", Reason::Unusable("text"), false),
            of("age", Reason::Protected("age".into()), true),
            of("gender", Reason::Protected("sex".into()), false),
            of("churned", Reason::LikelyOutcome, false),
            of("region", Reason::Folder, false),
        ];
        left_out.extend((0..20).map(|i| of(&format!("t{i}"), Reason::Unusable("text"), false)));
        assert_eq!(
            lines(&left_out),
            [
                "not features (protected attributes): sex (sex), age (age); --include to use them, --audit to see their \
                 shares by segment",
                "not features (text): note, t0, t1, t2, t3, t4, t5, t6 and 13 more",
                "not features (protected attributes): gender (sex); --audit to see their shares by segment",
                "not features (likely outcomes, by their names): churned",
                "not features (folder names): region",
            ]
        );
    }
}
