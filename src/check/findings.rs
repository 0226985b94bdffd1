//! Findings about columns: possible problems to look at before customers are clustered by them, each one sentence about
//! one thing.

use super::class::Class;
use super::finding::Severity::{Note, Warning};
use super::finding::{Finding, Severity};
use super::personal;
use super::profile::{ColumnValues, Profile};
use super::report::ColumnReport;
use super::sentinel::{Codes, sentinels};
use super::value::Value;
use super::written::{Written, are_days, as_text};
use crate::roles::{LeftOutColumn, Personal, Protected, Reason, Roles, attribute_in_chinese, personal_in_chinese};
use crate::text::{Phrase, percent, quoted};

/// Share of a single value from which a column is nearly constant.
const NEARLY: f64 = 0.99;
/// Share of missing values above which they are reported.
const HALF: f64 = 0.5;
/// The fewest rows for which distinct values in all rows are significant.
const ROWS_FOR_IDS: u64 = 100;
/// Estimated share of distinct values that suggests an id: three standard errors below all.
const ALL_DIFFERENT: f64 = 1.0 - 3.0 * super::DISTINCT_ERROR;

/// What a fit would do with a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role<'a> {
    /// Why it is left out, if it is.
    left_out: Option<&'a LeftOutColumn>,
    /// The protected attribute that it is.
    protected: Option<&'a Protected>,
    /// The personal data that it likely holds, by its name or comment.
    personal: Option<Personal>,
    is_code: bool,
}

impl<'a> Role<'a> {
    pub(super) fn of(roles: &'a Roles, column: usize, name: &str) -> Self {
        Role {
            left_out: roles.reason(name),
            protected: roles.protected.iter().find(|p| p.column == column),
            personal: roles.personal_data(column),
            is_code: roles.codes.contains(&column),
        }
    }
}

/// The personal data that a column likely holds, and the reason to think so.
pub(super) fn personal_data(role: Role<'_>, profile: &Profile, class: Class) -> Option<Phrase> {
    let by_shape = match &profile.values {
        ColumnValues::Text(text) => personal::by_shape(&text.sample).map(|(what, share)| {
            let share = percent(share);
            Phrase::new(
                format!("likely {what}: {share} of the sampled values look so"),
                format!("疑似{}：{share} 的抽样值符合其格式", personal_in_chinese(what)),
            )
        }),
        ColumnValues::Numbers(n) if class == Class::Number && personal::are_cards(&n.sample()) => Some(Phrase::new(
            "likely card numbers: the digits have the check digit of card schemes",
            "疑似卡号：数字符合银行卡校验位规则",
        )),
        _ => None,
    };
    // A flag tells whether there is an address, not the address.
    let by_name = || role.personal.filter(|_| class != Class::Boolean).map(Personal::phrase);
    by_shape.or_else(by_name)
}

/// A column as the finders below see it.
struct ColumnFacts<'a> {
    report: &'a ColumnReport,
    profile: &'a Profile,
    /// The personal data it likely holds, from [`personal_data`].
    personal: Option<&'a Phrase>,
    role: Role<'a>,
}

