//! Explain: one customer, or the most unusual ones, by a model.

use std::cmp::Reverse;
use std::path::Path;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::assign::{BatchLabeller, OpenedAssign, batches, divide, open};
use super::fitted_model::FittedModel;
use super::identities::NamedSegments;
use super::request::ExplainRequest;
use super::{ids, inputs, profile};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Stage, Watch};
use crate::explain::{
    ChangedValue, Contribution, DistancesSeen, ExplainReport, Explanation, FarRow, NearestTwo, NumberSort,
    OtherSegment, SegmentSpread, UNUSUAL, WayOut, Ways, nearest_two,
};
use crate::input::{ColumnStream, IdStream, Pseudonym, Source, ValueKind, as_f64, rows_with_id};
use crate::model::PartModel;
use crate::output::NewFiles;
use crate::prepare::{Derivation, Design, Placement, Preparation, replay};
use crate::profile::{ColumnFigures, EXACT_ROWS, ProfileReport};
use crate::rules::Membership;

/// The most customers that are explained at a time.
const MOST_CUSTOMERS: usize = 10_000;

/// Explains the customer of the request, or the most unusual ones: exact contributions of the features, the runner-up,
/// and the smallest change that leads to it. Writes the file `json` of the request, if it names one other than `-`.
///
/// # Errors
/// Whatever an assignment refuses, an id that no row has, or neither an id nor a number of customers.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{ExplainRequest, InputOptions, explain};
///
/// let request = ExplainRequest {
///     model: "data/models/v1.json".into(),
///     input: InputOptions::of(["data/customers.parquet"]),
///     top: Some(1),
///     ..ExplainRequest::default()
/// };
/// let report = explain(&request, &Silent, &AtomicBool::new(false))?;
/// let customer = &report.customers[0];
/// let sum: u64 = customer.contributions.iter().map(|part| part.squared).sum();
/// assert_eq!(Some(sum.to_string()), customer.grid_distance2);
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn explain(
    request: &ExplainRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<ExplainReport> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &ExplainRequest, watch: Watch<'_>) -> Result<ExplainReport> {
    if request.customer.is_none() && request.top.is_none() {
        let text = "say which customers to explain: --id ID for one, or --top N for the most unusual ones";
        return Err(Error::usage(text.into()).of_option("--id"));
    }
    if let Some(top) = request.top.filter(|top| !(1..=MOST_CUSTOMERS).contains(top)) {
        let text = format!("--top {top}: from 1 to {MOST_CUSTOMERS} customers can be explained");
        return Err(Error::usage(text).of_option("--top"));
    }
    let json = request.json.as_deref().filter(|path| *path != Path::new("-"));
    let assignment = request.assignment();
    let mut files = NewFiles::default();
    json.map_or(Ok(()), |path| files.add(path, &assignment.arguments()))?;
    let FittedModel { model, file, run, .. } = FittedModel::read(&request.model)?;
    model.parts.iter().try_for_each(|part| part.fitted.of_kmeans("an explanation").map(|_| ()))?;
    let named = NamedSegments::beside(&file, request.names.as_deref())?;
    let profile = run.and_then(|run| profile::of_fit(&file, &run, model.provenance.rows));
    let mut opened = open(&assignment, None, model, watch)?;
    let needed = [opened.roles.features.clone(), opened.division.columns()].concat();
    inputs::join(&mut opened.source, &needed, &request.resources, None, watch)?;
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), opened.roles.id)?;
    let explaining = Explaining { opened: &opened, profile, pseudonym, watch };
    let (customers, segments) = match (&request.customer, request.top) {
        (Some(customer), _) => (vec![explaining.one(customer)?], Vec::new()),
        (None, top) => explaining.unusual(top.unwrap_or(1), &request.resources.scratch_folder(None))?,
    };
    opened.source.vet_unchanged()?;
    let customers = customers.into_iter().map(|customer| called(customer, &named)).collect();
    let report = ExplainReport { explain_version: 1, rows: opened.source.rows(), customers, segments };
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Internal(e.to_string()))?;
        files.text(path, &(text + "\n"))?;
        files.commit()?;
    }
    Ok(report)
}

