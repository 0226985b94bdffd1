//! Outcomes as tables.

use comfy_table::presets::ASCII_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use hyades::cluster::{CovarianceType, Fitted, FittedCentroids, FittedMixture, FittedTree, StabilityBand, Stop};
use hyades::job::{FitOutcome, Labelling, Plan, StageTime, TilePlace};
use hyades::model::{Model, PartModel};
use hyades::prepare::Preparation;
use hyades::rules::UNKNOWN_STRATUM;
use hyades::text::shown;

use super::fmt::{about, bytes, compact, seconds, thousands};

/// The most segments that are named for not being stable.
const MOST_DOUBTFUL: usize = 8;

pub(super) fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle { row_separator: LineStyle::none(), ..ASCII_HORIZONTAL_ONLY })
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.to_vec());
    if !table.is_tty() {
        table.set_width(100);
    }
    for &i in right {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The rows of each rule, and the strata of the others.
pub(super) fn parts(model: &Model, labels: &Labelling) -> String {
    let mut out = table(&["part", "customers", "share", "segments", "what it is"], &[1, 2, 3]);
    let book = model.division.as_ref().map(|division| &division.book);
    for (count, rule) in labels.rules.iter().zip(book.into_iter().flat_map(|book| &book.rules)) {
        let before = match count.taken_before {
            0 => String::new(),
            n => format!("; earlier rules took {} more", thousands(n)),
        };
        let what = format!("rule: {}{before}", brief(&rule.when));
        out.add_row(vec![brief(&count.name), thousands(count.rows), share(count.rows, labels.rows), "1".into(), what]);
    }
    for (part, of) in labels.parts.iter().zip(&model.parts) {
        let rows = part.labels.counts.iter().sum();
        let what = match (book.and_then(|book| book.strata.as_ref()), &of.value) {
            (None, _) => "the customers that no rule takes".into(),
            (Some(strata), None) => format!("stratum: {} is null", brief(&strata.within)),
            (Some(strata), Some(value)) => format!("stratum: {} is {}", brief(&strata.within), brief(value)),
        };
        let segments = part.labels.counts.len().to_string();
        out.add_row(vec![brief(&part.name), thousands(rows), share(rows, labels.rows), segments, what]);
    }
    if labels.unknown > 0 {
        let what = "rows whose stratum the model does not know";
        let share = share(labels.unknown, labels.rows);
        out.add_row(vec![UNKNOWN_STRATUM.into(), thousands(labels.unknown), share, "0".into(), what.into()]);
    }
    out.to_string()
}

/// Segment, its name if the bank is divided, customers, share, mean distance: all that is known without a profile. The
/// segments of rules are listed among the parts.
pub(super) fn segments(model: &Model, labels: &Labelling) -> String {
    let named = model.division.is_some();
    let mut out = match named {
        true => table(&["segment", "name", "customers", "share", "mean distance"], &[0, 2, 3, 4]),
        false => table(&["segment", "customers", "share", "mean distance"], &[0, 1, 2, 3]),
    };
    for part in &labels.parts {
        for (j, (&n, &distance)) in part.labels.counts.iter().zip(&part.labels.mean_distance).enumerate() {
            let mut row = vec![(part.first_segment + j).to_string()];
            if named {
                row.push(format!("{}/{j}", brief(&part.name)));
            }
            row.extend([thousands(n), share(n, labels.rows), format!("{distance:.2}")]);
            out.add_row(row);
        }
    }
    out.to_string()
}

/// Summary of the fit, its duration, and why it stopped.
pub(super) fn closing(outcome: &FitOutcome, elapsed: f64) -> String {
    let (model, labels) = (&outcome.model, &outcome.labels);
    let time = format!("{} in all: {}", seconds(elapsed), stages(&outcome.stages));
    let of_part = |part: &PartModel| {
        let of = format!("{}: ", brief(&part.name));
        match &part.fitted {
            Fitted::Centroids(fitted) => trust(fitted, part.first_segment, &of),
            Fitted::Mixture(fitted) => format!("\n{of}{}", mixture(fitted)),
            Fitted::Tree(fitted) => format!("\n{of}{}{}", tree(fitted), agreement(fitted, &of)),
        }
    };
    if model.division.is_some() {
        return format!(
            "{} customers, {} of them taken by rules; strata: {}, segments: {}{}\n{time}",
            thousands(labels.rows),
            thousands(labels.rules.iter().map(|r| r.rows).sum()),
            model.parts.len(),
            model.segments(),
            model.parts.iter().map(of_part).collect::<String>(),
        );
    }
    let part = &model.parts[0];
    let inertia = match &part.fitted {
        Fitted::Mixture(_) => String::new(),
        Fitted::Centroids(_) | Fitted::Tree(_) => format!("; inertia {:.6e}", part.fitted.inertia()),
    };
    let (how, trust) = match &part.fitted {
        Fitted::Centroids(fitted) => (passes(fitted), trust(fitted, part.first_segment, "")),
        Fitted::Mixture(fitted) => (mixture(fitted), String::new()),
        Fitted::Tree(fitted) => (tree(fitted), agreement(fitted, "")),
    };
    format!(
        "{} customers, {} features, {} segments; {how}{inertia}{trust}\n{time}",
        thousands(outcome.plan.rows),
        part.preparation.columns.len(),
        part.fitted.segments(),
    )
}

/// How k-means ended.
fn passes(fitted: &FittedCentroids) -> String {
    let stop = match fitted.stop {
        Stop::Fixpoint => "converged: no centroid moved",
        Stop::Inertia => "converged: the inertia no longer fell",
        Stop::Tolerance => "converged: centroids moved less than --tol",
        Stop::MaxIter => "not converged: --max-iter was reached",
        Stop::Budget => "not converged: max_relabelled was reached",
    };
    format!("{} {}, {stop}", fitted.n_iter_, if fitted.n_iter_ == 1 { "pass" } else { "passes" })
}

/// How a mixture ended, and how well it fits.
fn mixture(fitted: &FittedMixture) -> String {
    let shape = match fitted.covariance_type {
        CovarianceType::Diag => "diag",
        CovarianceType::Full => "full",
        CovarianceType::Tied => "tied",
        CovarianceType::Spherical => "spherical",
    };
    let stop = match fitted.converged_ {
        true => "converged: the log-likelihood changed by less than --tol",
        false => "not converged: --max-iter was reached",
    };
    format!(
        "gmm, {shape} covariance, {} {}, {stop}; log-likelihood per customer {:.6}, BIC {:.6e}",
        fitted.n_iter_,
        if fitted.n_iter_ == 1 { "iteration" } else { "iterations" },
        fitted.log_likelihood_,
        fitted.bic_,
    )
}

/// What a tree is made of.
fn tree(fitted: &FittedTree) -> String {
    let leaves = thousands(fitted.n_leaves_ as u64);
    match fitted.is_exact {
        true => format!("ward, exact tree over {leaves} distinct rows"),
        false => format!("ward, tree over {leaves} micro-segments"),
    }
}

/// How far the segments of a tree depend on the sample.
fn agreement(fitted: &FittedTree, of: &str) -> String {
    let told = |agreement| {
        format!("\n{of}micro-segments of another sample: adjusted Rand index with these segments {agreement:.2}")
    };
    fitted.agreement_.map(told).unwrap_or_default()
}

/// How far starts agree, and which segments are not stable. `first` is the number of the part's first segment.
fn trust(fitted: &FittedCentroids, first: usize, of: &str) -> String {
    let mut out = String::new();
    let agreement = fitted.starts_.iter().map(|start| start.adjusted_rand);
    if let Some((least, most)) = agreement.clone().reduce(f64::min).zip(agreement.reduce(f64::max)) {
        let starts = fitted.starts_.len();
        out += &format!("\n{of}{starts} starts; adjusted Rand index with these segments: {least:.2} to {most:.2}");
    }
    if let Some(stability) = &fitted.stability_ {
        let known: Vec<(usize, f64)> =
            (first..).zip(&stability.jaccard).filter_map(|(segment, jaccard)| Some((segment, (*jaccard)?))).collect();
        let is_stable =
            |jaccard: f64| matches!(StabilityBand::of(jaccard), StabilityBand::Stable | StabilityBand::High);
        let stable = known.iter().filter(|(_, jaccard)| is_stable(*jaccard)).count();
        let segments = stability.jaccard.len();
        let replicates = stability.replicates;
        out += &format!("\n{of}stability in {replicates} resampled fits: {stable} of {segments} segments are stable");
        let doubtful = known.iter().filter(|(_, jaccard)| !is_stable(*jaccard));
        let name = |&(segment, jaccard): &(usize, f64)| {
            format!("; {segment}: {jaccard:.2}, {}", StabilityBand::of(jaccard).words()[0])
        };
        out.extend(doubtful.take(MOST_DOUBTFUL).map(name));
        if known.len() < segments {
            out += &format!("; {} too small to say", segments - known.len());
        }
    }
    out
}

pub(super) fn share(part: u64, whole: u64) -> String {
    format!("{:.1}%", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Untrusted text, escaped and cut to fit a table.
pub(super) fn brief(text: &str) -> String {
    const MOST: usize = 100;
    let mut line = shown(&text.chars().take(MOST).collect::<String>());
    if text.chars().count() > MOST {
        line.push_str("...");
    }
    line
}

/// The fitted preparation of a part.
pub(super) fn preparation(model: &Model, part: &PartModel) -> String {
    let table = columns(&part.preparation);
    if model.division.is_some() { format!("stratum {}\n{table}", brief(&part.name)) } else { table }
}

fn columns(preparation: &Preparation) -> String {
    let mut out = table(
        &["feature", "type", "transform", "missing becomes", "scale", "center", "unit", "missing", "clipped"],
        &[5, 6, 7, 8],
    );
    if !out.is_tty() {
        // Not a terminal, so width does not matter, and a name broken across lines could not be searched for.
        out.set_content_arrangement(ContentArrangement::Disabled);
    }
    for whole in [0, 2] {
        if let Some(column) = out.column_mut(whole) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    for c in &preparation.columns {
        let of = if c.fill_is_of_sample { " of a sample" } else { "" };
        let fill =
            c.fill.map_or_else(|| "refused".into(), |t| format!("{} ({}{of})", beside(c.raw(t), c.unit), c.missing));
        out.add_row(vec![
            shown(&c.name),
            shown(&c.data_type),
            c.transform.name().into(),
            fill,
            c.scale.name().into(),
            beside(c.center, c.unit),
            compact(c.unit),
            thousands(c.missing_count()),
            thousands(c.seen.counts.clipped),
        ]);
    }
    let mut text = out.to_string();
    text.push_str(&format!(
        "\ngrid step 2^{} scaled units; center and unit are of transformed values\n",
        preparation.step_exponent
    ));
    for d in &preparation.dropped {
        text.push_str(&format!("left out: {}: {}\n", shown(&d.name), shown(&d.reason)));
    }
    text
}

/// A value that is tiny compared with `unit` is 0 up to rounding.
fn beside(value: f64, unit: f64) -> String {
    if value.abs() < 1e-6 * unit { "0".into() } else { compact(value) }
}

/// Where the time went, in one line.
pub(super) fn stages(stages: &[StageTime]) -> String {
    let total: f64 = stages.iter().map(|s| s.seconds).sum();
    let parts: Vec<String> = stages
        .iter()
        .filter(|s| s.seconds >= 0.001)
        .map(|s| format!("{} {}", s.stage.name(), seconds(s.seconds)))
        .collect();
    format!("{} ({})", seconds(total), parts.join(", "))
}

/// A plan, line by line.
pub(super) fn plan(plan: &Plan) -> String {
    let place = match &plan.place {
        TilePlace::Memory => "in memory".to_owned(),
        TilePlace::Scratch(folder) => format!("in a scratch file in {}, streamed each pass", folder.display()),
    };
    let lines = [
        (
            "input",
            format!(
                "{} rows in {} files, {} row groups",
                thousands(plan.rows),
                plan.files,
                thousands(plan.row_groups as u64)
            ),
        ),
        ("to decode", format!("{} of compressed columns", bytes(plan.input_bytes))),
        ("features", plan.features.to_string()),
        ("segments", plan.k.to_string()),
        ("tiles", format!("{} {place}", bytes(plan.prepared_bytes))),
        (
            "memory",
            format!(
                "up to {} of {} allowed; {} would do",
                bytes(plan.memory_bytes),
                bytes(plan.memory_budget),
                bytes(plan.smallest_budget)
            ),
        ),
        ("device", format!("{} ({}): {}", plan.backend, plan.device, plan.why)),
        ("threads", plan.threads.to_string()),
        ("passes", format!("about {} over all rows", plan.expected_passes)),
        ("time", about(plan.expected_seconds)),
    ];
    lines.iter().map(|(name, value)| format!("{name:>10}  {value}\n")).collect()
}
