//! Conditions as sentences.

use super::column::{CutColumn, CutSort};
use super::reach::Reach;
use crate::report::Language;
use crate::text::{day, grouped, shown};

/// Columns as sentences name them.
pub(super) struct Wording<'a> {
    pub(super) columns: &'a [CutColumn],
    /// By column: the names of categories.
    pub(super) named: &'a [Vec<String>],
    /// By column: whether any value is missing; of others nothing is said of missing values.
    pub(super) gaps: &'a [bool],
    pub(super) language: Language,
}

impl Wording<'_> {
    /// The conditions of a segment's leaves; those of a leaf are joined by "and", the leaves by "or".
    pub(super) fn sentence(&self, leaves: &[Vec<Reach>]) -> String {
        let (and, or) = (self.language.say(" and ", " 且 "), self.language.say(" or ", " 或 "));
        let leaf = |reaches: &Vec<Reach>| {
            let conditions: Vec<String> =
                reaches.iter().map(|reach| self.condition(reach, leaves.len() * reaches.len() > 1)).collect();
            let text = conditions.join(and);
            if leaves.len() > 1 && reaches.len() > 1 { format!("({text})") } else { text }
        };
        if leaves.iter().any(Vec::is_empty) {
            return self.language.say("all customers", "所有客户").to_owned();
        }
        leaves.iter().map(leaf).collect::<Vec<_>>().join(or)
    }

    fn condition(&self, reach: &Reach, among_others: bool) -> String {
        let name = shown(&self.columns[reach.column].name);
        let say = |en: &str, zh: &str| format!("{name} {}", self.language.say(en, zh));
        if reach.is_of_missing() {
            return say("is missing", "缺失");
        }
        if reach.is_of_known() {
            return say("is known", "有值");
        }
        let text = self.known(reach, &name);
        match (reach.missing && self.gaps[reach.column], among_others) {
            (false, _) => text,
            (true, false) => format!("{text}{}", self.language.say(" or missing", " 或缺失")),
            (true, true) => format!("({text}{})", self.language.say(" or missing", " 或缺失")),
        }
    }

    fn known(&self, reach: &Reach, name: &str) -> String {
        let sort = self.columns[reach.column].sort;
        let category = |&number: &u32| shown(&self.named[reach.column][number as usize]);
        if let Some(is) = &reach.is {
            return format!("{name} = {}", category(is));
        }
        let not: Vec<String> = reach.not.iter().map(category).collect();
        match &not[..] {
            [] => {}
            [one] => return format!("{name} {} {one}", self.language.say("is not", "不是")),
            more => {
                let list = more.join(self.language.say(", ", "、"));
                return match self.language {
                    Language::En => format!("{name} is none of {list}"),
                    Language::Zh => format!("{name} 不是 {list} 之一"),
                };
            }
        }
        let figure = |value: f64| figure(value, sort);
        match (reach.above.is_finite(), reach.up_to.is_finite()) {
            (above, _) if sort == CutSort::Flag => match above {
                true => format!("{name} {}", self.language.say("is true", "为真")),
                false => format!("{name} {}", self.language.say("is false", "为假")),
            },
            (true, true) if sort == CutSort::Whole && reach.up_to - reach.above == 1.0 => {
                format!("{name} = {}", figure(reach.up_to))
            }
            (true, true) => format!("{} < {name} <= {}", figure(reach.above), figure(reach.up_to)),
            (true, false) => format!("{name} > {}", figure(reach.above)),
            (false, _) => format!("{name} <= {}", figure(reach.up_to)),
        }
    }
}

/// All digits of a cut: `50,000`, `-0.25`, `2026-10-01`.
fn figure(value: f64, sort: CutSort) -> String {
    if matches!(sort, CutSort::Day { .. }) {
        return day(value);
    }
    if value != 0.0 && !(1e-6..1e16).contains(&value.abs()) {
        return format!("{value:e}");
    }
    let text = value.abs().to_string();
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    format!("{}{}{fraction}", if value < 0.0 { "-" } else { "" }, grouped(whole))
}
