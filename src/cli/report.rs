//! Outcomes as tables.

use comfy_table::presets::ASCII_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use hyades::job::{Plan, RuledLabels, StageTime, TilePlace};
use hyades::model::{Model, RuledModel, StratumModel};
use hyades::output::LabelSummary;
use hyades::rules::UNKNOWN_STRATUM;
use hyades::text::shown;

use super::fmt::{about, bytes, compact, seconds, thousands};

/// Features named for a segment.
const FEATURES_SHOWN: usize = 3;
/// Standard deviations from the average from which a feature sets a segment apart.
const APART: f64 = 0.25;

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

/// Segment, customers, share, mean distance, and what sets it apart.
pub(super) fn segments(model: &Model, labels: &LabelSummary) -> String {
    let rows: u64 = labels.counts.iter().sum();
    let mut out = table(
        &["segment", "customers", "share", "mean distance", "set apart by (deviations from average)"],
        &[0, 1, 2, 3],
    );
    for (j, (&n, &distance)) in labels.counts.iter().zip(&labels.mean_distance).enumerate() {
        out.add_row(vec![j.to_string(), thousands(n), share(n, rows), format!("{distance:.2}"), apart(model, j)]);
    }
    out.to_string()
}

/// What each rule took, and the strata of the others.
pub(super) fn parts(model: &RuledModel, labels: &RuledLabels) -> String {
    let mut out = table(&["part", "customers", "share", "segments", "what it is"], &[1, 2, 3]);
    for (count, rule) in labels.rules.iter().zip(&model.rules.rules) {
        let before = match count.taken_before {
            0 => String::new(),
            n => format!("; earlier rules took {} more", thousands(n)),
        };
        out.add_row(vec![
            brief(&count.name),
            thousands(count.rows),
            share(count.rows, labels.rows),
            "1".into(),
            format!("rule: {}{before}", brief(&rule.when)),
        ]);
    }
    for (stratum, of) in labels.strata.iter().zip(&model.strata) {
        let rows = stratum.labels.counts.iter().sum();
        let what = match (&model.rules.strata, &of.value) {
            (None, _) => "the customers that no rule takes".into(),
            (Some(strata), None) => format!("stratum: {} is null", brief(&strata.within)),
            (Some(strata), Some(value)) => format!("stratum: {} is {}", brief(&strata.within), brief(value)),
        };
        out.add_row(vec![
            brief(&stratum.name),
            thousands(rows),
            share(rows, labels.rows),
            stratum.labels.counts.len().to_string(),
            what,
        ]);
    }
    if labels.unknown > 0 {
        let what = "rows whose stratum the model does not know";
        let share = share(labels.unknown, labels.rows);
        out.add_row(vec![UNKNOWN_STRATUM.into(), thousands(labels.unknown), share, "0".into(), what.into()]);
    }
    out.to_string()
}

/// The segments of all strata, by their names; those of rules stand among the parts.
pub(super) fn ruled_segments(model: &RuledModel, labels: &RuledLabels) -> String {
    let mut out = table(
        &["segment", "name", "customers", "share", "mean distance", "set apart by (deviations from its stratum)"],
        &[0, 2, 3, 4],
    );
    for (stratum, of) in labels.strata.iter().zip(&model.strata) {
        for (j, (&n, &distance)) in stratum.labels.counts.iter().zip(&stratum.labels.mean_distance).enumerate() {
            out.add_row(vec![
                (stratum.first_segment + j).to_string(),
                format!("{}/{j}", brief(&stratum.name)),
                thousands(n),
                share(n, labels.rows),
                format!("{distance:.2}"),
                apart(&of.model, j),
            ]);
        }
    }
    out.to_string()
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.1}%", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Text of unknown origin, harmless and not too long for a table.
fn brief(text: &str) -> String {
    const MOST: usize = 100;
    let mut line = shown(&text.chars().take(MOST).collect::<String>());
    if text.chars().count() > MOST {
        line.push_str("...");
    }
    line
}

/// The fitted recipe of a stratum.
pub(super) fn named_recipe(stratum: &StratumModel) -> String {
    format!("stratum {}\n{}", brief(&stratum.name), recipe(&stratum.model))
}

/// The features in which a segment's centroid is farthest from the average, in standard deviations of the transformed
/// values, with the centroid's value in the feature's own unit.
fn apart(model: &Model, j: usize) -> String {
    let features = model.recipe.features_of(&model.grid_centers_[j]);
    let deviation = |f: usize| {
        let c = &model.recipe.columns[f];
        let transformed = c.transformed_from_grid(features[f], model.recipe.step_exponent);
        if c.seen.deviation > 0.0 { (transformed - c.seen.mean) / c.seen.deviation } else { 0.0 }
    };
    let mut order: Vec<usize> = (0..model.n_features_in_).collect();
    order.sort_by(|&a, &b| deviation(b).abs().total_cmp(&deviation(a).abs()).then(a.cmp(&b)));
    let far: Vec<String> = order
        .into_iter()
        .take(FEATURES_SHOWN)
        .filter(|&f| deviation(f).abs() >= APART)
        .map(|f| {
            let value = compact(model.cluster_centers_[j][f]);
            format!("{} {value} ({:+.1})", shown(&model.feature_names_in_[f]), deviation(f))
        })
        .collect();
    if far.is_empty() { "close to the average".into() } else { far.join(", ") }
}

/// The fitted recipe.
pub(super) fn recipe(model: &Model) -> String {
    let mut out = table(
        &["feature", "type", "transform", "missing becomes", "scale", "center", "unit", "missing", "clipped"],
        &[5, 6, 7, 8],
    );
    if !out.is_tty() {
        // Nobody's screen is too narrow, and a name that is broken in two is not found by search.
        out.set_content_arrangement(ContentArrangement::Disabled);
    }
    for whole in [0, 2] {
        if let Some(column) = out.column_mut(whole) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    for c in &model.recipe.columns {
        let fill = c.fill.map_or_else(|| "refused".into(), |t| format!("{} ({})", beside(c.raw(t), c.unit), c.missing));
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
        model.recipe.step_exponent
    ));
    for d in &model.recipe.dropped {
        text.push_str(&format!("left out: {}: {}\n", shown(&d.name), shown(&d.reason)));
    }
    text
}

/// A value beside which `unit` is large is 0 but for rounding.
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