/// An explanation with the ids and names of its segments.
fn called(mut customer: Explanation, named: &NamedSegments) -> Explanation {
    if let Some(segment) = customer.segment {
        customer.segment_id = named.id(segment);
        [customer.called_en, customer.called_zh] = named.called(segment);
    }
    if let Some(other) = &mut customer.runner_up {
        other.segment_id = named.id(other.segment);
        [other.called_en, other.called_zh] = named.called(other.segment);
    }
    customer
}

/// What explanations are made of.
struct Explaining<'a> {
    opened: &'a OpenedAssign,
    profile: Option<ProfileReport>,
    pseudonym: Option<Pseudonym>,
    watch: Watch<'a>,
}

impl Explaining<'_> {
    /// The customer with an id.
    fn one(&self, customer: &str) -> Result<Explanation> {
        let source = &self.opened.source;
        let row = match self.opened.roles.id {
            Some(id) => {
                let rows = rows_with_id(source, id, customer, self.pseudonym.as_ref(), self.watch)?;
                if rows.len() > 1 {
                    self.watch.warn(format!("{} rows have the id {customer:?}; the first is explained", rows.len()));
                }
                let name = &source.columns()[id].name;
                *rows.first().ok_or_else(|| {
                    let text = format!(
                        "none of {} rows has the id {customer:?} in column {name:?}; name another column of ids with \
                         --id-column, or the key with --pseudonymise if it is a pseudonym",
                        source.rows()
                    );
                    Error::input(text).of_columns([name]).of_kind(ErrorKind::Values).of_option("--id")
                })?
            }
            None => customer.parse().ok().filter(|row| *row < source.rows()).ok_or_else(|| {
                let text = format!(
                    "the input has no id column, and {customer:?} is not the number of a row, from 0 to {}; name the \
                     column of ids with --id-column",
                    source.rows() - 1
                );
                Error::usage(text).of_option("--id")
            })?,
        };
        let found = self.rows(&[row])?.pop();
        found.ok_or_else(|| Error::Internal(format!("row {row} was not explained")))
    }

    /// The customers of some rows, which are in ascending order.
    fn rows(&self, rows: &[u64]) -> Result<Vec<Explanation>> {
        let OpenedAssign { model, source, roles, division, .. } = self.opened;
        let view = only(source, rows);
        let known: Vec<Option<String>> = model.parts.iter().map(|part| part.value.clone()).collect();
        let membership = division.divide(&view, Some(&known), self.watch.quiet())?;
        let ids = roles.id.map(|id| {
            let ids = IdStream::new(&view, id).with_pseudonym(self.pseudonym.as_ref()).take(rows.len())?;
            texts(&ids)
        });
        let ids = ids.transpose()?.unwrap_or_else(|| rows.iter().map(|row| Some(row.to_string())).collect());
        let rules = membership.rules.len();
        let parts: Vec<Option<usize>> =
            if membership.is_whole() { vec![Some(0); rows.len()] } else { membership.parts().collect() };
        let mut of_parts = Vec::new();
        for (i, part) in model.parts.iter().enumerate() {
            let here = rows.iter().zip(&parts).filter(|(_, part)| **part == Some(rules + i));
            let here: Vec<u64> = here.map(|(row, _)| *row).collect();
            let found = match here.is_empty() {
                true => Vec::new(),
                false => PartRows::read(&only(source, &here), part, self.watch)?.explain(self)?,
            };
            of_parts.push(found.into_iter());
        }
        let explain = |((row, customer), part): ((&u64, Option<String>), Option<usize>)| {
            let found = match part {
                Some(rule) if rule < rules => Explanation {
                    segment: Some(rule as u32),
                    rule: Some(membership.rules[rule].name.clone()),
                    ..nothing()
                },
                Some(part) => of_parts[part - rules].next().unwrap_or_else(nothing),
                None => nothing(),
            };
            Explanation { customer, row: *row, ..found }
        };
        Ok(rows.iter().zip(ids).zip(parts).map(explain).collect())
    }

    /// The most unusual customers, and the distances of all segments.
    fn unusual(&self, top: usize, folder: &Path) -> Result<(Vec<Explanation>, Vec<SegmentSpread>)> {
        let model = &self.opened.model;
        let membership = divide(self.opened, self.watch)?;
        let (mut spreads, mut far) = (Vec::new(), Vec::new());
        for (i, part) in model.parts.iter().enumerate() {
            let view = membership.view(&self.opened.source, i);
            let seen = self.distances(&view, part, top, folder)?;
            for (segment, seen) in (part.first_segment..).zip(&seen) {
                let spread = seen.spread(segment as u32);
                for row in seen.farthest() {
                    let distance = seen.distance(row.distance2);
                    let z = spread.robust_z(distance).filter(|z| *z > UNUSUAL);
                    far.extend(z.map(|z| FarCustomer { part: i, row, z, ratio: spread.ratio(distance) }));
                }
                spreads.push(spread);
            }
        }
        far.sort_by(|a, b| b.z.total_cmp(&a.z).then((a.part, a.row.row.0).cmp(&(b.part, b.row.row.0))));
        far.truncate(top);
        let found: Vec<u64> = numbers(&membership, &far);
        let mut rows = found.clone();
        rows.sort_unstable();
        let explained = if rows.is_empty() { Vec::new() } else { self.rows(&rows)? };
        let of = |(row, far): (u64, &FarCustomer)| {
            let at = rows.binary_search(&row).ok()?;
            Some(Explanation { ratio: far.ratio, robust_z: Some(far.z), ..explained.get(at)?.clone() })
        };
        Ok((found.into_iter().zip(&far).filter_map(of).collect(), spreads))
    }

    /// The distances of a part's rows, by segment.
    fn distances(&self, view: &Source, part: &PartModel, top: usize, folder: &Path) -> Result<Vec<DistancesSeen>> {
        let (replayer, preparation) = (&self.opened.replayer, &part.preparation);
        let centroids = part.fitted.of_kmeans("an explanation")?.grid()?;
        let is_exact = self.opened.source.rows() <= EXACT_ROWS;
        let new = || DistancesSeen::new(preparation.step(), is_exact, top);
        let mut seen: Vec<DistancesSeen> = (0..centroids.k()).map(|_| new()).collect();
        let worker = BatchLabeller { centroids: &centroids, margin: false, ladder: &replayer.ladder };
        let design = Design::of_recipe(view, preparation)?;
        self.watch.stage(Stage::Labels, view.rows(), "rows", || {
            for groups in batches(view.row_groups(), replayer.batch_rows) {
                let scratch = (groups[0].rows > replayer.batch_rows).then(|| folder.to_path_buf());
                let placement = Placement { scratch, ..Placement::default() };
                let (tiles, _) = replay(view, &design, preparation, groups, &placement, self.watch.quiet())?;
                worker.label(&tiles, self.watch, &mut |labels| {
                    let first = groups[0].first_row + labels.first_row;
                    for (row, (label, distance2)) in (first..).zip(labels.labels.iter().zip(&labels.distance2)) {
                        seen[*label as usize].push(*distance2, row);
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(seen)
    }

    /// The name of a segment, where segments have names.
    fn name(&self, part: &PartModel, segment: usize) -> Option<String> {
        (!self.opened.division.is_whole()).then(|| format!("{}/{segment}", part.name))
    }

    /// The median of a column in a segment of the fit.
    fn median(&self, column: &str, segment: usize) -> Option<f64> {
        let profile = self.profile.as_ref()?;
        let at = profile.columns.iter().position(|found| found.name == column)?;
        let group = profile.segments.iter().find(|group| group.segment == Some(segment as u32))?;
        match group.columns.get(at)? {
            ColumnFigures::Numbers(numbers) => numbers.median,
            ColumnFigures::Categories(_) => None,
        }
    }
}

/// An unusual row of a part.
struct FarCustomer {
    part: usize,
    /// Its number is that in the part.
    row: FarRow,
    z: f64,
    ratio: Option<f64>,
}

/// Some rows, which are in ascending order, as a source of their own.
fn only(source: &Source, rows: &[u64]) -> Source {
    source.select(source.row_groups().iter().map(|group| {
        let start = rows.partition_point(|row| *row < group.first_row);
        let end = rows.partition_point(|row| *row < group.first_row + group.rows);
        let here = &rows[start..end];
        BooleanBuffer::collect_bool(group.rows as usize, |i| here.binary_search(&(group.first_row + i as u64)).is_ok())
    }))
}

/// The numbers of the rows in the input.
fn numbers(membership: &Membership, far: &[FarCustomer]) -> Vec<u64> {
    let mut found: Vec<u64> = far.iter().map(|far| far.row.row.0).collect();
    if membership.is_whole() {
        return found;
    }
    let mut wanted: Vec<(usize, u64, usize)> = far.iter().enumerate().map(|(i, f)| (f.part, f.row.row.0, i)).collect();
    wanted.sort_unstable_by_key(|place| Reverse(*place));
    let rules = membership.rules.len();
    let mut next = vec![0; membership.strata.len()];
    let mut by_part: Vec<Vec<(u64, usize)>> = vec![Vec::new(); next.len()];
    wanted.into_iter().for_each(|(part, row, i)| by_part[part].push((row, i)));
    for (number, part) in membership.parts().enumerate() {
        let Some(part) = part.and_then(|part| part.checked_sub(rules)) else { continue };
        if let Some((_, i)) = by_part[part].pop_if(|(row, _)| *row == next[part]) {
            found[i] = number as u64;
        }
        next[part] += 1;
    }
    found
}

/// Rows of a part: their features on the grid, and the values of the input.
struct PartRows<'a> {
    part: &'a PartModel,
    features: Vec<Vec<i32>>,
    /// By feature and row; None: missing.
    texts: Vec<Vec<Option<String>>>,
    values: Vec<Vec<Option<f64>>>,
    sorts: Vec<NumberSort>,
}

impl<'a> PartRows<'a> {
    fn read(view: &Source, part: &'a PartModel, watch: Watch<'_>) -> Result<Self> {
        // Features come before components.
        let recipe = Preparation { projection: None, ..part.preparation.clone() };
        let design = Design::of_recipe(view, &recipe)?;
        let (tiles, _) = replay(view, &design, &recipe, view.row_groups(), &Placement::default(), watch.quiet())?;
        let features: Vec<Vec<i32>> = (0..tiles.rows()).map(|row| tiles.row(row)).collect::<Result<_>>()?;
        let mut rows = PartRows { part, features, texts: Vec::new(), values: Vec::new(), sorts: Vec::new() };
        for (f, column) in recipe.columns.iter().enumerate() {
            let is_pair = matches!(column.from, Some(Derivation::Ratio(_) | Derivation::Difference(_)));
            let is_age = matches!(column.from, Some(Derivation::Age { .. }));
            let of_grid = |row: &Vec<i32>| Some(column.original(f64::from(row[f]), recipe.step_exponent));
            let at = view.position(column.column()).filter(|_| !is_pair);
            let (texts, mut values) = match at {
                Some(at) => {
                    let array = ColumnStream::new(view, at, 1).take(view.rows() as usize)?;
                    (texts(&array)?, numbers_of(&array, recipe.sentinels.get(column.column())))
                }
                None => (Vec::new(), Vec::new()),
            };
            let is_number = at.is_some_and(|at| ValueKind::of(&view.columns()[at].data_type).is_numeric());
            if !is_number || is_age {
                values = rows.features.iter().map(of_grid).collect();
            }
            let shown = |value: &Option<f64>| value.map(|value| value.to_string());
            rows.texts.push(if is_pair { values.iter().map(shown).collect() } else { texts });
            rows.values.push(values);
            rows.sorts.push(match at.map(|at| &view.columns()[at].data_type) {
                Some(of) if ValueKind::of(of) == ValueKind::Boolean => NumberSort::Flag,
                Some(of) if of.is_integer() || ValueKind::of(of) == ValueKind::Date => NumberSort::Whole,
                _ => NumberSort::Any,
            });
        }
        Ok(rows)
    }

    fn explain(&self, of: &Explaining<'_>) -> Result<Vec<Explanation>> {
        let centroids = self.part.fitted.of_kmeans("an explanation")?.grid()?;
        let explain = |(row, features): (usize, &Vec<i32>)| {
            let stands = nearest_two(&self.part.preparation.row_of(features), &centroids);
            let values = self.values.iter().map(|values| values[row]).collect();
            let ways = Ways::new(&self.part.preparation, &centroids, (features.clone(), values), &self.sorts);
            let way_out = stands.runner_up.and_then(|(to, _)| Some((to, ways.to(stands.segment, to)?)));
            let changed =
                |(f, to): (usize, f64)| ChangedValue { feature: self.name(f), from: self.texts[f][row].clone(), to };
            let number = |segment: usize| (self.part.first_segment + segment) as u32;
            let length = |distance2: u64| (distance2 as f64).sqrt() * self.part.preparation.step();
            Explanation {
                segment: Some(number(stands.segment)),
                name: of.name(self.part, stands.segment),
                distance: Some(length(stands.distance2)),
                grid_distance2: Some(stands.distance2.to_string()),
                runner_up: stands.runner_up.map(|(segment, distance2)| OtherSegment {
                    segment: number(segment),
                    name: of.name(self.part, segment),
                    segment_id: None,
                    called_en: None,
                    called_zh: None,
                    distance: length(distance2),
                    grid_distance2: distance2.to_string(),
                }),
                contributions: self.contributions(row, &stands, of),
                way_out: way_out.map(|(to, values)| WayOut {
                    segment: number(to),
                    changes: values.into_iter().map(changed).collect(),
                }),
                ..nothing()
            }
        };
        Ok(self.features.iter().enumerate().map(explain).collect())
    }

    fn name(&self, feature: usize) -> String {
        self.part.preparation.columns[feature].name.clone()
    }

    fn contributions(&self, row: usize, stands: &NearestTwo, of: &Explaining<'_>) -> Vec<Contribution> {
        let segment = self.part.first_segment + stands.segment;
        let is_component = self.part.preparation.projection.is_some();
        let contribution = |(f, &squared): (usize, &u64)| Contribution {
            feature: if is_component { format!("component_{}", f + 1) } else { self.name(f) },
            value: if is_component { None } else { self.texts[f][row].clone() },
            median: if is_component { None } else { of.median(&self.name(f), segment) },
            squared,
            share: if stands.distance2 == 0 { 0.0 } else { squared as f64 / stands.distance2 as f64 },
            to_runner_up: stands.to_runner_up.as_ref().map(|all| all[f]),
        };
        let mut all: Vec<Contribution> = stands.squared.iter().enumerate().map(contribution).collect();
        all.sort_by_key(|part| Reverse(part.squared));
        all
    }
}

/// Of a row without a segment.
fn nothing() -> Explanation {
    Explanation {
        customer: None,
        row: 0,
        segment: None,
        name: None,
        segment_id: None,
        called_en: None,
        called_zh: None,
        rule: None,
        distance: None,
        grid_distance2: None,
        ratio: None,
        robust_z: None,
        runner_up: None,
        contributions: Vec::new(),
        way_out: None,
    }
}

/// Values as text; None: null.
fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    let fail = |e: arrow::error::ArrowError| Error::Internal(format!("values as text: {e}"));
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).map_err(fail)?;
    Ok((0..array.len()).map(|row| (!array.is_null(row)).then(|| formatter.value(row).to_string())).collect())
}

/// Values as numbers; None: missing, or not a number.
fn numbers_of(array: &ArrayRef, missing: Option<&Vec<f64>>) -> Vec<Option<f64>> {
    let mut values = Vec::with_capacity(array.len());
    if as_f64(array, &mut values).is_err() {
        return vec![None; array.len()];
    }
    let known = |v: f64| v.is_finite() && !missing.is_some_and(|codes| codes.contains(&v));
    values.into_iter().map(|v| known(v).then_some(v)).collect()
}
