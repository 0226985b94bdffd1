//! The page of a comparison: the labellings side by side, how far all pairs agree, and for each pair what differs, its
//! indices, a heat map of the rows that segments share, and which of them correspond.

use maud::{Markup, html};

use super::place::LabellingKind;
use super::report::{
    AgreementIndices, CompareReport, ComparedLabelling, ContingencyTable, LabellingPair, SegmentPartner,
};
use super::scores::LabellingScores;
use super::words::called;
use crate::report::{Language, Page, Table, bars, brief, name};
use crate::text::{percent, thousands};

/// What does not exist or is withheld.
const DASH: &str = "–";
/// The most segments of a labelling whose sizes are drawn.
const MOST_BARS: usize = 40;
/// The most lines and columns of a table of counts.
const MOST_LINES: usize = 64;
/// The Jaccard index from which a segment counts as stable.
const STABLE: f64 = 0.75;
/// Bands of shares of a line.
const BANDS: [f64; 4] = [0.1, 0.3, 0.6, 0.9];

pub(super) fn page(report: &CompareReport, language: Language) -> String {
    let mut page = Page::new(language, language.say("Segments compared", "客群划分对比"));
    let n = report.labellings.len();
    page.paragraph(&match language {
        Language::En => format!("{n} labellings of the same rows, side by side and by pair."),
        Language::Zh => format!("{n} 种客群划分的并列与两两对比。"),
    });
    page.add(html! { ul { @for of in &report.labellings { li { b { (of.name) } ": " (name(&of.path)) } } } });
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

/// A table with a line for each fact and a column for each labelling, which a narrow page can show.
fn facts(page: &mut Page, title: &str, of: &[&ComparedLabelling], facts: &[ShownFact<'_>]) {
    let language = page.language();
    let header = std::iter::once(String::new()).chain(of.iter().map(|labelling| labelling.name.clone()));
    let mut table = Table::new(header, 1);
    for (en, zh, value) in facts {
        let values: Vec<String> = of.iter().map(|labelling| value(labelling)).collect();
        if values.iter().any(|value| value != DASH) {
            table.row([&[language.say(en, zh).to_owned()], values.as_slice()].concat());
        }
    }
    page.table(title, &table);
}

/// In English, in Chinese, and of a labelling.
type ShownFact<'a> = (&'static str, &'static str, &'a dyn Fn(&ComparedLabelling) -> String);

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| DASH.to_owned())
}

fn side_by_side(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    let all: Vec<&ComparedLabelling> = report.labellings.iter().collect();
    let starts = |of: &ComparedLabelling| or_dash(of.made.starts.map(|[least, most]| format!("{least:.2}–{most:.2}")));
    let stable = |of: &ComparedLabelling| {
        let stability: Vec<f64> = of.segments.iter().filter_map(|segment| segment.stability).collect();
        let stable = stability.iter().filter(|&&jaccard| jaccard >= STABLE).count();
        or_dash((!stability.is_empty()).then(|| format!("{stable} / {}", of.segments.len())))
    };
    let memory = |of: &ComparedLabelling| {
        or_dash(of.made.memory_bytes.map(|n| format!("{} MiB", thousands(n.div_ceil(1 << 20)))))
    };
    facts(
        page,
        language.say("Side by side", "并列对比"),
        &all,
        &[
            ("what it is", "来源", &|of| kind(of, language)),
            ("algorithm", "算法", &|of| or_dash(of.made.algorithm.clone())),
            ("rows", "行数", &|of| thousands(of.rows)),
            ("segments", "客群数", &|of| thousands(of.segments.len() as u64)),
            ("rows of the smallest segment", "最小客群行数", &|of| count(of.smallest, language)),
            ("share without a segment (noise)", "未归群（噪声）占比", &|of| {
                or_dash(of.noise_share.map(percent))
            }),
            ("adjusted Rand index of the starts", "各初始点与结果的调整兰德指数", &starts),
            ("stable segments", "稳定客群数", &stable),
            ("seconds", "耗时（秒）", &|of| or_dash(of.made.seconds.map(|seconds| format!("{seconds:.2}")))),
            ("memory", "内存", &memory),
        ],
    );
}

/// Internal indices.
fn scores(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    let scored: Vec<&ComparedLabelling> = report.labellings.iter().filter(|of| of.scores.is_some()).collect();
    if scored.is_empty() {
        return;
    }
    let index = |of: &ComparedLabelling, index: &dyn Fn(&LabellingScores) -> Option<f64>| {
        or_dash(of.scores.as_ref().and_then(index).map(|index| format!("{index:.3}")))
    };
    let variance =
        |of: &ComparedLabelling| or_dash(of.scores.as_ref().and_then(|scores| scores.calinski_harabasz).map(brief));
    facts(
        page,
        language.say("Internal indices", "内部评价指标"),
        &scored,
        &[
            ("rows", "行数", &|of| count(of.scores.as_ref().and_then(|scores| scores.rows), language)),
            ("explained variance", "解释方差占比", &|of| {
                or_dash(of.scores.as_ref().map(|s| percent(s.explained)))
            }),
            ("silhouette", "轮廓系数", &|of| index(of, &|scores| scores.silhouette)),
            ("simplified silhouette", "简化轮廓系数", &|of| index(of, &|scores| scores.simplified_silhouette)),
            ("Calinski-Harabasz", "CH 指数", &variance),
            ("Davies-Bouldin", "DB 指数", &|of| index(of, &|scores| scores.davies_bouldin)),
        ],
    );
    page.explain(language.say(
        "The silhouette is exact, of all rows, with squared Euclidean distances. For all but Davies-Bouldin, more is better.",
        "轮廓系数按全部行精确计算，采用平方欧氏距离。除 DB 指数越小越好外，其余均为越大越好。",
    ));
}

