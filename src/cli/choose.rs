//! The verb `choose`: figures by number of segments, and what they recommend.

use std::path::Path;
use std::time::Instant;

use hyades::Result;
use hyades::choose::{Alternative, ChoiceReport};
use hyades::job::{self, ChooseRequest};
use hyades::text::{percent, thousands};

use super::console::Console;
use super::fmt::{compact, seconds, wrapped};

pub(super) fn choose(mut request: ChooseRequest, console: &Console) -> Result<()> {
    request.columns = request.columns.split_lists()?;
    let began = Instant::now();
    let report = job::choose(&request, console.observer.as_ref(), &console.stop)?;
    if request.files.json.as_deref().is_some_and(|path| path == Path::new("-")) {
        return say!("{}", report.to_json()?.trim_end());
    }
    say!("{}", figures(&report))?;
    say!("{}", recommendation(&report))?;
    if console.quiet {
        return Ok(());
    }
    let files = &request.files;
    for path in files.json.iter().chain(&files.csv).chain(&files.report) {
        say!("{}", path.display())?;
    }
    say!("{} customers in {}", thousands(report.rows), seconds(began.elapsed().as_secs_f64()))
}

/// The columns: their names, and how wide they are.
const COLUMNS: [(&str, usize); 11] = [
    ("k", 4),
    ("votes", 5),
    ("smallest", 8),
    ("expl.", 6),
    ("CH", 6),
    ("silh.", 6),
    ("DB", 5),
    ("gap", 6),
    ("strength", 8),
    ("seeds", 5),
    ("stable", 6),
];

/// A line for each number of segments.
fn figures(report: &ChoiceReport) -> String {
    let line = |cells: [String; 11]| {
        let padded = COLUMNS.iter().zip(&cells).map(|((_, width), cell)| format!("{cell:>width$}"));
        padded.collect::<Vec<String>>().join(" ")
    };
    let head = line(COLUMNS.map(|(name, _)| name.to_owned()));
    let mut lines = vec![head.clone(), "-".repeat(head.len())];
    lines.extend(report.alternatives.iter().map(|a| line(cells(a, report.recommendation.votes_for(a.k)))));
    lines.join("\n") + "\n"
}

fn cells(of: &Alternative, votes: usize) -> [String; 11] {
    let shown = |value: Option<f64>, decimals: usize| value.map_or_else(|| "-".into(), |v| format!("{v:.decimals$}"));
    let validity = &of.validity;
    [
        of.k.to_string(),
        if votes > 0 { votes.to_string() } else { String::new() },
        compact(validity.smallest as f64),
        percent(validity.explained),
        validity.calinski_harabasz.map_or_else(|| "-".into(), compact),
        shown(validity.silhouette, 3),
        shown(validity.davies_bouldin, 2),
        shown(of.gap.map(|gap| gap.gap), 3),
        shown(of.prediction_strength, 2),
        shown(of.agreement.map(|seeds| seeds.mean), 2),
        shown(of.least_stable(), 2),
    ]
}

/// The recommendation, its remarks, and what each criterion says.
fn recommendation(report: &ChoiceReport) -> String {
    let of = &report.recommendation;
    let mut lines = wrapped(&of.summary.en, 80);
    for vote in &of.votes {
        let named = vote.k.map_or_else(|| "none".into(), |k| k.to_string());
        let text = format!("{named:>4}  {}: {}", vote.criterion.name(), vote.why);
        lines.extend(hanging(&text, 6));
    }
    for remark in &of.remarks {
        lines.extend(hanging(&format!("note  {remark}"), 6));
    }
    lines.join("\n")
}

/// Words on lines of at most 80 characters; all but the first are indented.
fn hanging(text: &str, indent: usize) -> Vec<String> {
    let (head, rest) = text.split_at(indent);
    let lines = wrapped(rest, 80 - indent);
    let line =
        |(i, line): (usize, String)| if i == 0 { format!("{head}{line}") } else { format!("{:indent$}{line}", "") };
    lines.into_iter().enumerate().map(line).collect()
}
