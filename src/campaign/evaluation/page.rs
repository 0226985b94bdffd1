//! The page of an evaluation: the arms and whether their sizes are plausible, then for each outcome what every arm did,
//! how far it is from the others, and the same by group. What was not significant is called so.

use maud::html;

use super::comparison::{ArmComparison, Estimate, Verdict};
use super::report::{EvaluationReport, MetricKind, MetricReport};
use crate::report::{Language, Page, ShownInterval, Table, Tone, brief, intervals, name};
use crate::text::{percent, thousands};

/// What does not exist or is not reliable.
const DASH: &str = "–";

/// The page.
pub(super) fn page(report: &EvaluationReport, language: Language) -> String {
    let mut page = Page::new(language, language.say("What the campaign brought", "营销活动效果评估"));
    let (customers, arms) = (thousands(report.customers), report.arms.len());
    let control = name(&report.control);
    page.paragraph(&match language {
        Language::En => format!("{customers} customers in {arms} arms; the control is {control}."),
        Language::Zh => format!("共 {customers} 位客户，{arms} 个分组；对照组为 {control}。"),
    });
    summary(&mut page, report);
    assignment(&mut page, report);
    for metric in &report.metrics {
        outcome(&mut page, metric, report);
    }
    page.section(language.say("How to read this", "阅读说明"), None);
    page.explain(language.say(
        "Customers count in the arm that they were assigned to, whether they were reached or not. Differences have 95 % \
         intervals of their own. p-values are adjusted by Holm's method for the whole table; 0.05 or less counts as \
         significant. Not significant does not mean that there is no difference. All figures are in the JSON.",
        "客户按所分配的组计入，不论是否实际触达。差异附各自的 95% 置信区间。p 值按 Holm 方法对整张表校正，不超过 0.05 视为显著；\
         不显著不等于没有差异。全部数字见 JSON。",
    ));
    page.finish()
}

/// What every arm brought beside the control, in a sentence each.
fn summary(page: &mut Page, report: &EvaluationReport) {
    let language = page.language();
    let of_control = |metric: &MetricReport| -> Vec<String> {
        let compared = metric.comparisons.iter().filter(|c| c.against.arm == report.control);
        let sentence = |c: &ArmComparison| {
            let (column, arm) = (name(&metric.column), name(&c.arm.arm));
            let (found, verdict) = (difference(&c.difference, metric.kind, language), result(c.verdict, language));
            match (c.verdict, language) {
                (Verdict::TooFew, _) => format!("{column}, {arm}: {verdict}"),
                (_, Language::En) => format!("{column}, {arm} against {}: {found}; {verdict}", name(&c.against.arm)),
                (_, Language::Zh) => format!("{column}：{arm} 较 {} {found}，{verdict}", name(&c.against.arm)),
            }
        };
        compared.map(sentence).collect()
    };
    let sentences: Vec<String> = report.metrics.iter().flat_map(of_control).collect();
    page.add(html! { ul { @for sentence in &sentences { li { (sentence) } } } });
}

/// The arms, and whether their sizes are plausible.
fn assignment(page: &mut Page, report: &EvaluationReport) {
    let language = page.language();
    let header = [("arm", "分组"), ("customers", "客户数"), ("share", "占比"), ("expected", "应占")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 1);
    for arm in &report.arms {
        let role = if arm.arm == report.control { language.say(" (control)", "（对照）") } else { "" };
        let share = percent(arm.customers as f64 / report.customers.max(1) as f64);
        table.row([arm.arm.clone() + role, thousands(arm.customers), share, percent(arm.expected_share)]);
    }
    page.table(language.say("Arms", "分组"), &table);
    let ratio = &report.sample_ratio;
    let (chi_square, p) = (brief(ratio.chi_square), p_value(ratio.p));
    if ratio.is_suspicious {
        let title = language.say("The sizes of the arms are not plausible", "分组比例异常");
        page.section(title, Some(Tone::Broken));
        page.paragraph(&match language {
            Language::En => format!(
                "Sample ratio mismatch: chi-square {chi_square}, p {p}. Customers were not assigned in the expected \
                 shares, so the arms may differ in more than the campaign: trust no figure below before the reason is \
                 known."
            ),
            Language::Zh => format!(
                "样本比例检验不通过：卡方 {chi_square}，p 值 {p}。客户未按应有比例分组，各组之间的差异可能不止于活动本身；\
                 查明原因之前，以下数字均不可信。"
            ),
        });
    } else {
        page.paragraph(&match language {
            Language::En => format!("The sizes of the arms are as expected: chi-square {chi_square}, p {p}."),
            Language::Zh => format!("分组比例正常：卡方 {chi_square}，p 值 {p}。"),
        });
    }
    ratios_by_group(page, report);
    if let Some(events) = &report.events {
        page.paragraph(language.of(&events.phrase()));
    }
}

