//! The page of a choice: the recommendation, what each criterion says, the river of segments, and the figures.

use maud::html;

use super::alternative::Alternative;
use super::report::ChoiceReport;
use super::river::{MOST_COLUMNS, river};
use crate::report::{Language, Page, Remark, Table, Tone, lines};
use crate::text::{percent, thousands};

/// The page.
pub(crate) fn page(report: &ChoiceReport, language: Language) -> String {
    let mut page = Page::new(language, language.say("How many segments", "分成多少个客群"));
    recommended(&mut page, report);
    votes(&mut page, report);
    flow(&mut page, report);
    figures(&mut page, report);
    curves(&mut page, report);
    stability(&mut page, report);
    made(&mut page, report);
    page.finish()
}

fn recommended(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    let of = &report.recommendation;
    page.add(html! { p { b { (language.of(&of.summary)) } } });
    if let Some(chosen) = report.alternatives.iter().find(|a| Some(a.k) == of.first) {
        let explained = percent(chosen.validity.explained);
        let smallest = thousands(chosen.validity.smallest);
        page.paragraph(&match language {
            Language::En => format!(
                "With {} segments, {explained} of the variance lies between segments; the smallest has {smallest} \
                 customers.",
                chosen.k
            ),
            Language::Zh => {
                format!("分为 {} 个客群时，客群之间解释了 {explained} 的方差，最小客群有 {smallest} 位客户。", chosen.k)
            }
        });
    }
    if !of.remarks.is_empty() {
        let remark = |text| Remark { tone: Tone::Warning, subject: None, text };
        page.list(
            language.say("Before you take it", "采用之前请注意"),
            of.remarks.iter().map(|text| remark(language.of(text))),
        );
    }
}