/// The adjusted Rand indices of all pairs, where there are several.
fn agreement(page: &mut Page, report: &CompareReport) {
    if report.pairs.len() < 2 {
        return;
    }
    let language = page.language();
    page.section(language.say("Adjusted Rand index of every pair", "两两调整兰德指数"), None);
    let index = |a: &str, b: &str| {
        let is_pair = |pair: &&LabellingPair| (pair.a == a && pair.b == b) || (pair.a == b && pair.b == a);
        report.pairs.iter().find(is_pair).and_then(|pair| pair.agreement).map(|found| found.adjusted_rand)
    };
    page.add(html! {
        div.wide {
            table.heat {
                thead { tr { th.l scope="col" { } @for of in &report.labellings { th scope="col" { (of.name) } } } }
                tbody {
                    @for line in &report.labellings {
                        tr {
                            th scope="row" { (line.name) }
                            @for column in &report.labellings {
                                @match index(&line.name, &column.name) {
                                    Some(index) => td class=(shade(index)) { (format!("{index:.2}")) },
                                    None => td.f0 { (DASH) },
                                }
                            }
                        }
                    }
                }
            }
        }
    });
}

/// How far two labellings agree, and of how many rows.
fn figures(page: &mut Page, pair: &LabellingPair) {
    let language = page.language();
    let share = pair.left_out_share.map_or_else(String::new, |share| format!(" · {}", percent(share)));
    let index = |of: &dyn Fn(&AgreementIndices) -> f64| {
        pair.agreement.as_ref().map_or_else(|| DASH.to_owned(), |found| format!("{:.3}", of(found)))
    };
    let only = |name: &str| match language {
        Language::En => format!("rows only in {name}"),
        Language::Zh => format!("仅 {name} 中有的行数"),
    };
    let mut table = Table::new([String::new(), String::new()], 1);
    let rows = [
        (language.say("rows in both", "共有行数").to_owned(), count(pair.rows, language)),
        (only(&pair.a), count(pair.only_a, language)),
        (only(&pair.b), count(pair.only_b, language)),
        (
            language.say("without a segment in one, in no index", "一方未归群、未参与指标的行数").to_owned(),
            count(pair.left_out, language) + &share,
        ),
        (language.say("adjusted Rand index", "调整兰德指数（ARI）").to_owned(), index(&|of| of.adjusted_rand)),
        (
            language.say("adjusted mutual information", "调整互信息（AMI）").to_owned(),
            index(&|of| of.adjusted_mutual_information),
        ),
        (language.say("homogeneity", "同质性").to_owned(), index(&|of| of.homogeneity)),
        (language.say("completeness", "完整性").to_owned(), index(&|of| of.completeness)),
        (language.say("V-measure", "V 值").to_owned(), index(&|of| of.v_measure)),
    ];
    rows.into_iter().for_each(|(what, value)| table.row([what, value]));
    page.rows(&table);
}

fn of_pair(page: &mut Page, pair: &LabellingPair) {
    let language = page.language();
    page.section(&format!("{} – {}", pair.a, pair.b), None);
    page.add(html! { ul { @for of in &pair.differences { li { (name(language.of(of))) } } } });
    figures(page, pair);
    if let Some(table) =
        pair.contingency.as_ref().filter(|table| table.counts.len().max(columns_of(table)) <= MOST_LINES)
    {
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
    for (of, [one, other]) in [(&pair.segments_of_a, [&pair.a, &pair.b]), (&pair.segments_of_b, [&pair.b, &pair.a])] {
        page.explain(&match language {
            Language::En => format!("Counterparts of the segments of {one} in {other}:"),
            Language::Zh => format!("{one} 的各客群在 {other} 中的对应客群："),
        });
        page.rows(&partners(of, [one, other], language));
    }
}

fn partners(of: &[SegmentPartner], [one, other]: [&str; 2], language: Language) -> Table {
    let header = match language {
        Language::En => [
            format!("segment of {one}"),
            format!("most alike in {other}"),
            "matched with".to_owned(),
            "Jaccard".to_owned(),
        ],
        Language::Zh => [
            format!("{one} 的客群"),
            format!("{other} 中最相近的客群"),
            "一对一匹配".to_owned(),
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

fn columns_of(table: &ContingencyTable) -> usize {
    table.counts.first().map_or(0, Vec::len)
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
    let columns = columns_of(table);
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
    shade(n as f64 / line.iter().flatten().sum::<u64>().max(1) as f64)
}

/// The color of a share, or of an index from 0 to 1.
fn shade(share: f64) -> &'static str {
    ["f0", "u1", "u2", "u3", "u4"][BANDS.iter().filter(|band| share >= **band).count()]
}

/// The sizes of all segments.
fn sizes(page: &mut Page, report: &CompareReport) {
    let language = page.language();
    page.section(language.say("Sizes", "客群规模"), None);
    for of in &report.labellings {
        page.add(html! { h3 style="margin-top:1rem" { (name(&format!("{}: {}", of.name, of.path))) } });
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
