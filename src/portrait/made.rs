//! How the segments were made: choices and hashes.

use maud::html;

use crate::report::{Page, name};

/// Adds the section, and the foot of the page.
pub(crate) fn made(page: &mut Page, facts: &[(String, String)]) {
    let language = page.language();
    page.section(language.say("How this was made", "生成方式"), None);
    page.add(html! {
        dl { @for (what, text) in facts { dt { (name(what)) } dd { (name(text)) } } }
    });
    page.add(html! {
        footer { (language.say(
            "Made by Hyades. Figures are those of the rows at hand, none is computed from centroids. Counts of few \
             customers are withheld, and so are those from which they would follow.",
            "由 Hyades 生成。所有数字均来自实际客户数据，而非由聚类中心推算。人数过少的数字不予展示，可据以推算的数字也一并隐去。",
        )) }
    });
}
