//! Rules: the segments of a model in short, and how well they hold on all rows.

use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use rayon::prelude::*;

use super::assign::{OpenedAssign, RuleLabeller, batches, divide, open};
use super::fitted_model::FittedModel;
use super::identities::NamedSegments;
use super::inputs;
use super::request::ExplainRequest;
use super::rule_tree::{LEAVES, RuleTree, SegmentRows, cut_columns};

use crate::backend::Centroids;
use crate::cluster::LabelRule;
use crate::describe::{
    LeafCounts, OtherRow, PartRules, RulesReport, TreeRows, case_of_part, case_of_parts, identifier, literal, share,
};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::Source;
use crate::model::PartModel;
use crate::numeric::Partial;
use crate::output::NewFiles;
use crate::prepare::{Design, Placement, replay};
use crate::survey::{Ride, Segment, SegmentLog};
use crate::tiles::{Buffer, Tiles};

/// Leaves for each segment at most.
const MOST_LEAVES: usize = 32;

/// Describes the segments of a model by rules: a tree whose cuts are on one column each, as sentences and as SQL, with
/// fidelity, precision and recall counted on all rows. Writes the files `json` and `sql` of the request, if it names
/// any.
///
/// # Errors
/// Whatever an assignment refuses, or fewer leaves than segments.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{ExplainRequest, InputOptions, explain_rules};
///
/// let request = ExplainRequest {
///     model: "data/models/v1.json".into(),
///     input: InputOptions::of(["data/customers.parquet"]),
///     ..ExplainRequest::default()
/// };
/// let report = explain_rules(&request, &Silent, &AtomicBool::new(false))?;
/// assert!(report.fidelity.is_some_and(|share| share > 0.9));
/// assert!(report.sql.starts_with("CASE"));
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn explain_rules(
    request: &ExplainRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<RulesReport> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &ExplainRequest, watch: Watch<'_>) -> Result<RulesReport> {
    let assignment = request.assignment();
    let json = request.json.as_deref().filter(|path| *path != Path::new("-"));
    let mut files = NewFiles::default();
    for path in json.into_iter().chain(request.sql.as_deref()) {
        files.add(path, &assignment.arguments())?;
    }
    let FittedModel { model, file, .. } = FittedModel::read(&request.model)?;
    let named = NamedSegments::beside(&file, request.names.as_deref())?;
    for part in &model.parts {
        vet_leaves(request.leaves, part)?;
    }
    let mut opened = open(&assignment, None, model, watch)?;
    let needed = [opened.roles.features.clone(), opened.division.columns()].concat();
    inputs::join(&mut opened.source, &needed, &request.resources, None, watch)?;
    let folder = request.resources.scratch_folder(None);
    let mut report = Describing { opened: &opened, folder, leaves: request.leaves, watch }.report()?;
    for segment in report.parts.iter_mut().flat_map(|part| &mut part.segments) {
        segment.segment_id = named.id(segment.segment);
        [segment.called_en, segment.called_zh] = named.called(segment.segment);
    }
    opened.source.vet_unchanged()?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Internal(e.to_string()))?;
        files.text(path, &(text + "\n"))?;
    }
    if let Some(path) = &request.sql {
        files.text(path, &(report.sql.clone() + "\n"))?;
    }
    files.commit()?;
    Ok(report)
}

/// Fails if segments cannot have a leaf each.
fn vet_leaves(leaves: Option<usize>, part: &PartModel) -> Result<()> {
    let k = part.fitted.segments();
    let possible = k..=MOST_LEAVES * k;
    match leaves.filter(|leaves| !possible.contains(leaves)) {
        None => Ok(()),
        Some(leaves) => {
            let text = format!(
                "--leaves {leaves}: {k} segments can have from {} to {} leaves; the default is {}",
                possible.start(),
                possible.end(),
                LEAVES * k
            );
            Err(Error::usage(text).of_option("--leaves"))
        }
    }
}

/// What rules are made of.
struct Describing<'a> {
    opened: &'a OpenedAssign,
    folder: PathBuf,
    leaves: Option<usize>,
    watch: Watch<'a>,
}