/// The groups in which the sizes of the arms are not plausible.
fn ratios_by_group(page: &mut Page, report: &EvaluationReport) {
    let language = page.language();
    let tested = report.group_ratios.iter().filter_map(|of| Some((of, of.ratio.as_ref()?)));
    let (suspicious, fine): (Vec<_>, Vec<_>) = tested.partition(|(_, ratio)| ratio.is_suspicious);
    if suspicious.is_empty() {
        if !fine.is_empty() {
            let (by, groups) = (report.by.join(language.say(", ", "、")), thousands(fine.len() as u64));
            page.paragraph(&match language {
                Language::En => format!("By {}: as expected in all {groups} groups tested.", name(&by)),
                Language::Zh => format!("按{}检验的 {groups} 个细分组均正常。", name(&by)),
            });
        }
        return;
    }
    let arms = report.arms.iter().map(|arm| arm.arm.clone());
    let mut table = Table::new(report.by.iter().cloned().chain(arms).chain(["p".to_owned()]), report.by.len());
    for (of, ratio) in suspicious {
        let group = of.group.iter().map(|value| value.clone().unwrap_or_else(|| DASH.to_owned()));
        let count = |(n, expected): (&u64, &f64)| format!("{} / {}", thousands(*n), thousands(expected.round() as u64));
        let counts = of.customers.iter().zip(&of.expected).map(count);
        table.row(group.chain(counts).chain([p_value(ratio.p)]).collect::<Vec<_>>());
    }
    page.section(
        language.say("Groups with arms of sizes that are not plausible", "比例异常的细分组"),
        Some(Tone::Broken),
    );
    page.explain(language.say("Customers, and how many were expected.", "实际客户数 / 应有客户数。"));
    page.rows(&table);
}

fn outcome(page: &mut Page, metric: &MetricReport, report: &EvaluationReport) {
    let language = page.language();
    page.section(&metric.column, None);
    let (what, total) = match metric.kind {
        MetricKind::Conversion => {
            (language.say("conversion rate", "转化率"), language.say("conversions", "转化客户数"))
        }
        MetricKind::Money => (language.say("a customer", "户均"), language.say("sum", "合计")),
    };
    let mut arms = Table::new([language.say("arm", "分组"), language.say("customers", "客户数"), total, what], 1);
    for arm in &metric.arms {
        let level = level(arm.mean, metric.kind);
        arms.row([arm.arm.clone(), thousands(arm.customers), brief(arm.total), level]);
    }
    page.rows(&arms);
    let title = match language {
        Language::En => format!("{}: differences with 95 % intervals", name(&metric.column)),
        Language::Zh => format!("{}：差异及 95% 置信区间", name(&metric.column)),
    };
    page.explain(&title);
    let reliable = metric.comparisons.iter().filter(|c| c.verdict != Verdict::TooFew);
    let interval = |c: &ArmComparison| ShownInterval {
        label: format!("{} − {}", name(&c.arm.arm), name(&c.against.arm)),
        ends: [c.difference.low, c.difference.value, c.difference.high],
        text: difference(&c.difference, metric.kind, language),
    };
    page.add(intervals(&reliable.map(interval).collect::<Vec<_>>()));
    page.rows(&comparisons(&[], &metric.comparisons, metric.kind, language));
    if metric.groups.is_empty() {
        return;
    }
    page.section(&format!("{} · {}", name(&metric.column), report.by.join(language.say(", ", "、"))), None);
    page.rows(&comparisons(&report.by, &metric.groups, metric.kind, language));
    if metric.groups.iter().any(|c| c.verdict == Verdict::TooFew) {
        page.explain(language.say(
            "Too few: below 10 customers, or 5 expected conversions, in an arm; no figure is shown.",
            "人数过少：某一分组不足 10 位客户，或预期转化不足 5 位，不展示数字。",
        ));
    }
    if metric.groups_left_out > 0 {
        let n = thousands(metric.groups_left_out);
        page.explain(&match language {
            Language::En => format!("{n} arms in groups have no customer to compare."),
            Language::Zh => format!("另有 {n} 个细分组没有可比较的客户。"),
        });
    }
}

