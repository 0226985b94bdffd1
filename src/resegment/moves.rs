//! Who moved, on the page of a month: counts in words, and the matrix of moves by segment id.
//!
//! Small counts are withheld, and so are those from which they would follow: an attacker is taken to know the sizes of
//! all segments in both months and how many customers came, left and moved.

use super::report::MigrationReport;
use crate::audit::withhold_moves;
use crate::report::{Language, Page, Table};
use crate::text::{percent, thousands};

/// The most segments that have a line and a column each; the others share one.
const MOST_SEGMENTS: usize = 24;
/// A count that is withheld.
const DASH: &str = "–";

/// Adds the section.
pub(super) fn add(page: &mut Page, migration: &MigrationReport, matrix: Option<&MoveMatrix>, small_cells: u64) {
    let language = page.language();
    page.section(language.say("Who moved", "客户迁移"), None);
    let Some(matrix) = matrix else {
        page.paragraph(&match language {
            Language::En => {
                format!("Fewer than {small_cells} customers came, left, stayed, moved or kept their segment: withheld.")
            }
            Language::Zh => {
                format!("新增、流失、存续、迁移或未迁移客户不足 {small_cells} 位，不予展示。")
            }
        });
        return;
    };
    let [stayed, came, left] = [migration.stayed, migration.came, migration.left].map(thousands);
    page.paragraph(&match language {
        Language::En => format!("{stayed} customers were there before; {came} came and {left} left."),
        Language::Zh => format!("上期存续客户 {stayed} 位；新增 {came} 位，流失 {left} 位。"),
    });
    if matrix.is_safe {
        let share = percent(migration.moved as f64 / migration.stayed.max(1) as f64);
        let moved = thousands(migration.moved);
        page.paragraph(&match language {
            Language::En => format!("{moved} of those who stayed ({share}) are in another segment now."),
            Language::Zh => format!("存续客户中 {moved} 位（{share}）迁移至其他客群。"),
        });
    }
    page.rows(&matrix.table(language));
    page.explain(language.say(
        "Customers by the segment before (rows) and now (columns), by id.",
        "行为上期客群，列为本期客群（按客群 ID）。",
    ));
    if matrix.is_cut() {
        page.explain(&match language {
            Language::En => format!("The {MOST_SEGMENTS} largest segments are shown; report.json has all moves."),
            Language::Zh => format!("仅展示规模最大的 {MOST_SEGMENTS} 个客群，完整迁移数据见 report.json。"),
        });
    }
}

/// The side of a matrix: which segments have a place of their own.
pub(super) struct MoveSide {
    /// Their ids.
    pub(super) ids: Vec<u64>,
    /// The place of each segment by its number.
    place: Vec<usize>,
}

impl MoveSide {
    /// The segments of the largest counts, in order; all others have the place behind them.
    fn new(ids: &[u64], sizes: &[u64]) -> Self {
        let mut largest: Vec<usize> = (0..ids.len()).collect();
        // Stable: the first of equal ones.
        largest.sort_by_key(|&at| std::cmp::Reverse(sizes[at]));
        largest.truncate(MOST_SEGMENTS);
        largest.sort_unstable();
        let own = |at: usize| largest.iter().position(|&other| other == at).unwrap_or(largest.len());
        MoveSide { ids: largest.iter().map(|&at| ids[at]).collect(), place: (0..ids.len()).map(own).collect() }
    }

    /// Places: the segments, others, without one, and who came or left.
    pub(super) fn len(&self) -> usize {
        self.ids.len() + 3
    }

    /// Whether segments share a place.
    pub(super) fn is_cut(&self) -> bool {
        self.place.len() > self.ids.len()
    }

    fn of(&self, segment: Option<u32>, is_outside: bool) -> usize {
        match segment {
            _ if is_outside => self.ids.len() + 2,
            Some(at) => self.place.get(at as usize).copied().unwrap_or(self.ids.len()),
            None => self.ids.len() + 1,
        }
    }

    fn heads(&self, language: Language, outside: &str) -> Vec<String> {
        let more = [language.say("others", "其他"), language.say("none", "未分"), outside];
        self.ids.iter().map(|id| format!("ID {id}")).chain(more.map(str::to_owned)).collect()
    }
}

/// Whether few of `stayed` customers moved, or all but few.
pub(super) fn is_few_of(moved: u64, stayed: u64, small_cells: u64) -> bool {
    [moved, stayed.saturating_sub(moved)].iter().any(|n| (1..small_cells).contains(n))
}

