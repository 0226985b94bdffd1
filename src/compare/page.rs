//! The page of a comparison: the labellings side by side, how far every two of them agree, and for each pair what
//! differs, which segments correspond, and a heat map of the rows that they share.

use maud::{Markup, html};

use super::place::LabellingKind;
use super::report::{
    AgreementIndices, CompareReport, ComparedLabelling, ContingencyTable, LabellingPair, SegmentPartner,
};
use super::words::called;
use crate::report::{Language, Page, Table, bars, brief, name};
use crate::text::{percent, thousands};

/// What does not exist or is withheld.
const DASH: &str = "–";
/// The most segments of a labelling whose sizes are drawn.
const MOST_BARS: usize = 40;
/// Bands of shares of a line.
const BANDS: [f64; 4] = [0.1, 0.3, 0.6, 0.9];

pub(super) fn page(report: &CompareReport, language: Language) -> String {
    let mut page = Page::new(language, language.say("Segments compared", "客群划分对比"));
    let n = report.labellings.len();
    page.paragraph(&match language {
        Language::En => format!("{n} labellings of the same rows, side by side and by pair."),
        Language::Zh => format!("{n} 种客群划分的并列与两两对比。"),
    });
    side_by_side(&mut page, report);
    scores(&mut page, report);
    agreement(&mut page, report);
    for pair in &report.pairs {
        of_pair(&mut page, pair);
    }
    sizes(&mut page, report);
    page.section(language.say("How to read this", "阅读说明"), None);
    report.notes.iter().for_each(|note| page.explain(&sentence(language.of(note), language)));
    page.explain(language.say(
        "The adjusted Rand index and adjusted mutual information (AMI) are 1 where two labellings are the same but for \
         names, and 0 on average by chance. Homogeneity is 1 where every segment of the second has rows of only one \
         segment of the first, completeness where every segment of the first lies within one of the second; V is their \
         harmonic mean. The Jaccard index of two segments is the rows of both, of all rows of either. Matched are \
         segments of which each has one counterpart at most, so that they share the most rows in all.",
        "调整兰德指数（ARI）与调整互信息（AMI）：划分完全一致为 1，随机划分平均为 0。同质性为 1 表示后者的每个客群只含前者一个客群的客户；\
         完整性为 1 表示前者的每个客群都完整落入后者的一个客群；V 值为两者的调和平均。Jaccard 系数为两个客群共有客户数与合计客户数之比。\
         一对一匹配使匹配客群共有客户总数最大。",
    ));
    page.finish()
}

/// A note as a sentence.
fn sentence(note: &str, language: Language) -> String {
    let mut letters = note.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}{}", letters.as_str(), language.say(".", "。"))
}

pub(super) fn kind(labelling: &ComparedLabelling, language: Language) -> String {
    match (labelling.kind, labelling.version) {
        (LabellingKind::Fit, _) => language.say("fit", "拟合结果").to_owned(),
        (LabellingKind::Assign, _) => language.say("assign", "打标结果").to_owned(),
        (LabellingKind::Version, Some(version)) => format!("{} {version}", language.say("version", "版本")),
        (LabellingKind::Version, None) => language.say("version", "版本").to_owned(),
        (LabellingKind::Table, _) => language.say("table", "数据表").to_owned(),
    }
}

fn count(n: Option<u64>, language: Language) -> String {
    n.map_or_else(|| language.say("withheld", "不予展示").to_owned(), thousands)
}

