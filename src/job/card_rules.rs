//! The rules on the cards of a page: each segment of a profile as a sentence, from the labels of all rows.

use super::labelling::{Labelling, PartLabels};
use super::rule_tree::{RuleTree, SegmentRows, cut_columns};
use crate::describe::{CutColumn, PartRules, SegmentRule};
use crate::error::Result;
use crate::event::Watch;
use crate::input::Source;
use crate::prepare::{Design, Preparation};
use crate::profile::{GroupProfile, GroupRule, ProfileReport, RuleAlternative, RuleFigures};
use crate::roles::Roles;
use crate::rules::{Division, Membership};
use crate::survey::{Ride, Segment, SegmentLog};

/// The most segments of a part that get rules: nobody reads more, and a tree of very many leaves takes long.
const MOST_SEGMENTS: usize = 64;
/// Rows read at a time.
const BLOCK: u64 = 1 << 16;

/// A bank whose rows have their segments.
pub(super) struct LabelledBank<'a> {
    pub(super) source: &'a Source,
    pub(super) division: &'a Division,
    pub(super) membership: &'a Membership,
    pub(super) roles: &'a Roles,
    pub(super) labels: &'a Labelling,
    /// By part.
    pub(super) preparations: Vec<&'a Preparation>,
    /// The segments of all rows.
    pub(super) log: &'a SegmentLog,
}

impl LabelledBank<'_> {
    /// Adds the rules to a profile: those of parts are found by a tree each, those of the file of rules are as written.
    ///
    /// # Errors
    /// Columns that cannot be decoded, or a scratch file that cannot be written.
    pub(super) fn tell(&self, report: &mut ProfileReport, watch: Watch<'_>) -> Result<()> {
        self.written(report);
        let logs = if self.division.is_whole() { Vec::new() } else { self.logs()? };
        for (i, (part, preparation)) in self.labels.parts.iter().zip(&self.preparations).enumerate() {
            let view = self.membership.view(self.source, i);
            let design = Design::of_recipe(&view, preparation)?;
            let columns = cut_columns(&view, &design, self.roles);
            let log = logs.get(i).unwrap_or(self.log);
            let rows = SegmentRows { source: &view, log, counts: &part.labels.counts };
            let named = ((!self.division.is_whole()).then(|| part.name.clone()), part.first_segment);
            tell(report, rows, (named, columns), watch)?;
        }
        Ok(())
    }

    /// The rules of the file, unless they tell who somebody is.
    fn written(&self, report: &mut ProfileReport) {
        let Some(book) = self.division.book() else { return };
        let is_personal =
            |column: &usize| Some(*column) == self.roles.id || self.roles.personal.iter().any(|(at, _)| at == column);
        if self.division.columns().iter().any(is_personal) {
            return;
        }
        for (segment, rule) in book.rules.iter().enumerate() {
            if let Some(group) = told(report, segment) {
                let [en, zh] = [rule.when.clone(), rule.when.clone()];
                group.rule = Some(GroupRule { part: None, en, zh, any_of: Vec::new(), figures: None });
            }
        }
    }

    /// The segments of the rows of each part, numbered from 0.
    fn logs(&self) -> Result<Vec<SegmentLog>> {
        let rules = self.membership.rules.len();
        let new = |part: &PartLabels| SegmentLog::new(self.log.folder(), part.labels.counts.len());
        let mut logs: Vec<SegmentLog> = self.labels.parts.iter().map(new).collect::<Result<_>>()?;
        let mut parts = self.membership.parts();
        let mut codes = vec![0; BLOCK as usize];
        for first in (0..self.source.rows()).step_by(BLOCK as usize) {
            codes.truncate((self.source.rows() - first).min(BLOCK) as usize);
            self.log.read(first, &mut codes)?;
            let mut segments: Vec<Vec<Segment>> = vec![Vec::new(); logs.len()];
            for (&code, part) in codes.iter().zip(parts.by_ref()) {
                let Some(part) = part.and_then(|part| part.checked_sub(rules)) else { continue };
                let before = 1 + self.labels.parts[part].first_segment as u32;
                segments[part].push(code.checked_sub(before).map_or(Segment::NONE, Segment::new));
            }
            logs.iter_mut().zip(&segments).try_for_each(|(log, segments)| log.see(segments))?;
        }
        Ok(logs)
    }
}

/// Adds the rules of rows to a profile. `named` is the name of their part and its first segment in the profile.
///
/// # Errors
/// Columns that cannot be decoded.
pub(super) fn tell(
    report: &mut ProfileReport,
    rows: SegmentRows<'_>,
    (named, columns): ((Option<String>, usize), Vec<CutColumn>),
    watch: Watch<'_>,
) -> Result<()> {
    let segments = rows.counts.len();
    if segments > MOST_SEGMENTS {
        watch.note(format!(
            "the page has no rules for {segments} segments, only for up to {MOST_SEGMENTS}; hyades explain MODEL INPUT \
             --rules finds them"
        ));
        return Ok(());
    }
    if rows.source.rows() == 0 || columns.is_empty() {
        return Ok(());
    }
    let tree = RuleTree::grown(rows, columns, None, watch)?;
    let counts = tree.counted(rows, watch)?;
    let PartRules { part, segments, .. } = tree.rules(named, &counts, segments, (0, 0));
    for rule in segments {
        let is_told = names_common_categories(report, &rule);
        let Some(group) = told(report, rule.segment as usize).filter(|_| is_told) else { continue };
        let SegmentRule { en: Some(en), zh: Some(zh), told, precision, recall, paths, .. } = rule else { continue };
        let right = paths.iter().map(|path| path.right).sum();
        let figures = Some(RuleFigures { told, right, precision, recall });
        let several = if paths.len() > 1 { paths } else { Vec::new() };
        let any_of = several.into_iter().map(|path| RuleAlternative { en: path.en, zh: path.zh }).collect();
        group.rule = Some(GroupRule { part: part.clone(), en, zh, any_of, figures });
    }
    Ok(())
}

/// A segment that is not withheld.
fn told(report: &mut ProfileReport, segment: usize) -> Option<&mut GroupProfile> {
    let is_told = |group: &&mut GroupProfile| group.segment == Some(segment as u32) && !group.withheld;
    report.segments.iter_mut().find(is_told)
}

/// Whether a rule names no category that the profile does not name, since it may have few customers.
fn names_common_categories(report: &ProfileReport, rule: &SegmentRule) -> bool {
    let conditions = || rule.paths.iter().flat_map(|path| &path.conditions);
    conditions().all(|condition| {
        let column = report.columns.iter().find(|column| column.name == condition.column);
        let is_known = |category: &String| column.is_some_and(|column| column.categories.contains(category));
        condition.is.iter().chain(&condition.not).all(is_known)
    })
}
