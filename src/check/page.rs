//! The check report as an HTML page.

use maud::{Markup, html};

use super::class::Class;
use super::finding::{Finding, Severity};
use super::report::{BINS, CheckReport, ColumnReport, QUANTILES};
use super::value::Value;
use crate::report::{Language, Page, Remark, Table, Tone, brief, columns, name, whole};
use crate::text::{percent, quoted, thousands};

/// The most common of many values is not shown if its share is below this, as in the terminal.
const RARE: f64 = 0.001;
/// The most columns that have a card.
const MOST_CARDS: usize = 400;

/// The page.
pub(super) fn page(report: &CheckReport, language: Language) -> String {
    let mut page = Page::new(language, language.say("hyades check", "数据质量检查"));
    summary(&mut page, report);
    expectations(&mut page, report);
    page.list(language.say("Findings", "检查结果"), report.findings.iter().map(|finding| remark(finding, language)));
    cards(&mut page, report);
    page.table(language.say("Columns that move together", "高度相关的字段"), &correlations(report, language));
    page.table(language.say("Differences between files", "文件之间的差异"), &differences(report, language));
    page.table(language.say("Files", "文件"), &files(report, language));
    page.finish()
}

fn summary(page: &mut Page, report: &CheckReport) {
    let language = page.language();
    let (rows, width, files) = (report.rows, report.columns.len() as u64, report.files.len() as u64);
    page.paragraph(&match language {
        Language::En => format!(
            "{}, {}, {}",
            language.counted(rows, ["row", "rows"], ""),
            language.counted(width, ["column", "columns"], ""),
            language.counted(files, ["file", "files"], "")
        ),
        Language::Zh => format!("{} 行，{} 个字段，{} 个文件", thousands(rows), thousands(width), thousands(files)),
    });
    if let Some(id) = &report.id {
        let (column, twice, missing) = (quoted(&id.column), thousands(id.duplicates), thousands(id.nulls));
        page.paragraph(&match language {
            Language::En => format!("id column {column}: {twice} duplicates, {missing} missing"),
            Language::Zh => format!("客户编号字段 {column}：重复 {twice}，缺失 {missing}"),
        });
    }
    page.paragraph(&match (report.duplicate_rows, language) {
        (Some(n), Language::En) => language.counted(n, ["duplicate row", "duplicate rows"], ""),
        (Some(n), Language::Zh) => format!("重复行 {}", thousands(n)),
        (None, _) => language.say("duplicate rows were not looked for", "未检查重复行").to_owned(),
    });
}

fn expectations(page: &mut Page, report: &CheckReport) {
    let language = page.language();
    let Some(expected) = &report.expectations else { return };
    let (broken, checked) = (expected.breaches.len(), expected.checked);
    if broken == 0 {
        return page.paragraph(&match language {
            Language::En => format!("all {checked} expectations are met"),
            Language::Zh => format!("{checked} 项预期全部满足"),
        });
    }
    let title = match language {
        Language::En => format!("{broken} of {checked} expectations are broken"),
        Language::Zh => format!("{checked} 项预期中有 {broken} 项不满足"),
    };
    page.section(&title, Some(Tone::Broken));
    let header = [("column", "字段"), ("expectation", "预期"), ("what is there", "实际情况"), ("rows", "行数")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for b in &expected.breaches {
        table.row([
            b.column.clone().unwrap_or_else(|| language.say("the table", "整表").into()),
            b.expectation.to_owned(),
            language.of(&b.text).to_owned(),
            b.rows.map_or_else(String::new, thousands),
        ]);
    }
    page.rows(&table);
}

fn remark(finding: &Finding, language: Language) -> Remark<'_> {
    let tone = match finding.severity {
        Severity::Warning => Tone::Warning,
        Severity::Note => Tone::Note,
    };
    Remark { tone, subject: finding.column.as_deref(), text: language.of(&finding.text) }
}

/// A card for each column: its type in words, what is missing, what is common, and how its values are distributed.
fn cards(page: &mut Page, report: &CheckReport) {
    let language = page.language();
    page.section(language.say("Columns", "字段"), None);
    let shown = report.columns.iter().take(MOST_CARDS);
    page.add(html! { div.columns { @for column in shown { (card(column, report.rows, language)) } } });
    let left = report.columns.len().saturating_sub(MOST_CARDS);
    if left > 0 {
        page.explain(&match language {
            Language::En => format!("{left} more columns are in the report as JSON (--json)."),
            Language::Zh => format!("另有 {left} 个字段，见 JSON 报告（--json）。"),
        });
    }
    let worst = report.columns.iter().filter_map(|c| c.numbers.as_ref()).map(|n| n.rank_error).fold(0.0, f64::max);
    if worst > 0.0 {
        let share = format!("{:.2}%", 100.0 * worst);
        page.explain(&match language {
            Language::En => {
                format!("Quantiles are of a sample: the rank of the median is right to {share} of the rows.")
            }
            Language::Zh => format!("分位数来自抽样：中位数的名次误差不超过总行数的 {share}。"),
        });
    }
}

fn card(column: &ColumnReport, rows: u64, language: Language) -> Markup {
    html! {
        section.card {
            h3 { (name(&column.name)) }
            p.soft { (kind(column, language)) }
            (distribution(column, language))
            dl { @for (what, text) in facts(column, rows, language) { dt { (what) } dd { (name(&text)) } } }
        }
    }
}