/// Comparisons, with a column for each of `by`.
fn comparisons(by: &[String], compared: &[ArmComparison], kind: MetricKind, language: Language) -> Table {
    let has_value = compared.iter().any(|c| c.value.is_some());
    let extra = match kind {
        MetricKind::Conversion => ("extra conversions", "增量转化"),
        MetricKind::Money => ("extra money", "增量金额"),
    };
    let header = [("compared", "比较"), ("result", "结论"), ("difference (95 %)", "差异（95% 区间）")];
    let header = header.into_iter().chain([("relative", "相对提升"), extra, ("p (Holm)", "p 值（Holm）")]);
    let header = header.chain([("profit", "利润"), ("ROI", "投资回报率")].into_iter().filter(|_| has_value));
    let header = header.map(|(en, zh)| language.say(en, zh).to_owned());
    let mut table = Table::new(by.iter().cloned().chain(header), by.len() + 2);
    for c in compared {
        let told = |text: &dyn Fn() -> Option<String>| {
            Some(()).filter(|()| c.verdict != Verdict::TooFew).and_then(|()| text()).unwrap_or_else(|| DASH.into())
        };
        let missing = || language.say("(missing)", "（缺失）").to_owned();
        let mut row: Vec<String> = c.group.iter().map(|value| value.clone().unwrap_or_else(missing)).collect();
        row.push(format!("{} − {}", c.arm.arm, c.against.arm));
        row.push(result(c.verdict, language).to_owned());
        row.push(told(&|| Some(difference(&c.difference, kind, language))));
        row.push(told(&|| Some(signed(100.0 * c.lift?.value) + "%")));
        row.push(told(&|| Some(signed(c.extra.value))));
        row.push(told(&|| c.holm_p.map(p_value)));
        if has_value {
            row.push(told(&|| Some(signed(c.value?.profit.value))));
            row.push(told(&|| Some(signed(100.0 * c.value?.roi?) + "%")));
        }
        table.row(row);
    }
    table
}

fn result(verdict: Verdict, language: Language) -> &'static str {
    match verdict {
        Verdict::Higher => language.say("significantly higher", "显著更高"),
        Verdict::Lower => language.say("significantly lower", "显著更低"),
        Verdict::NotShown => language.say("not significant", "不显著"),
        Verdict::TooFew => language.say("too few customers", "人数过少"),
    }
}

fn level(mean: f64, kind: MetricKind) -> String {
    match kind {
        MetricKind::Conversion => percent(mean),
        MetricKind::Money => brief(mean),
    }
}

/// Shares in percentage points.
fn difference(found: &Estimate, kind: MetricKind, language: Language) -> String {
    let (unit, by) = match kind {
        MetricKind::Conversion => (language.say(" points", " 个百分点"), 100.0),
        MetricKind::Money => ("", 1.0),
    };
    let [value, low, high] = [found.value, found.low, found.high].map(|v| signed(by * v));
    match language {
        Language::En => format!("{value}{unit} ({low} to {high})"),
        Language::Zh => format!("{value}{unit}（{low} 至 {high}）"),
    }
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", brief(value)) } else { brief(value) }
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { format!("{p:.1e}") } else { format!("{p:.4}") }
}