fn votes(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    page.section(language.say("What each criterion says", "各项指标的结论"), None);
    page.explain(language.say(
        "No criterion is right about all data. Those of compactness favour round segments of equal size; the others ask \
         whether the segments are found again.",
        "没有一项指标适用于所有数据。紧密度类指标偏向大小相近、形状接近球形的客群；其余指标考察客群能否被重复发现。",
    ));
    let header = [("criterion", "指标"), ("segments", "客群数"), ("reason", "依据")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for vote in &report.recommendation.votes {
        let k = vote.k.map_or_else(|| language.say("none", "无").to_owned(), |k| k.to_string());
        table.row([language.of(&vote.criterion.name()).to_owned(), k, language.of(&vote.why).to_owned()]);
    }
    page.rows(&table);
}

fn flow(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    let Some(markup) = river(report, language) else { return };
    page.section(language.say("How segments divide", "客群如何拆分"), None);
    page.explain(language.say(
        "Every column is a number of segments, every bar a segment as high as its share of the customers, and every band \
         the customers that two segments have in common. Segments that go on as one band are there whatever the \
         number is.",
        "每一列对应一个客群数，竖条高度为客群占比，色带为两个客群的共同客户。始终作为一条色带延续的客群，与所选客群数无关。",
    ));
    page.add(markup);
    if report.alternatives.iter().any(|a| a.stability.is_some()) {
        page.add(html! {
            div.legend {
                span { span style="background:var(--mark)" {} (language.say("stable", "稳定")) }
                span { span style="background:var(--down2)" {} (language.say("a pattern: Jaccard below 0.75", "有一定规律：Jaccard 低于 0.75")) }
                span { span style="background:var(--down4)" {} (language.say("unstable: Jaccard below 0.6", "不稳定：Jaccard 低于 0.6")) }
            }
        });
    }
    let more = report.alternatives.len().saturating_sub(MOST_COLUMNS);
    if more > 0 {
        page.explain(&match language {
            Language::En => format!("The first {MOST_COLUMNS} numbers are drawn; {more} more are in the table below."),
            Language::Zh => format!("图中仅展示前 {MOST_COLUMNS} 个客群数，其余 {more} 个见下表。"),
        });
    }
}

/// A value with so many decimals; a dash without one.
fn shown(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}

fn figures(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    let header = [
        ("segments", "客群数"),
        ("named by", "支持指标数"),
        ("smallest", "最小客群"),
        ("explained variance", "方差解释率"),
        ("Calinski-Harabasz", "Calinski-Harabasz"),
        ("silhouette", "轮廓系数"),
        ("Davies-Bouldin", "Davies-Bouldin"),
        ("gap", "Gap"),
        ("prediction strength", "预测强度"),
        ("agreement of seeds", "种子一致性"),
        ("least stable segment", "最不稳定客群"),
    ];
    let mut lines = Vec::new();
    for a in &report.alternatives {
        let named = report.recommendation.votes_for(a.k);
        let validity = &a.validity;
        lines.push([
            a.k.to_string(),
            if named > 0 { named.to_string() } else { String::new() },
            thousands(validity.smallest),
            percent(validity.explained),
            validity.calinski_harabasz.map_or_else(|| "–".into(), |v| thousands(v.round() as u64)),
            shown(validity.silhouette, 3),
            shown(validity.davies_bouldin, 3),
            shown(a.gap.map(|gap| gap.gap), 3),
            shown(a.prediction_strength, 2),
            shown(a.agreement.map(|seeds| seeds.mean), 2),
            shown(a.least_stable(), 2),
        ]);
    }
    page.section(language.say("Figures", "各项数值"), None);
    // Wider than a narrow screen: it scrolls, since figures do not break.
    page.add(html! {
        div.wide {
            table.figures {
                thead { tr { @for (en, zh) in header { th scope="col" { (language.say(en, zh)) } } } }
                tbody {
                    @for [first, rest @ ..] in &lines {
                        tr { th scope="row" { (first) } @for cell in rest { td { (cell) } } }
                    }
                }
            }
        }
    });
    page.explain(language.say(
        "The silhouette is exact, of all rows, with squared distances: its \
         values are not those of unsquared distances. Davies-Bouldin: less is better; everything else: more is better, \
         but explained variance grows with every segment.",
        "轮廓系数基于全部客户、采用平方距离精确计算，与采用普通距离的取值不同。\
         Davies-Bouldin 越小越好，其余越大越好；但方差解释率总是随客群数增加而上升。",
    ));
}

fn curves(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    type Value = fn(&Alternative) -> Option<f64>;
    let curves: [(&str, &str, usize, Value); 6] = [
        ("Silhouette", "轮廓系数", 3, |a| a.validity.silhouette),
        ("Calinski-Harabasz", "Calinski-Harabasz 指数", 0, |a| a.validity.calinski_harabasz),
        ("Gap statistic", "Gap 统计量", 3, |a| Some(a.gap?.gap)),
        ("Prediction strength", "预测强度", 2, |a| a.prediction_strength),
        ("Least stable segment: Jaccard index", "最不稳定客群的 Jaccard 系数", 2, Alternative::least_stable),
        (
            "Explained variance: no advice, since it always grows",
            "方差解释率（总在上升，仅供参考）",
            3,
            |a| Some(a.validity.explained),
        ),
    ];
    page.section(language.say("Curves", "曲线"), None);
    for (en, zh, decimals, value) in curves {
        let point = |a: &Alternative| (a.k.to_string(), value(a), shown(value(a), decimals));
        let points: Vec<(String, Option<f64>, String)> = report.alternatives.iter().map(point).collect();
        if points.iter().any(|(_, value, _)| value.is_some()) {
            let title = language.say(en, zh);
            page.add(html! { figure style="margin:.8rem 0" { figcaption { (title) } (lines(&points, title)) } });
        }
    }
}

fn stability(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    if report.replicates == 0 {
        return;
    }
    let header = [
        ("segments", "客群数"),
        ("highly stable (0.85)", "高度稳定（≥0.85）"),
        ("stable (0.75)", "稳定（≥0.75）"),
        ("a pattern (0.6)", "有一定规律（≥0.6）"),
        ("unstable", "不稳定"),
        ("too small to judge", "样本过少未评估"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 0);
    for a in &report.alternatives {
        let ([unstable, pattern, stable, high], unknown) = a.bands();
        table.row([a.k, high, stable, pattern, unstable, unknown].map(|n| n.to_string()));
    }
    page.table(language.say("Segments by stability", "按稳定性划分的客群数量"), &table);
    page.explain(&match language {
        Language::En => format!(
            "Mean Jaccard index over {} fits of resampled customers: which share of a segment is found again.",
            report.replicates
        ),
        Language::Zh => {
            format!("对客户重新抽样 {} 次并重新聚类，取 Jaccard 系数均值：客群被重新发现的比例。", report.replicates)
        }
    });
}

fn made(page: &mut Page, report: &ChoiceReport) {
    let language = page.language();
    page.section(language.say("How this was made", "计算说明"), None);
    let [low, high] = report.range;
    let (rows, sampled, features) = (thousands(report.rows), thousands(report.sample_rows), report.features.len());
    page.paragraph(&match language {
        Language::En => format!(
            "k-means for {low} to {high} segments of {rows} rows with {features} features, seed {}. Indices are of all \
             rows; {} other seeds, {} resamplings, {} halvings and {} references of the gap statistic are of a sample of \
             {sampled} rows.",
            report.seed, report.seeds, report.replicates, report.halvings, report.references
        ),
        Language::Zh => format!(
            "对 {rows} 行、{features} 个特征做 k-means，客群数 {low} 至 {high}，随机种子 {}。各指数基于全部行；{} 个其他种子、\
             {} 次重新抽样、{} 次对半拆分和 {} 组 Gap 参照基于 {sampled} 行抽样。",
            report.seed, report.seeds, report.replicates, report.halvings, report.references
        ),
    });
    if !report.reproducible {
        page.paragraph(language.say(
            "The time limit ended the search before all numbers were tried: another run may try more.",
            "因达到时间上限，未尝试全部客群数；再次运行时可能尝试得更多。",
        ));
    }
}
