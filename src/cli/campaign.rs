//! `campaign`: its report.

use std::path::Path;

use hyades::Result;
use hyades::campaign::{self, ListsRequest, StepCounts, StrategyLine, Waterfall};
use hyades::text::shown;

use super::console::Console;
use super::fmt::thousands;

/// Lists side by side.
const BESIDE: usize = 4;
/// Lines of the strategy table.
const LINES: usize = 20;

pub(super) fn lists(request: &ListsRequest, console: &Console) -> Result<()> {
    let outcome = campaign::lists(request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref() == Some(Path::new("-")) {
        return say!("{}", outcome.to_json()?.trim_end());
    }
    say!("{}", table(&outcome.waterfall).trim_end())?;
    say!("\n{}", strategy(&outcome.strategy).trim_end())?;
    if console.quiet {
        return Ok(());
    }
    match (&outcome.design, &request.out) {
        (Some(design), Some(out)) => {
            say!("assignments blake3 {}", design.assignments.blake3)?;
            say!("{}: lists/, assignments.parquet, design.json, waterfall.json", out.display())
        }
        _ => say!("dry run: nothing was written"),
    }
}

/// Where customers stayed: a line for each step, a column for each list.
fn table(waterfall: &Waterfall) -> String {
    let mut text = format!(
        "{} customers, {} of them eligible for a list\n",
        thousands(waterfall.customers),
        thousands(waterfall.all.eligible)
    );
    let lists: Vec<(String, &StepCounts)> =
        waterfall.lists.iter().map(|list| (beginning(&list.name, 10), &list.counts)).collect();
    for some in lists.chunks(BESIDE) {
        let all = [("all".to_owned(), &waterfall.all)];
        let columns: Vec<&(String, &StepCounts)> = all.iter().chain(some).collect();
        text += "\n                    ";
        columns.iter().for_each(|(name, _)| text += &right(name));
        text += "\n";
        let mut line = |label: &str, of: &dyn Fn(&StepCounts) -> u64| {
            if columns.iter().any(|(_, counts)| of(counts) > 0) {
                let label = beginning(label, 19);
                text += &label;
                text += &" ".repeat(20 - width(&label));
                columns.iter().for_each(|(_, counts)| text += &right(&thousands(of(counts))));
                text += "\n";
            }
        };
        line("eligible", &|counts| counts.eligible);
        for (i, of) in waterfall.all.suppressed.iter().enumerate() {
            line(&format!("- {}", of.reason), &|counts| counts.suppressed[i].customers);
        }
        line("- contacted enough", &|counts| counts.pressure);
        line("- hold-out", &|counts| counts.holdout);
        line("- in earlier list", &|counts| counts.earlier);
        line("- beyond the cap", &|counts| counts.capped);
        line("- control group", &|counts| counts.control);
        line("= contacted", &|counts| counts.contacted);
    }
    text
}

/// What is offered to whom: the lines with the most customers.
fn strategy(lines: &[StrategyLine]) -> String {
    let mut most: Vec<&StrategyLine> = lines.iter().collect();
    // Stable: equal lines stay in their order.
    most.sort_by_key(|line| std::cmp::Reverse(line.contacted + line.control));
    most.truncate(LINES);
    let cell = |text: &str, columns: usize| {
        let text = beginning(text, columns - 1);
        let room = columns.saturating_sub(width(&text));
        text + &" ".repeat(room)
    };
    let line = |texts: [&str; 5], counts: [&str; 2]| {
        let texts: String = texts.iter().zip([11, 14, 10, 14, 9]).map(|(text, columns)| cell(text, columns)).collect();
        format!("{texts}{:>11}{:>11}\n", counts[0], counts[1])
    };
    let mut text = line(["list", "segment", "stage", "product", "channel"], ["contacted", "control"]);
    for of in &most {
        let number = of.segment.map(|segment| segment.to_string());
        let segment = of.segment_name.clone().or(number);
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let texts = [Some(of.list.clone()), segment, of.stage.clone(), of.product.clone(), of.channel.clone()];
        let texts = texts.map(|text| or_none(&text));
        let texts = texts.each_ref().map(String::as_str);
        text += &line(texts, [&thousands(of.contacted), &thousands(of.control)]);
        text += &of.reason.as_ref().map(|reason| format!("  {}\n", beginning(reason, 78))).unwrap_or_default();
    }
    if most.len() < lines.len() {
        text += &format!("and {} more lines\n", thousands((lines.len() - most.len()) as u64));
    }
    text
}

/// Columns of the terminal: those of Chinese, Japanese and Korean take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum()
}

fn right(text: &str) -> String {
    format!("{}{text}", " ".repeat(12usize.saturating_sub(width(text)).max(1)))
}

/// A text that fits so many columns.
fn beginning(text: &str, columns: usize) -> String {
    let text = shown(text);
    let text = text.trim_matches('"');
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut cut, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += if c >= '\u{1100}' { 2 } else { 1 };
        if used >= columns {
            break;
        }
        cut.push(c);
    }
    cut + "~"
}