fn side_by_side(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    let header = [
        ("labelling", "划分"),
        ("what it is", "来源"),
        ("algorithm", "算法"),
        ("rows", "行数"),
        ("segments", "客群数"),
        ("smallest", "最小客群"),
        ("no segment", "未归群占比"),
        ("starts agree", "初始点一致性"),
        ("stable segments", "稳定客群"),
        ("seconds", "耗时（秒）"),
        ("memory", "内存"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    let dash = || DASH.to_owned();
    for of in &report.labellings {
        let stability: Vec<f64> = of.segments.iter().filter_map(|segment| segment.stability).collect();
        let stable = stability.iter().filter(|&&jaccard| jaccard >= 0.75).count();
        let starts = of.made.starts.map(|[least, most]| format!("{least:.2}–{most:.2}"));
        table.row([
            format!("{}: {}", of.name, of.path),
            kind(of, language),
            of.made.algorithm.clone().unwrap_or_else(dash),
            thousands(of.rows),
            thousands(of.segments.len() as u64),
            count(of.smallest, language),
            of.noise_share.map_or_else(dash, percent),
            starts.unwrap_or_else(dash),
            if stability.is_empty() { dash() } else { format!("{stable} / {}", of.segments.len()) },
            of.made.seconds.map_or_else(dash, |seconds| format!("{seconds:.2}")),
            of.made.memory_bytes.map_or_else(dash, |bytes| format!("{} MiB", thousands(bytes.div_ceil(1 << 20)))),
        ]);
    }
    page.table(language.say("Side by side", "并列对比"), &table);
}

/// Internal indices.
fn scores(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    let header = [
        ("labelling", "划分"),
        ("rows", "行数"),
        ("explained variance", "解释方差占比"),
        ("silhouette", "轮廓系数"),
        ("simplified silhouette", "简化轮廓系数"),
        ("Calinski-Harabasz", "CH 指数"),
        ("Davies-Bouldin", "DB 指数"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 1);
    let digits = |index: Option<f64>| index.map_or_else(|| DASH.to_owned(), |index| format!("{index:.3}"));
    for (of, scores) in report.labellings.iter().filter_map(|of| Some((of, of.scores.as_ref()?))) {
        table.row([
            of.name.clone(),
            count(scores.rows, language),
            percent(scores.explained),
            digits(scores.silhouette),
            digits(scores.simplified_silhouette),
            scores.calinski_harabasz.map_or_else(|| DASH.to_owned(), brief),
            digits(scores.davies_bouldin),
        ]);
    }
    page.table(language.say("Internal indices", "内部评价指标"), &table);
    if report.labellings.iter().any(|of| of.scores.is_some()) {
        page.explain(language.say(
            "The silhouette is exact, of all rows, with squared Euclidean distances. For all but Davies-Bouldin, more is \
             better.",
            "轮廓系数按全部行精确计算，采用平方欧氏距离。除 DB 指数越小越好外，其余均为越大越好。",
        ));
    }
}

fn agreement(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    let header = [
        ("pair", "对比"),
        ("rows in both", "共有行数"),
        ("left out of indices", "未参与指标"),
        ("only in the first", "仅前者有"),
        ("only in the second", "仅后者有"),
        ("adjusted Rand", "调整兰德指数"),
        ("AMI", "调整互信息"),
        ("homogeneity", "同质性"),
        ("completeness", "完整性"),
        ("V", "V 值"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 1);
    for pair in &report.pairs {
        let sides = [pair.rows, pair.left_out, pair.only_a, pair.only_b].map(|n| count(n, language));
        let mut row = vec![format!("{} – {}", pair.a, pair.b)];
        row.extend(sides);
        row.extend(digits(pair.agreement.as_ref()));
        table.row(row);
    }
    page.table(language.say("How far they agree", "一致程度"), &table);
}

/// The indices of a pair.
fn digits(found: Option<&AgreementIndices>) -> [String; 5] {
    let Some(found) = found else { return std::array::from_fn(|_| DASH.to_owned()) };
    let all = [
        found.adjusted_rand,
        found.adjusted_mutual_information,
        found.homogeneity,
        found.completeness,
        found.v_measure,
    ];
    all.map(|index| format!("{index:.3}"))
}

fn of_pair(page: &mut Page, pair: &LabellingPair) {
    let language = page.language();
    page.section(&format!("{} – {}", pair.a, pair.b), None);
    page.add(html! { ul { @for of in &pair.differences { li { (name(language.of(of))) } } } });
    if let Some(table) = &pair.contingency {
        page.explain(&match language {
            Language::En => {
                format!("Rows by segments of {} (lines) and {} (columns); colors are shares of a line.", pair.a, pair.b)
            }
            Language::Zh => {
                format!("{}（行）与 {}（列）各客群共有的行数；颜色表示占该行的比例。", pair.a, pair.b)
            }
        });
        page.add(heat(table, pair, language));
    }
    let mut table = partners(&pair.segments_of_a, [&pair.a, &pair.b], language);
    page.rows(&table);
    table = partners(&pair.segments_of_b, [&pair.b, &pair.a], language);
    page.rows(&table);
}

fn partners(of: &[SegmentPartner], [one, other]: [&str; 2], language: Language) -> Table {
    let header = match language {
        Language::En => [
            format!("segment of {one}"),
            format!("most alike in {other}"),
            format!("matched with, in {other}"),
            "Jaccard index".to_owned(),
        ],
        Language::Zh => [
            format!("{one} 的客群"),
            format!("{other} 中最相近的客群"),
            format!("{other} 中一对一匹配的客群"),
            "Jaccard 系数".to_owned(),
        ],
    };
    let mut table = Table::new(header, 3);
    for partner in of {
        let told = |name: &Option<String>| name.as_deref().map_or_else(|| DASH.to_owned(), called);
        table.row([
            called(&partner.segment),
            told(&partner.best),
            told(&partner.matched),
            partner.jaccard.map_or_else(|| DASH.to_owned(), |jaccard| format!("{jaccard:.2}")),
        ]);
    }
    table
}

fn heat(table: &ContingencyTable, pair: &LabellingPair, language: Language) -> Markup {
    let none = language.say("no segment", "未归群");
    let only = |other: &str| match language {
        Language::En => format!("not in {other}"),
        Language::Zh => format!("{other} 中没有"),
    };
    let titles = |names: &[String], all: usize, other: &str| -> Vec<String> {
        let mut titles: Vec<String> = names.iter().map(|name| called(name)).collect();
        titles.extend((names.len() + 1 < all).then(|| none.to_owned()));
        titles.push(only(other));
        titles
    };
    let columns = table.counts.first().map_or(0, Vec::len);
    let lines = titles(&table.lines, table.counts.len(), &pair.a);
    let columns = titles(&table.columns, columns, &pair.b);
    // Rows that are in one labelling only are not shown where there are none.
    let is_empty_line = |line: usize| table.counts[line].iter().all(|n| *n == Some(0));
    let is_empty = |column: usize| table.counts.iter().all(|line| line[column] == Some(0));
    let shown = |at: &usize, all: usize, is_empty: &dyn Fn(usize) -> bool| at + 1 < all || !is_empty(*at);
    let kept: Vec<usize> = (0..columns.len()).filter(|at| shown(at, columns.len(), &is_empty)).collect();
    let kept_lines = (0..lines.len()).filter(|at| shown(at, lines.len(), &is_empty_line));
    html! {
        div.wide {
            table.heat {
                thead {
                    tr {
                        th.l scope="col" { (format!("{} \\ {}", pair.a, pair.b)) }
                        @for &column in &kept { th scope="col" { (name(&columns[column])) } }
                    }
                }
                tbody {
                    @for line in kept_lines {
                        tr {
                            th scope="row" { (name(&lines[line])) }
                            @for &column in &kept {
                                @match table.counts[line][column] {
                                    Some(0) => td.f0 { },
                                    Some(n) => td class=(band(n, &table.counts[line])) { (thousands(n)) },
                                    None => td.f0 title=(language.say("withheld", "不予展示")) { (DASH) },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The color of a count in its line.
fn band(n: u64, line: &[Option<u64>]) -> &'static str {
    let share = n as f64 / line.iter().flatten().sum::<u64>().max(1) as f64;
    ["f0", "u1", "u2", "u3", "u4"][BANDS.iter().filter(|band| share >= **band).count()]
}

/// The sizes of all segments.
fn sizes(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    page.section(language.say("Sizes", "客群规模"), None);
    for of in &report.labellings {
        page.add(html! { h3 { (name(&format!("{}: {}", of.name, of.path))) } });
        let withheld = || (0.0, language.say("withheld", "不予展示").to_owned());
        let size = |rows: Option<u64>, share: Option<f64>| match rows.zip(share) {
            Some((rows, share)) => (share, format!("{} · {}", thousands(rows), percent(share))),
            None => withheld(),
        };
        let mut rows: Vec<(String, f64, String)> = Vec::new();
        for segment in of.segments.iter().take(MOST_BARS) {
            let (share, text) = size(segment.rows, segment.share);
            let stability = segment.stability.map_or_else(String::new, |jaccard| match language {
                Language::En => format!(" · stability {jaccard:.2}"),
                Language::Zh => format!(" · 稳定性 {jaccard:.2}"),
            });
            rows.push((called(&segment.segment), share, text + &stability));
        }
        if of.noise != Some(0) {
            let (share, text) = size(of.noise, of.noise_share);
            rows.push((language.say("no segment", "未归群").to_owned(), share, text));
        }
        page.add(bars(&rows));
        let left = of.segments.len().saturating_sub(MOST_BARS);
        if left > 0 {
            page.explain(&match language {
                Language::En => format!("{left} more segments are in the JSON."),
                Language::Zh => format!("另有 {left} 个客群见 JSON。"),
            });
        }
    }
}