/// Severity, kind and text of a finding.
type ColumnFinding = (Severity, &'static str, Phrase);
type ColumnFinder = fn(&ColumnFacts<'_>) -> Option<ColumnFinding>;

/// Finders for every column, in the order of the report.
const OF_ANY_COLUMN: [ColumnFinder; 6] = [personal, protected, other_role, mistyped, absent, empty];
/// Finders for columns that have values; [`sentinel_codes`] and [`likely_id`] follow them.
const OF_VALUES: [ColumnFinder; 8] =
    [mostly_missing, infinite, nan, empty_text, padded, constant, written_otherwise, code];

/// Kinds of findings about text that is neither a category nor an id.
pub(super) const AS_TEXT: [&str; 3] = ["number_as_text", "percentage_as_text", "date_as_text"];

/// The findings about one column. `personal` is the result of [`personal_data`].
pub(super) fn of_column(
    report: &ColumnReport,
    profile: &Profile,
    personal: Option<Phrase>,
    role: Role<'_>,
) -> Vec<Finding> {
    let facts = ColumnFacts { report, profile, personal: personal.as_ref(), role };
    let mut found: Vec<ColumnFinding> = OF_ANY_COLUMN.iter().filter_map(|find| find(&facts)).collect();
    if profile.present() > 0 {
        found.extend(OF_VALUES.iter().filter_map(|find| find(&facts)));
        found.extend(sentinel_codes(&facts));
        // What is a number or a date is no name.
        let is_value = found.iter().any(|(_, kind, _)| AS_TEXT.contains(kind));
        found.extend(likely_id(&facts).filter(|_| !is_value));
    }
    let column = || Some(report.name.clone());
    found.into_iter().map(|(severity, kind, text)| Finding { severity, kind, column: column(), text }).collect()
}

fn personal(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let what = facts.personal?;
    let (en, zh) = if facts.role.left_out.is_some() && matches!(facts.report.class, Class::Number | Class::Date) {
        ("a fit leaves it out unless --include names it", "建模时默认排除，可用 --include 纳入")
    } else {
        ("leave it out with --exclude unless it is meant to be used", "如非有意使用，请用 --exclude 排除")
    };
    let text = Phrase::new(format!("{}; {en}", what.en), format!("{}；{zh}", what.zh));
    Some((Warning, "personal_data", text))
}

fn protected(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let Protected { attribute, by_comment, .. } = facts.role.protected.filter(|_| facts.personal.is_none())?;
    let (by, by_zh) = if *by_comment { ("comment", "注释") } else { ("name", "名称") };
    let is_usable = facts.role.left_out.is_none_or(|left| left.is_usable);
    let (unless, unless_zh) =
        if is_usable { (" unless --include names it", "，可用 --include 纳入") } else { ("", "") };
    let text = Phrase::new(
        format!("a protected attribute ({attribute}), by its {by}; a fit leaves it out{unless}"),
        format!("根据字段{by_zh}，为受保护属性（{}）；建模时默认排除{unless_zh}", attribute_in_chinese(attribute)),
    );
    Some((Note, "protected_attribute", text))
}

/// What a fit takes it for by its name.
fn other_role(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let left_out = facts.role.left_out?;
    let kind = match left_out.reason {
        Reason::LikelyOutcome => "outcome",
        Reason::NamedLikeId => "second_id",
        Reason::Index => "index",
        _ => return None,
    };
    let text = Phrase::new(
        format!("{}; a fit leaves it out", left_out.why()),
        format!("{}；建模时默认排除", left_out.why_in_chinese()),
    );
    Some((Note, kind, text))
}

fn code(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let text = || {
        Phrase::new(
            "likely a code, by its name; a fit uses it as a quantity: encode it in a recipe, or --exclude it",
            "根据名称，疑似代码；建模时按数值处理：请在配方中编码，或用 --exclude 排除",
        )
    };
    facts.role.is_code.then(|| (Note, "code", text()))
}

fn mistyped(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.mistyped)?;
    let text = Phrase::new(
        format!("{n} rows are of files in which its type is of another kind"),
        format!("{n} 行所在文件中该字段的类型不同类"),
    );
    Some((Warning, "mistyped", text))
}

fn absent(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.absent)?;
    let text = Phrase::new(format!("{n} rows are of files without it"), format!("{n} 行所在文件没有该字段"));
    Some((Warning, "absent", text))
}

fn empty(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let text = || Phrase::new("every value is missing", "全部值缺失");
    (facts.profile.present() == 0).then(|| (Warning, "empty", text()))
}

fn mostly_missing(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let ColumnFacts { report, profile, .. } = facts;
    let rows = profile.rows + report.absent + report.mistyped;
    let missing = report.missing() as f64 / rows.max(1) as f64;
    let share = percent(missing);
    let text = || Phrase::new(format!("{share} of the values are missing"), format!("{share} 的值缺失"));
    (missing > HALF).then(|| (Note, "mostly_missing", text()))
}

fn infinite(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.numbers.as_ref()?.infinite)?;
    let text =
        Phrase::new(format!("{n} infinities; a fit treats them as missing"), format!("{n} 个无穷值；建模时按缺失处理"));
    Some((Warning, "infinite", text))
}

fn nan(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.numbers.as_ref()?.nan)?;
    let text = Phrase::new(format!("{n} NaN; a fit treats them as missing"), format!("{n} 个 NaN；建模时按缺失处理"));
    Some((Note, "nan", text))
}

fn empty_text(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.text.as_ref()?.empty)?;
    Some((
        Note,
        "empty_text",
        Phrase::new(format!("{n} empty texts that are not null"), format!("{n} 个空字符串（非 NULL）")),
    ))
}

fn padded(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let n = positive(facts.report.text.as_ref()?.padded)?;
    Some((Note, "padded", Phrase::new(format!("{n} texts begin or end with a blank"), format!("{n} 个文本首尾有空格"))))
}

/// A constant or nearly constant column.
fn constant(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let common = facts.report.most_common.as_ref();
    let told = common.and_then(|c| c.value.as_ref());
    let what = told.map_or_else(|| Phrase::new("one value", "同一个值"), |value| Phrase::alike(tell(value)));
    if facts.report.distinct == 1 {
        let text = Phrase::new(
            format!("constant: {} wherever it is not missing", what.en),
            format!("常量：非缺失值均为 {}", what.zh),
        );
        return Some((Warning, "constant", text));
    }
    let share = percent(common.filter(|c| c.share >= NEARLY)?.share);
    let text = Phrase::new(
        format!("nearly constant: {} in {share} of the rows", what.en),
        format!("近似常量：{share} 的行为 {}", what.zh),
    );
    Some((Note, "nearly_constant", text))
}

