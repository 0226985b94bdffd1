//! `campaign`: its report.

use std::path::Path;

use hyades::Result;
use hyades::campaign::{self, ListsRequest, StepCounts, Waterfall};
use hyades::text::shown;

use super::console::Console;
use super::fmt::thousands;

/// Lists side by side.
const BESIDE: usize = 4;

pub(super) fn lists(request: &ListsRequest, console: &Console) -> Result<()> {
    let outcome = campaign::lists(request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref() == Some(Path::new("-")) {
        return say!("{}", outcome.to_json()?.trim_end());
    }
    say!("{}", table(&outcome.waterfall).trim_end())?;
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
