//! A tree of short rules for rows that have their segments, and what is true of all of these.

use rayon::prelude::*;

use super::profile::shown;
use crate::describe::{CountedTree, CutColumn, Drawn, LeafCounts, PartRules, SampledRows, Tree, TreeRows, grown};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::Source;
use crate::numeric::Partial;
use crate::prepare::Design;
use crate::profile::{ColumnRole, ShownColumn};
use crate::roles::Roles;
use crate::survey::SegmentLog;

/// Leaves for each segment by default.
pub(super) const LEAVES: usize = 2;

/// Rows of a part with their segments, which are numbered from 0.
#[derive(Clone, Copy)]
pub(super) struct SegmentRows<'a> {
    pub(super) source: &'a Source,
    pub(super) log: &'a SegmentLog,
    /// Rows by segment.
    pub(super) counts: &'a [u64],
}

/// A tree, and the columns that it may cut.
pub(super) struct RuleTree {
    pub(super) tree: Tree,
    pub(super) columns: Vec<CutColumn>,
    /// Rows that it was grown on.
    pub(super) drawn: u64,
}

/// The columns of a part's features, as trees cut them.
pub(super) fn cut_columns(source: &Source, design: &Design, roles: &Roles) -> Vec<CutColumn> {
    cuts(source, &shown(source, [design], roles).columns)
}

/// The features among the columns shown, as trees cut them.
pub(super) fn cuts(source: &Source, shown: &[ShownColumn]) -> Vec<CutColumn> {
    let features = shown.iter().filter(|shown| shown.role == ColumnRole::Feature);
    features.filter_map(|shown| CutColumn::new(source, shown)).collect()
}

impl RuleTree {
    /// Grown to at most so many leaves; by default to [`LEAVES`] for each segment.
    pub(super) fn grown(
        rows: SegmentRows<'_>,
        columns: Vec<CutColumn>,
        leaves: Option<usize>,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let SegmentRows { source, log, counts } = rows;
        watch.stage(Stage::Profile, source.rows() * columns.len() as u64, "values", || {
            let drawn = Drawn::of(log, counts, source.rows(), columns.len())?;
            let sampled = SampledRows::read(source, &columns, drawn, watch)?;
            let tree = grown(&sampled, leaves.unwrap_or(LEAVES * counts.len()));
            Ok(RuleTree { tree, drawn: sampled.rows(), columns })
        })
    }

    /// What the tree is held against.
    pub(super) fn against<'a>(&'a self, rows: SegmentRows<'a>) -> TreeRows<'a> {
        TreeRows { source: rows.source, columns: &self.columns, tree: &self.tree, log: rows.log }
    }

    /// Rows by leaf and segment.
    pub(super) fn counted(&self, rows: SegmentRows<'_>, watch: Watch<'_>) -> Result<LeafCounts> {
        let against = self.against(rows);
        let nothing = || LeafCounts::new(&self.tree, rows.counts.len());
        watch.stage(Stage::Profile, rows.source.rows(), "rows", || {
            let groups = rows.source.row_groups();
            let _ahead = against.ahead(groups);
            let count = |group| {
                let mut counts = nothing();
                against.count(group, &mut counts, &mut |_| {})?;
                watch.advance(Stage::Profile, group.rows);
                watch.check()?;
                Ok(counts)
            };
            let merged = |mut a: LeafCounts, b: LeafCounts| a.merge(&b).map(|()| a);
            groups.par_iter().with_max_len(1).map(|&group| count(group)).try_reduce(nothing, merged)
        })
    }

    /// The rules of a part of this name, whose segments begin with this one.
    pub(super) fn rules(
        &self,
        (part, first_segment): (Option<String>, usize),
        counts: &LeafCounts,
        segments: usize,
        inertia: (u128, u128),
    ) -> PartRules {
        let RuleTree { tree, columns, drawn } = self;
        CountedTree { part, first_segment, drawn: *drawn, tree, columns, counts, inertia }.rules(segments)
    }
}