/// Numbers or dates in a type that a fit does not read as such.
fn written_otherwise(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    match &facts.profile.values {
        ColumnValues::Text(text) if facts.personal.is_none() => {
            let (written, example) = as_text(&text.sample)?;
            Some(written_as_text(written, &facts.report.name, &format!("{example:?}")))
        }
        ColumnValues::Numbers(n) if facts.report.class == Class::Number && are_days(&n.sample()) => {
            let example = n.sample().into_iter().find(|v| v.is_finite() && *v != 0.0)?;
            let name = quoted(&facts.report.name);
            let text = Phrase::new(
                format!(
                    "dates as whole numbers ({example}); their differences are not days: write {name} as a date, or \
                     leave it out with --exclude"
                ),
                format!("以整数存储的日期（{example}）；数值之差不是天数：请将 {name} 存为日期，或用 --exclude 排除"),
            );
            Some((Warning, "date_as_number", text))
        }
        _ => None,
    }
}

/// What text of a form should be written as.
fn written_as_text(written: Written, name: &str, example: &str) -> ColumnFinding {
    let name = quoted(name);
    let en = format!("a fit does not use text: write {name} as a number, with a decimal point");
    let zh = format!("建模不使用文本：请将 {name} 存为数值，使用小数点");
    let (severity, kind, text) = match written {
        Written::Digits => (
            Note,
            "digits_as_text",
            Phrase::new(
                format!(
                    "whole numbers as text ({example}); a fit does not use text: if they count or measure something, \
                     write them as numbers; a recipe can encode codes"
                ),
                format!(
                    "以文本存储的整数（{example}）；建模不使用文本：如为计数或度量，请存为数值；如为代码，可在配方中编码"
                ),
            ),
        ),
        Written::Number => (
            Warning,
            "number_as_text",
            Phrase::new(format!("numbers as text ({example}); {en}"), format!("以文本存储的数值（{example}）；{zh}")),
        ),
        Written::Percentage => (
            Warning,
            "percentage_as_text",
            Phrase::new(
                format!("percentages as text ({example}); {en}"),
                format!("以文本存储的百分比（{example}）；{zh}"),
            ),
        ),
        Written::Date => (
            Warning,
            "date_as_text",
            Phrase::new(
                format!("dates as text ({example}); write {name} as a date, which --include then uses"),
                format!("以文本存储的日期（{example}）；请将 {name} 存为日期，再用 --include 纳入"),
            ),
        ),
    };
    (severity, kind, text)
}

/// Codes for unknown, such as -999 or 1900-01-01.
fn sentinel_codes(facts: &ColumnFacts<'_>) -> Vec<ColumnFinding> {
    let (ColumnValues::Numbers(n), Some(told)) = (&facts.profile.values, &facts.report.numbers) else {
        return Vec::new();
    };
    let class = facts.report.class;
    let show = |place: i128| n.grain.value(place, class);
    let finding = |codes: Codes| {
        let en: Vec<String> = codes.values.iter().map(|&(v, n)| format!("{} ({n} rows)", show(v))).collect();
        let zh: Vec<String> = codes.values.iter().map(|&(v, n)| format!("{}（{n} 行）", show(v))).collect();
        // A code identifies no customer; the next value may.
        let next = facts.personal.is_none().then(|| show(codes.next));
        let next = |before: &str| next.as_ref().map_or_else(String::new, |next| format!("{before}{next}"));
        let what = if en.len() == 1 { "a code" } else { "codes" };
        let text = Phrase::new(
            format!("likely {what} for unknown: {}{}", en.join(", "), next("; the nearest other value is ")),
            format!("疑似表示未知的代码：{}{}", zh.join("、"), next("；与之最近的其他值为 ")),
        );
        (Warning, "sentinel", text)
    };
    sentinels(n, &told.sorted, class == Class::Date).into_iter().map(finding).collect()
}

fn likely_id(facts: &ColumnFacts<'_>) -> Option<ColumnFinding> {
    let (report, present) = (facts.report, facts.profile.present());
    match facts.role.left_out {
        Some(left) if left.reason == Reason::ShapedLikeId => {
            return Some((Note, "likely_id", Phrase::new(left.why(), left.why_in_chinese())));
        }
        Some(left) if left.reason == Reason::NamedLikeId => return None,
        _ => {}
    }
    let may_be_id = match report.class {
        Class::Number => report.numbers.as_ref().is_some_and(|n| n.whole),
        Class::Text => true,
        _ => false,
    };
    let all_different = if report.distinct_exact {
        report.distinct == present
    } else {
        report.distinct as f64 >= ALL_DIFFERENT * present as f64
    };
    if !may_be_id || !all_different || present < ROWS_FOR_IDS {
        return None;
    }
    let (how, how_zh) = match report.distinct_exact {
        true => ("every value is", "所有取值"),
        false => ("as far as can be estimated, every value is", "据估计，所有取值"),
    };
    let text = match report.class {
        Class::Number if facts.role.left_out.is_none() => Phrase::new(
            format!("{how} different; if it is an id, leave it out of a fit with --exclude"),
            format!("{how_zh}互不相同；如为编号，请用 --exclude 排除"),
        ),
        _ => Phrase::new(
            format!("likely an id: {how} different; it is no feature"),
            format!("疑似编号：{how_zh}互不相同；不能作为特征"),
        ),
    };
    Some((Note, "likely_id", text))
}

fn positive(n: u64) -> Option<u64> {
    (n > 0).then_some(n)
}

/// A value in a sentence.
pub(super) fn tell(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        other => other.to_string(),
    }
}