/// The rows of a part, with their segments.
struct PartLabelled<'a> {
    source: &'a Source,
    part: &'a PartModel,
    design: Design,
    rule: LabelRule,
    log: SegmentLog,
    counts: Vec<u64>,
    /// The sum of the squared distances.
    inertia: u128,
}

impl Describing<'_> {
    fn report(&self) -> Result<RulesReport> {
        let OpenedAssign { model, source, division, .. } = self.opened;
        let membership = divide(self.opened, self.watch)?;
        let (mut parts, mut cases) = (Vec::new(), Vec::new());
        for (i, part) in model.parts.iter().enumerate() {
            let view = membership.view(source, i);
            if view.rows() == 0 {
                self.watch.note(format!("{}: the input has no rows of this part, so it has no rules", part.name));
                continue;
            }
            let (rules, case) = self.part(&view, part)?;
            parts.push(rules);
            cases.push((self.when(part), case));
        }
        let rules = division.book().map_or(&[][..], |book| &book.rules).iter().enumerate();
        let mut all: Vec<(String, String)> = rules.map(|(i, rule)| (bracketed(&rule.when), i.to_string())).collect();
        let sql = if division.is_whole() {
            cases.pop().map(|(_, case)| case).unwrap_or_default()
        } else {
            all.append(&mut cases);
            case_of_parts(&all)
        };
        let sum = |of: fn(&PartRules) -> u64| parts.iter().map(of).sum::<u64>();
        let fidelity = share(sum(|part| part.right), sum(|part| part.rows));
        Ok(RulesReport { rules_version: 1, rows: source.rows(), fidelity, parts, sql })
    }

    /// The rows of a part that no rule takes, in SQL.
    fn when(&self, part: &PartModel) -> String {
        let OpenedAssign { source, division, .. } = self.opened;
        let Some(within) = division.within() else { return "true".into() };
        let column = &source.columns()[within];
        let name = identifier(&column.name);
        match (&part.value, &column.data_type) {
            // As text, times look otherwise in SQL.
            (Some(value), DataType::Timestamp(_, None)) => format!("{name} = TIMESTAMP {}", literal(value)),
            (Some(value), DataType::Timestamp(..)) => format!("{name} = TIMESTAMPTZ {}", literal(value)),
            (Some(value), _) => format!("CAST({name} AS VARCHAR) = {}", literal(value)),
            (None, _) => format!("{name} IS NULL"),
        }
    }

    /// The rules of a part, and their SQL.
    fn part(&self, view: &Source, part: &PartModel) -> Result<(PartRules, String)> {
        let rows = self.labelled(view, part)?;
        let of = SegmentRows { source: view, log: &rows.log, counts: &rows.counts };
        let columns = cut_columns(view, &rows.design, &self.opened.roles);
        let tree = RuleTree::grown(of, columns, self.leaves, self.watch)?;
        let (counts, more) = self.counted(&rows, tree.against(of))?;
        let is_whole = self.opened.division.is_whole();
        let named = ((!is_whole).then(|| part.name.clone()), part.first_segment);
        // Rules cost squared distances to the centroids of segments, which labels need not go by.
        let inertia = more.map_or((0, 0), |more| (rows.inertia, rows.inertia + more));
        let rules = tree.rules(named, &counts, rows.rule.segments(), inertia);
        let indent = if is_whole { "" } else { "  " };
        Ok((rules, case_of_part(&tree.tree, &tree.columns, part.first_segment, indent)))
    }

    /// The segments of all rows of a part.
    fn labelled<'s>(&self, view: &'s Source, part: &'s PartModel) -> Result<PartLabelled<'s>> {
        let (replayer, preparation) = (&self.opened.replayer, &part.preparation);
        let rule = part.fitted.label_rule()?;
        let k = rule.segments();
        let (mut log, mut counts) = (SegmentLog::new(&self.folder, k)?, vec![0; k]);
        let (mut inertia, mut segments) = (0, Vec::new());
        let worker = RuleLabeller { rule: &rule, margin: false, ladder: &replayer.ladder };
        let design = Design::of_recipe(view, preparation)?;
        log.start();
        self.watch.stage(Stage::Labels, view.rows(), "rows", || {
            for groups in batches(view.row_groups(), replayer.batch_rows) {
                let tiles = self.tiles((view, part, &design), groups)?;
                worker.label(&tiles, self.watch, &mut |mut labels, _| {
                    rule.to_segments(&mut labels.labels);
                    labels.labels.iter().for_each(|&label| counts[label as usize] += 1);
                    inertia += labels.distance2.iter().map(|&distance2| u128::from(distance2)).sum::<u128>();
                    segments.clear();
                    segments.extend(labels.labels.iter().map(|&label| Segment::new(label)));
                    log.see(&segments)
                })?;
            }
            Ok(())
        })?;
        Ok(PartLabelled { source: view, part, design, rule, log, counts, inertia })
    }

    fn tiles(
        &self,
        (view, part, design): (&Source, &PartModel, &Design),
        groups: &[crate::input::RowGroup],
    ) -> Result<Tiles> {
        let scratch = (groups[0].rows > self.opened.replayer.batch_rows).then(|| self.folder.clone());
        let placement = Placement { scratch, ..Placement::default() };
        Ok(replay(view, design, &part.preparation, groups, &placement, self.watch.quiet())?.0)
    }

    /// Rows by leaf and segment, and what the tree's segments add to the sum of squared distances to centroids.
    fn counted(&self, rows: &PartLabelled<'_>, against: TreeRows<'_>) -> Result<(LeafCounts, Option<u128>)> {
        let nothing = || LeafCounts::new(against.tree, rows.rule.segments());
        let centroids = match &rows.rule {
            LabelRule::Centroids(centroids) => Some(centroids),
            LabelRule::Micro(_) | LabelRule::Mixture(_) => None,
        };
        let (mut counts, mut more) = (nothing(), 0);
        self.watch.stage(Stage::Profile, rows.source.rows(), "rows", || {
            for groups in batches(rows.source.row_groups(), self.opened.replayer.batch_rows) {
                let _ahead = against.ahead(groups);
                let watch = self.watch;
                let count = |group| {
                    let (mut counts, mut others) = (nothing(), Vec::new());
                    against.count(group, &mut counts, &mut |other| others.push(other))?;
                    watch.check()?;
                    Ok((counts, others))
                };
                let found: Vec<(LeafCounts, Vec<OtherRow>)> =
                    groups.par_iter().with_max_len(1).map(|&group| count(group)).collect::<Result<_>>()?;
                for (here, _) in &found {
                    counts.merge(here)?;
                }
                let others: Vec<OtherRow> = found.into_iter().flat_map(|(_, others)| others).collect();
                if let Some(centroids) = centroids.filter(|_| !others.is_empty()) {
                    let tiles = self.tiles((rows.source, rows.part, &rows.design), groups)?;
                    more += added(&tiles, groups[0].first_row, &others, centroids)?;
                }
                self.watch.advance(Stage::Profile, groups.iter().map(|group| group.rows).sum());
            }
            Ok(())
        })?;
        Ok((counts, centroids.map(|_| more)))
    }
}