/// The type of a column in people's words.
fn kind(column: &ColumnReport, language: Language) -> &'static str {
    let is_whole = column.numbers.as_ref().is_some_and(|numbers| numbers.whole);
    match column.class {
        Class::Boolean => language.say("yes or no", "是/否"),
        Class::Number if is_whole => language.say("whole number", "整数"),
        Class::Number => language.say("number", "数值"),
        Class::Date => language.say("date", "日期"),
        Class::Text => language.say("text", "文本"),
        Class::Other => language.say("other", "其他"),
    }
}

/// A small histogram: of numbers in equal steps, of few values one column each.
fn distribution(column: &ColumnReport, language: Language) -> Markup {
    let counted = column.counts.as_ref().filter(|counts| (2..=BINS).contains(&counts.len()));
    let (counts, from, to) = match (&column.numbers, counted) {
        (_, Some(counts)) => {
            let ends = [counts.first(), counts.last()]
                .map(|end| end.map_or_else(String::new, |(value, _)| name(&plain(value))));
            let [from, to] = ends;
            (counts.iter().map(|(_, n)| *n).collect(), from, to)
        }
        (Some(numbers), None) => match &numbers.histogram {
            Some(histogram) => (histogram.counts.clone(), plain(&histogram.from), plain(&histogram.to)),
            None => return html! {},
        },
        _ => return html! {},
    };
    let text = match language {
        Language::En => format!("Histogram of {} from {from} to {to}", name(&column.name)),
        Language::Zh => format!("{} 的分布，从 {from} 到 {to}", name(&column.name)),
    };
    columns(&counts, &text)
}

fn facts(column: &ColumnReport, rows: u64, language: Language) -> Vec<(&'static str, String)> {
    let share = |n: u64| {
        if rows == 0 { thousands(n) } else { format!("{} ({})", thousands(n), percent(n as f64 / rows as f64)) }
    };
    let mut facts = Vec::new();
    let mut fact = |en: &'static str, zh: &'static str, text: String| facts.push((language.say(en, zh), text));
    if column.nulls > 0 {
        fact("missing", "缺失", share(column.nulls));
    }
    if column.absent > 0 {
        fact("absent from files", "文件中无此字段", share(column.absent));
    }
    let about = if column.distinct_exact { "" } else { "~" };
    fact("distinct", "不同取值", format!("{about}{}", thousands(column.distinct)));
    // Where every value is rare, the most common one may identify a customer.
    if let Some(m) = column.most_common.as_ref().filter(|m| m.exact || m.share >= RARE) {
        let value = m.value.as_ref().map_or_else(|| language.say("not shown", "不展示").into(), plain);
        let least = if m.exact { "" } else { language.say("at least ", "至少 ") };
        fact("most common", "最常见", format!("{value} ({least}{})", percent(m.share)));
    }
    if let Some(n) = &column.numbers {
        for (en, zh, count) in [("NaN", "NaN", n.nan), ("infinite", "无穷", n.infinite), ("zeros", "零值", n.zeros)]
        {
            if count > 0 {
                fact(en, zh, share(count));
            }
        }
        if let (Some(min), Some(max)) = (&n.min, &n.max) {
            fact("from, to", "范围", format!("{} … {}", plain(min), plain(max)));
        }
        if n.quantiles.len() == QUANTILES.len() {
            let list: Vec<String> = [1, 2, 3, 4, 5].map(|i| plain(&n.quantiles[i])).to_vec();
            fact("5, 25, 50, 75, 95 %", "分位数 5–95%", list.join(" · "));
        }
        if let Some(mean) = n.mean {
            let deviation = n.deviation.map_or_else(String::new, |d| format!(" ± {}", brief(d)));
            fact("mean ± deviation", "均值 ± 标准差", format!("{}{deviation}", brief(mean)));
        }
        if let Some(transform) = n.transform.filter(|transform| *transform != "none") {
            fact("suggested transform", "建议变换", transform.to_owned());
        }
    }
    if let Some(t) = &column.text {
        if let (Some(shortest), Some(longest)) = (t.shortest, t.longest) {
            fact("characters", "字符数", format!("{shortest} … {longest}"));
        }
        for (en, zh, count) in [("empty", "空文本", t.empty), ("padded", "首尾有空格", t.padded)] {
            if count > 0 {
                fact(en, zh, share(count));
            }
        }
    }
    facts
}

fn correlations(report: &CheckReport, language: Language) -> Table {
    let header = [("first", "字段一"), ("second", "字段二"), ("correlation", "相关系数")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 2);
    for c in report.correlations.iter().flatten() {
        table.row([c.first.clone(), c.second.clone(), format!("{:.4}", c.r)]);
    }
    table
}

fn differences(report: &CheckReport, language: Language) -> Table {
    let mut table = Table::new([language.say("difference", "差异")], 1);
    report.schema_differences.iter().for_each(|line| table.row([language.of(line).to_owned()]));
    table
}

fn files(report: &CheckReport, language: Language) -> Table {
    let header = [("file", "文件"), ("rows", "行数"), ("bytes", "字节数")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 1);
    report.files.iter().for_each(|f| table.row([f.path.clone(), thousands(f.rows), thousands(f.bytes)]));
    table
}

fn plain(value: &Value) -> String {
    match value {
        Value::Whole(n) => whole(*n),
        Value::Number(x) => brief(*x),
        other => other.to_string(),
    }
}