/// Customers by segment before (lines) and now (columns).
pub(super) struct MoveMatrix {
    pub(super) before: MoveSide,
    pub(super) now: MoveSide,
    counts: Vec<Vec<u64>>,
    /// Without what is withheld.
    pub(super) told: Vec<Vec<Option<u64>>>,
    /// Whether no small count follows if one knows how many moved.
    is_safe: bool,
}

impl MoveMatrix {
    /// `ids` are those of the segments before and now, by their numbers. None if few customers came, left, stayed,
    /// moved or kept their segment.
    pub(super) fn told(migration: &MigrationReport, ids: &[Vec<u64>; 2], small_cells: u64) -> Option<Self> {
        // The sizes of both months tell the difference of who came and who left, and so one from the other.
        let &MigrationReport { came, left, stayed, moved, .. } = migration;
        let is_few = [came, left, stayed].iter().any(|n| (1..small_cells).contains(n));
        let is_few = is_few || is_few_of(moved, stayed, small_cells);
        (!is_few).then(|| MoveMatrix::new(migration, ids, small_cells))
    }

    fn new(migration: &MigrationReport, [before, now]: &[Vec<u64>; 2], small_cells: u64) -> Self {
        let mut sizes = [vec![0u64; before.len()], vec![0u64; now.len()]];
        for flow in &migration.flows {
            for (sizes, segment) in sizes.iter_mut().zip([flow.before, flow.now]) {
                if let Some(size) = segment.and_then(|at| sizes.get_mut(at as usize)) {
                    *size += flow.customers;
                }
            }
        }
        let (before, now) = (MoveSide::new(before, &sizes[0]), MoveSide::new(now, &sizes[1]));
        let mut counts = vec![vec![0u64; now.len()]; before.len()];
        for flow in &migration.flows {
            counts[before.of(flow.before, flow.is_new)][now.of(flow.now, flow.has_left)] += flow.customers;
        }
        let mut told: Vec<Vec<Option<u64>>> =
            counts.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
        let outside = [before.len() - 1, now.len() - 1];
        let same = |from: usize, to: usize| match (before.ids.get(from), now.ids.get(to)) {
            (Some(from), Some(to)) => from == to,
            (None, None) => from == before.ids.len() + 1 && to == now.ids.len() + 1,
            _ => false,
        };
        let has_moved = |from: usize, to: usize| from != outside[0] && to != outside[1] && !same(from, to);
        let is_safe = withhold_moves(&mut told, small_cells, has_moved);
        MoveMatrix { before, now, counts, told, is_safe }
    }

    fn is_cut(&self) -> bool {
        [&self.before, &self.now].iter().any(|side| side.is_cut())
    }

    fn table(&self, language: Language) -> Table {
        let any = |to: usize| self.counts.iter().any(|line| line[to] > 0);
        // Segments have their column even if nobody is in them.
        let columns: Vec<usize> = (0..self.now.len()).filter(|&to| to < self.now.ids.len() || any(to)).collect();
        let heads = self.now.heads(language, language.say("left", "流失"));
        let from = language.say("from \\ to", "由 \\ 至").to_owned();
        let mut table = Table::new(std::iter::once(from).chain(columns.iter().map(|&to| heads[to].clone())), 1);
        let heads = self.before.heads(language, language.say("new", "新增"));
        for ((head, counts), told) in heads.into_iter().zip(&self.counts).zip(&self.told) {
            if counts.iter().any(|n| *n > 0) {
                let cell = |&to: &usize| told[to].map_or_else(|| DASH.to_owned(), thousands);
                table.row(std::iter::once(head).chain(columns.iter().map(cell)).collect::<Vec<_>>());
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_any_kind_are_withheld() {
        let is_told = |[came, left, stayed, moved]: [u64; 4]| {
            let migration = MigrationReport {
                stayed,
                came,
                left,
                moved,
                moved_by_behaviour: None,
                not_members: 0,
                flows: Vec::new(),
            };
            MoveMatrix::told(&migration, &[vec![0], vec![0]], 10).is_some()
        };
        for told in [[0, 0, 100, 0], [10, 10, 100, 10], [0, 50, 100, 90], [20, 20, 100, 100], [20, 20, 0, 0]] {
            assert!(is_told(told), "{told:?}");
        }
        // Few came, left, stayed, moved or kept their segment.
        for few in [[3, 0, 100, 0], [0, 3, 100, 0], [50, 50, 9, 0], [0, 0, 100, 3], [0, 0, 100, 97]] {
            assert!(!is_told(few), "{few:?}");
        }
        // An edited report: more moved than stayed.
        assert!(is_told([0, 0, 50, 60]));
    }
}
