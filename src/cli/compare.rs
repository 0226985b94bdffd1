//! `compare`: its report.

use std::path::Path;

use hyades::Result;
use hyades::compare::{
    self, AgreementIndices, CompareReport, CompareRequest, ComparedLabelling, ContingencyTable, LabellingKind,
    LabellingPair, SegmentPartner,
};
use hyades::text::{percent, shown, thousands};

use super::console::Console;
use super::fmt::{bytes, compact, seconds, wrapped};
use super::report::{brief, table};

/// Width of sentences.
const WIDTH: usize = 80;
/// The most pairs whose segments are listed.
const MOST_PAIRS: usize = 3;
/// The most segments that are listed, and the most columns of a contingency table.
const MOST_SEGMENTS: usize = 30;
const MOST_COLUMNS: usize = 9;

pub(super) fn compare(request: CompareRequest, console: &Console) -> Result<()> {
    let request = request.split_lists()?;
    let report = compare::compare(&request, console.observer.as_ref(), &console.stop)?;
    if request.output.json.as_deref().is_some_and(|path| path == Path::new("-")) {
        return say!("{}", report.to_json()?.trim_end());
    }
    say!("{}", text(&report).trim_end())?;
    for path in [&request.output.json, &request.output.report].into_iter().flatten().filter(|_| !console.quiet) {
        say!("{}", path.display())?;
    }
    Ok(())
}

fn text(report: &CompareReport) -> String {
    let mut parts = vec![labellings(report)];
    parts.extend(report.labellings.iter().any(|of| of.scores.is_some()).then(|| scores(report)));
    parts.push(agreement(report));
    let is_short = report.pairs.len() <= MOST_PAIRS;
    parts.extend(report.pairs.iter().map(|pair| of_pair(report, pair, is_short)));
    if !is_short {
        parts.push("The segments of all pairs are in --json and --report.".into());
    }
    let notes: Vec<String> = report.notes.iter().map(|note| sentences(&format!("note: {note}"))).collect();
    parts.extend((!notes.is_empty()).then(|| notes.join("\n")));
    parts.into_iter().map(|part| format!("{}\n", part.trim_end())).collect::<Vec<_>>().join("\n")
}

/// Lines of a sentence.
fn sentences(text: &str) -> String {
    wrapped(text, WIDTH).join("\n")
}

fn what(labelling: &ComparedLabelling) -> String {
    let kind = match (labelling.kind, labelling.version) {
        (LabellingKind::Fit, _) => "fit".to_owned(),
        (LabellingKind::Assign, _) => "assign".to_owned(),
        (LabellingKind::Version, Some(version)) => format!("version {version}"),
        (LabellingKind::Version, None) => "version".to_owned(),
        (LabellingKind::Table, _) => "table".to_owned(),
    };
    labelling.made.algorithm.as_ref().map_or(kind.clone(), |algorithm| format!("{kind}, {}", shown(algorithm)))
}

fn count(n: Option<u64>) -> String {
    n.map_or_else(|| "withheld".into(), thousands)
}

fn labellings(report: &CompareReport) -> String {
    let mut text = String::new();
    for of in &report.labellings {
        text += &format!("{}: {} ({})\n", of.name, shown(&of.path), what(of));
    }
    let header = ["", "rows", "k", "smallest", "noise", "starts agree", "time", "memory"];
    let mut lines = table(&header, &[1, 2, 3, 4, 5, 6, 7]);
    for of in &report.labellings {
        lines.add_row([
            of.name.clone(),
            thousands(of.rows),
            of.segments.len().to_string(),
            count(of.smallest),
            of.noise_share.map_or_else(|| "withheld".into(), percent),
            of.made.starts.map_or_else(String::new, |[least, most]| format!("{least:.2} to {most:.2}")),
            of.made.seconds.map_or_else(String::new, seconds),
            of.made.memory_bytes.map_or_else(String::new, bytes),
        ]);
    }
    format!("{text}{lines}")
}

/// Internal indices.
fn scores(report: &CompareReport) -> String {
    let header = ["", "rows", "explained", "silhouette", "simplified", "CH", "DB"];
    let mut lines = table(&header, &[1, 2, 3, 4, 5, 6]);
    let digits = |index: Option<f64>| index.map_or_else(String::new, |index| format!("{index:.3}"));
    for (of, scores) in report.labellings.iter().filter_map(|of| Some((of, of.scores.as_ref()?))) {
        lines.add_row([
            of.name.clone(),
            count(scores.rows),
            percent(scores.explained),
            digits(scores.silhouette),
            digits(scores.simplified_silhouette),
            scores.calinski_harabasz.map_or_else(String::new, compact),
            digits(scores.davies_bouldin),
        ]);
    }
    format!("{lines}\nCH: Calinski-Harabasz; DB: Davies-Bouldin, of which less is better.")
}

