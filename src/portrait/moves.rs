//! Who came into a segment and who left it, on its card.

use maud::{Markup, html};

use crate::report::Language;
use crate::text::thousands;

/// Customers of a segment who were elsewhere before, or are elsewhere now; only counts that may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentMoves {
    pub(crate) came: MovedCustomers,
    /// None: it is new.
    pub(crate) left: Option<MovedCustomers>,
}

/// Those who moved one way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MovedCustomers {
    /// All of them.
    pub(crate) all: Option<u64>,
    /// The segments with most of them, by id.
    pub(crate) most: Vec<(u64, u64)>,
    /// Those who are new to the bank, or gone from it.
    pub(crate) outside: Option<u64>,
}

pub(super) fn moves(moves: &SegmentMoves, language: Language) -> Markup {
    let came = |(id, n): &(u64, u64)| match language {
        Language::En => format!("{} from ID {id}", thousands(*n)),
        Language::Zh => format!("来自 ID {id} 的 {} 位", thousands(*n)),
    };
    let left = |(id, n): &(u64, u64)| match language {
        Language::En => format!("{} to ID {id}", thousands(*n)),
        Language::Zh => format!("去往 ID {id} 的 {} 位", thousands(*n)),
    };
    let [new, gone] = [("new", "新增"), ("gone", "流失")].map(|(en, zh)| language.say(en, zh));
    html! {
        p.soft { (language.say("Since the version before", "与上期相比")) }
        dl {
            dt { (language.say("came in", "迁入")) } dd { (said(&moves.came, came, new, language)) }
            @if let Some(moved) = &moves.left {
                dt { (language.say("left", "迁出")) } dd { (said(moved, left, gone, language)) }
            }
        }
    }
}

fn said(moved: &MovedCustomers, of: impl Fn(&(u64, u64)) -> String, outside: &str, language: Language) -> String {
    let mut parts: Vec<String> = moved.most.iter().map(of).collect();
    parts.extend(moved.outside.filter(|n| *n > 0).map(|n| match language {
        Language::En => format!("{} {outside}", thousands(n)),
        Language::Zh => format!("{outside} {} 位", thousands(n)),
    }));
    let parts = parts.join(language.say(", ", "，"));
    let all = moved.all.map(|n| language.counted(n, ["customer", "customers"], "位客户"));
    match all {
        Some(all) if parts.is_empty() => all,
        Some(all) => format!("{all}{}{parts}", language.say(": ", "：")),
        None if parts.is_empty() => language.say("withheld", "不予展示").to_owned(),
        None => format!("{parts}{}", language.say("; the rest is withheld", "；其余不予展示")),
    }
}