/// What other segments than the nearest add to the sum of squared distances. `tiles` begin with the row `first_row`.
fn added(tiles: &Tiles, first_row: u64, others: &[OtherRow], centroids: &Centroids) -> Result<u128> {
    let chunk = |other: &OtherRow| (other.row - first_row) / tiles.layout().chunk_rows() as u64;
    let of_chunk = |others: &[OtherRow]| {
        let mut buffer = Buffer::default();
        let Some(first) = others.first() else { return Ok(0) };
        let rows = tiles.read(chunk(first) as usize, &mut buffer)?;
        let mut row = vec![0; tiles.dim()];
        let mut sum = 0u128;
        for other in others {
            rows.copy_row((other.row - first_row - rows.first_row) as usize, &mut row);
            let distance2 = |segment: u32| {
                let squares = row.iter().zip(centroids.row(segment as usize));
                squares.map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2) as u64).sum::<u64>()
            };
            sum += u128::from(distance2(other.told) - distance2(other.segment));
        }
        Ok(sum)
    };
    others.par_chunk_by(|a, b| chunk(a) == chunk(b)).map(of_chunk).try_reduce(|| 0, |a, b| Ok(a + b))
}

/// A condition in brackets, which a comment at its end does not swallow.
fn bracketed(condition: &str) -> String {
    if condition.contains("--") { format!("({condition}\n  )") } else { format!("({condition})") }
}
