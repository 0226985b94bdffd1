//! The rule of a segment on its card: a sentence, and how well it holds in whole percent.

use maud::{Markup, html};

use super::told::ToldShares;
use crate::profile::{GroupProfile, GroupRule, RuleFigures};
use crate::report::{Language, sentence};

/// The rule of a segment whose figures are not withheld; nothing on pages without rules.
pub(super) fn rule(told: ToldShares<'_>, group: &GroupProfile, language: Language) -> Markup {
    let Some(rule) = &group.rule else {
        let has_rules = told.report.segments.iter().any(|other| other.rule.is_some());
        return html! {
            @if has_rules && group.segment.is_some() {
                p { (language.say("There is no short rule to show.", "没有可展示的简短规则。")) }
            }
        };
    };
    let what = match rule.any_of.is_empty() {
        true => language.say(&rule.en, &rule.zh),
        false => language.say("any of", "满足以下任一条件"),
    };
    let text = format!("{}{what}", heading(rule, language));
    let figures = rule.figures.as_ref().filter(|_| told.of_rule(group)).and_then(|found| said(found, language));
    html! {
        p { (sentence(&text)) }
        @if !rule.any_of.is_empty() {
            ul { @for of in &rule.any_of { li { (sentence(language.say(&of.en, &of.zh))) } } }
        }
        @if let Some(figures) = figures { p.soft { (figures) } }
    }
}

fn heading(rule: &GroupRule, language: Language) -> String {
    match (&rule.figures, &rule.part) {
        (None, _) => language.say("Rule, as written: ", "规则（人工设定）：").to_owned(),
        (Some(_), None) => language.say("Rule: ", "规则：").to_owned(),
        (Some(_), Some(part)) => match language {
            Language::En => format!("Rule, within {part}: "),
            Language::Zh => format!("规则（在 {part} 内）："),
        },
    }
}

/// Precision and recall; None where the rule tells nobody.
fn said(figures: &RuleFigures, language: Language) -> Option<String> {
    let whole = |share: f64| format!("{:.0}", share * 100.0);
    let (precision, recall) = (whole(figures.precision?), whole(figures.recall?));
    Some(match language {
        Language::En => format!(
            "About {precision} % of the customers that it holds for are in the segment; it holds for about {recall} % of \
             the segment."
        ),
        Language::Zh => {
            format!("符合规则的客户中约 {precision}% 属于本客群；本客群客户中约 {recall}% 符合规则。")
        }
    })
}