fn agreement(report: &CompareReport) -> String {
    let header = ["pair", "rows", "ARI", "AMI", "homogeneity", "completeness", "V"];
    let mut lines = table(&header, &[1, 2, 3, 4, 5, 6]);
    for pair in &report.pairs {
        let mut row = vec![format!("{} {}", pair.a, pair.b), count(pair.rows)];
        row.extend(indices(pair.agreement.as_ref()));
        lines.add_row(row);
    }
    let mut text = format!("{lines}\nARI: adjusted Rand index; AMI: adjusted mutual information; V: V-measure.\n");
    for pair in report.pairs.iter().filter(|pair| pair.left_out != Some(0)) {
        let share = pair.left_out_share.map_or_else(String::new, |share| format!(" ({})", percent(share)));
        let (a, b, n) = (&pair.a, &pair.b, count(pair.left_out));
        text += &format!("{}\n", sentences(&format!("Rows without a segment in {a} or {b}, in no index: {n}{share}.")));
    }
    for pair in report.pairs.iter().filter(|pair| pair.only_a != Some(0) || pair.only_b != Some(0)) {
        let (a, b, [only_a, only_b]) = (&pair.a, &pair.b, [pair.only_a, pair.only_b].map(count));
        text += &format!("{}\n", sentences(&format!("Rows that only {a} has: {only_a}; that only {b} has: {only_b}.")));
    }
    text
}

fn indices(found: Option<&AgreementIndices>) -> [String; 5] {
    let Some(found) = found else { return Default::default() };
    let all = [
        found.adjusted_rand,
        found.adjusted_mutual_information,
        found.homogeneity,
        found.completeness,
        found.v_measure,
    ];
    all.map(|index| format!("{index:.3}"))
}

fn of_pair(report: &CompareReport, pair: &LabellingPair, lists: bool) -> String {
    let mut text: String = pair.differences.iter().map(|of| format!("{}\n", sentences(&of.to_string()))).collect();
    if !lists {
        return text;
    }
    if let Some(table) = pair.contingency.as_ref().filter(|table| fits(table)) {
        text += &format!("\n{}\n", contingency(table, pair));
    }
    for (side, (of, [one, other])) in
        [(&pair.segments_of_a, [&pair.a, &pair.b]), (&pair.segments_of_b, [&pair.b, &pair.a])].into_iter().enumerate()
    {
        let labelling = report.labellings.iter().find(|labelling| labelling.name == **one);
        text += &labelling.map_or_else(String::new, |labelling| format!("\n{}\n", partners(of, labelling, other)));
        let left = of.len().saturating_sub(MOST_SEGMENTS);
        if left > 0 {
            text += &format!("{left} more segments of {} are in --json.\n", [&pair.a, &pair.b][side]);
        }
    }
    text
}

/// Whether a table can be read on a terminal.
fn fits(table: &ContingencyTable) -> bool {
    table.counts.len() <= MOST_SEGMENTS && table.counts.first().is_some_and(|line| line.len() <= MOST_COLUMNS + 1)
}

fn contingency(of: &ContingencyTable, pair: &LabellingPair) -> String {
    let titles = |names: &[String], all: usize, other: &str| {
        let mut titles: Vec<String> = names.iter().map(|name| brief(name)).collect();
        titles.extend((names.len() + 1 < all).then(|| "no segment".to_owned()));
        titles.push(format!("not in {other}"));
        titles
    };
    let columns = of.counts.first().map_or(0, Vec::len);
    let lines = titles(&of.lines, of.counts.len(), &pair.a);
    let columns = titles(&of.columns, columns, &pair.b);
    let last = |is_empty: bool, all: usize| if is_empty { all - 1 } else { all };
    let shown_columns = last(pair.only_a == Some(0), columns.len());
    let shown_lines = last(pair.only_b == Some(0), lines.len());
    let header = [&[format!("{} \\ {}", pair.a, pair.b)], &columns[..shown_columns]].concat();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut out = table(&header, &(1..=shown_columns).collect::<Vec<_>>());
    for (title, counts) in lines.iter().zip(&of.counts).take(shown_lines) {
        let told = counts[..shown_columns].iter().map(|n| n.map_or_else(|| "-".into(), thousands));
        out.add_row(std::iter::once(title.clone()).chain(told));
    }
    out.to_string()
}

/// The segments of a labelling and their counterparts in another.
fn partners(of: &[SegmentPartner], labelling: &ComparedLabelling, other: &str) -> String {
    let has_stability = labelling.segments.iter().any(|segment| segment.stability.is_some());
    let titles = [
        labelling.name.clone(),
        "rows".to_owned(),
        "share".to_owned(),
        format!("alike in {other}"),
        "Jaccard".to_owned(),
        format!("matched in {other}"),
        "stability".to_owned(),
    ];
    let header: Vec<&str> = titles.iter().take(6 + usize::from(has_stability)).map(String::as_str).collect();
    let mut lines = table(&header, &[1, 2, 4, 6][..3 + usize::from(has_stability)]);
    let told = |name: &Option<String>| name.as_deref().map_or_else(|| "none".to_owned(), brief);
    for (partner, segment) in of.iter().zip(&labelling.segments).take(MOST_SEGMENTS) {
        let mut row = vec![
            brief(&partner.segment),
            count(segment.rows),
            segment.share.map_or_else(String::new, percent),
            told(&partner.best),
            partner.jaccard.map_or_else(|| "-".into(), |jaccard| format!("{jaccard:.2}")),
            told(&partner.matched),
        ];
        if has_stability {
            row.push(segment.stability.map_or_else(String::new, |jaccard| format!("{jaccard:.2}")));
        }
        lines.add_row(row);
    }
    lines.to_string()
}
