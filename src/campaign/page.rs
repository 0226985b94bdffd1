//! The page of target lists: where customers stayed, by list, segment and stage, and what is offered to whom.
//!
//! Counts are exact, and add up: the page is for those who have the lists.

use maud::html;

use super::file::CampaignFile;
use super::strategy::StrategyLine;
use super::waterfall::{StepCounts, Waterfall};
use crate::report::{Language, Page, Table, bars, name};
use crate::text::thousands;

/// The most lists that have a column each.
const MOST_LISTS: usize = 12;
/// What does not exist.
const DASH: &str = "–";

/// The page.
pub(super) fn page(
    file: &CampaignFile,
    waterfall: &Waterfall,
    strategy: &[StrategyLine],
    language: Language,
) -> String {
    let title = language.say("Target lists", "营销名单");
    let mut page = Page::new(language, &format!("{title} · {}", file.campaign.name));
    let [customers, eligible, contacted, control] =
        [waterfall.customers, waterfall.all.eligible, waterfall.all.contacted, waterfall.all.control].map(thousands);
    let (day, lists) = (&file.campaign.day, waterfall.lists.len());
    page.paragraph(&match language {
        Language::En => format!(
            "{day}: {customers} customers, {eligible} of them eligible for {}; {contacted} are contacted and {control} \
             are in control groups.",
            language.counted(lists as u64, ["list", "lists"], "")
        ),
        Language::Zh => format!(
            "{day}：共 {customers} 位客户，其中 {eligible} 位符合 {lists} 个名单的条件；触达 {contacted} 位，对照组 {control} 位。"
        ),
    });
    if let Some(why) = &file.campaign.no_opt_out {
        page.add(html! { p.warning {
            (language.say("No list of customers who object to marketing was used: ", "未使用拒绝营销客户名单：")) (name(why))
        } });
    }
    steps(&mut page, waterfall);
    offers(&mut page, strategy);
    cells(&mut page, waterfall);
    page.section(language.say("How to read this", "阅读说明"), None);
    page.explain(language.say(
        "Customers are eligible where the condition of a list is true. Those who are not contacted count for the first \
         step that keeps them out, so that every column adds up. Control groups are drawn by a keyed hash of the id; \
         compare them with those contacted by hyades campaign evaluate. All figures are in waterfall.json and \
         design.json.",
        "满足名单条件的客户计为“符合条件”。未触达的客户计入最先排除他的环节，各列合计相符。对照组按客户编号的带密钥哈希抽取，\
         请用 campaign evaluate 与触达客户比较。全部数字见 waterfall.json 与 design.json。",
    ));
    page.finish()
}

/// The steps that anybody stays at, with the counts of one column.
fn steps_of(all: &StepCounts, language: Language) -> Vec<(String, fn(&StepCounts, usize) -> u64, usize)> {
    type Count = fn(&StepCounts, usize) -> u64;
    let mut steps: Vec<(String, Count, usize)> =
        vec![(language.say("eligible", "符合条件").to_owned(), |counts, _| counts.eligible, 0)];
    let reasons = all.suppressed.iter().enumerate();
    steps.extend(reasons.map(|(i, of)| {
        let label = format!("− {}{}", language.say("suppressed: ", "剔除："), of.reason);
        (label, (|counts, i| counts.suppressed[i].customers) as Count, i)
    }));
    let more: [(&str, &str, Count); 6] = [
        ("− contacted often enough", "− 触达频次已满", |counts, _| counts.pressure),
        ("− hold-out", "− 全局保留组", |counts, _| counts.holdout),
        ("− in an earlier list", "− 已入前序名单", |counts, _| counts.earlier),
        ("− beyond the cap", "− 超出名额", |counts, _| counts.capped),
        ("− control group", "− 对照组", |counts, _| counts.control),
        ("= contacted", "= 触达", |counts, _| counts.contacted),
    ];
    steps.extend(more.into_iter().map(|(en, zh, count)| (language.say(en, zh).to_owned(), count, 0)));
    steps
}

/// The waterfall: of all lists as a chart, and list by list as a table.
fn steps(page: &mut Page, waterfall: &Waterfall) {
    let language = page.language();
    let mut steps = steps_of(&waterfall.all, language);
    steps.retain(|(_, count, i)| {
        std::iter::once(&waterfall.all).chain(waterfall.lists.iter().map(|l| &l.counts)).any(|of| count(of, *i) > 0)
    });
    page.section(language.say("Where customers stayed", "名单漏斗"), None);
    let bar = |(label, count, i): &(String, fn(&StepCounts, usize) -> u64, usize)| {
        let n = count(&waterfall.all, *i);
        (label.clone(), n as f64, thousands(n))
    };
    page.add(bars(&steps.iter().map(bar).collect::<Vec<_>>()));
    let lists = waterfall.lists.iter().take(MOST_LISTS);
    let header = [language.say("customers", "客户").to_owned(), language.say("all", "合计").to_owned()];
    let mut table = Table::new(header.into_iter().chain(lists.clone().map(|list| list.name.clone())), 1);
    for (label, count, i) in &steps {
        let columns = std::iter::once(&waterfall.all).chain(lists.clone().map(|list| &list.counts));
        let counts = columns.map(|counts| thousands(count(counts, *i)));
        table.row(std::iter::once(label.clone()).chain(counts).collect::<Vec<_>>());
    }
    page.rows(&table);
    let left = waterfall.lists.len().saturating_sub(MOST_LISTS);
    if left > 0 {
        page.explain(&match language {
            Language::En => format!("{left} more lists are in waterfall.json."),
            Language::Zh => format!("另有 {left} 个名单见 waterfall.json。"),
        });
    }
}

/// What is offered to whom.
fn offers(page: &mut Page, strategy: &[StrategyLine]) {
    let language = page.language();
    let header = [
        ("list", "名单"),
        ("segment", "客群"),
        ("stage", "生命周期阶段"),
        ("product", "产品"),
        ("channel", "渠道"),
        ("script", "话术"),
        ("contacted", "触达"),
        ("control", "对照组"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 6);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| DASH.to_owned());
    for line in strategy {
        let segment = [line.segment.map(|segment| segment.to_string()), line.segment_name.clone()];
        let segment: Vec<String> = segment.into_iter().flatten().collect();
        table.row([
            line.list.clone(),
            if segment.is_empty() { DASH.to_owned() } else { segment.join(" · ") },
            text(&line.stage),
            text(&line.product),
            text(&line.channel),
            text(&line.script),
            thousands(line.contacted),
            thousands(line.control),
        ]);
    }
    page.table(language.say("What is offered to whom", "策略图谱"), &table);
}

/// Customers by segment and stage.
fn cells(page: &mut Page, waterfall: &Waterfall) {
    let language = page.language();
    let header = [
        ("list", "名单"),
        ("segment", "客群"),
        ("stage", "生命周期阶段"),
        ("eligible", "符合条件"),
        ("control", "对照组"),
        ("contacted", "触达"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for list in &waterfall.lists {
        for cell in list.cells.iter().filter(|cell| cell.segment.is_some() || cell.stage.is_some()) {
            let of = &cell.counts;
            table.row([
                list.name.clone(),
                cell.segment.map_or_else(|| DASH.to_owned(), |segment| segment.to_string()),
                cell.stage.clone().unwrap_or_else(|| DASH.to_owned()),
                thousands(of.eligible),
                thousands(of.control),
                thousands(of.contacted),
            ]);
        }
    }
    page.table(language.say("Lists by segment and stage", "名单构成（按客群与阶段）"), &table);
}
