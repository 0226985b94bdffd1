//! Hysteresis: a customer leaves his segment only for one that is nearer by a margin, so that noise at a border moves
//! nobody to and fro.

use std::ops::Range;

use super::base::BaseVersion;
use super::opened::MonthlyJob;
use super::stage::StagedMonth;
use crate::error::Result;
use crate::identity::Identities;
use crate::job::{GridRows, RowSegments};
use crate::migration::{MemberPlace, RowCodes};

/// Rows of the input that are looked at together.
const BATCH: u64 = 1 << 20;

/// Customers who may keep their segment.
pub(super) struct Holding<'a> {
    pub(super) job: &'a MonthlyJob<'a>,
    pub(super) staged: &'a StagedMonth,
    pub(super) base: &'a BaseVersion,
    pub(super) identities: &'a Identities,
    /// Where each row was.
    pub(super) before: &'a RowCodes,
    /// How much nearer another segment must be, as a share of the distance to one's own.
    pub(super) margin: f64,
}

impl Holding<'_> {
    /// The rows that keep their segment, in order, each with its number. The nearest segment is the one of `now`; the
    /// margin is one of the new model, between the two centroids that it has for the old and the new segment.
    ///
    /// # Errors
    /// Rows that cannot be read again.
    pub(super) fn held(&self, now: &RowCodes) -> Result<Vec<(u64, MemberPlace)>> {
        let place = (&self.job.opened.fit.resources, self.staged.output.as_path());
        let source = self.job.opened.source.hashed_apart();
        let rows = GridRows::new(source, &[&self.staged.model], place, self.job.watch().quiet())?;
        let successors = self.identities.successors(&self.base.identities);
        let mut held = Vec::new();
        let mut next = 0;
        while next < rows.groups().len() {
            self.job.watch().check()?;
            let groups = rows.batch(next, BATCH);
            next = groups.end;
            let wanted = |row: u64| {
                let own = successors[self.before.get(row).segment()? as usize]?;
                let nearest = now.get(row).segment().filter(|&nearest| nearest != own)?;
                Some((row, own, nearest))
            };
            let changes: Vec<(u64, u32, u32)> = rows.rows(&groups).filter_map(wanted).collect();
            self.hold(&rows, &groups, &changes, &mut held)?;
        }
        rows.vet_unchanged()?;
        held.sort_unstable_by_key(|(row, _)| *row);
        Ok(held)
    }

    fn hold(
        &self,
        rows: &GridRows,
        groups: &Range<usize>,
        changes: &[(u64, u32, u32)],
        held: &mut Vec<(u64, MemberPlace)>,
    ) -> Result<()> {
        for part in &self.staged.model.parts {
            let segments = part.first_segment..part.first_segment + part.fitted.segments();
            let is_in = |number: u32| segments.contains(&(number as usize));
            let of_part: Vec<&(u64, u32, u32)> =
                changes.iter().filter(|(_, own, nearest)| is_in(*own) && is_in(*nearest)).collect();
            let number = |segment: u32| segment as usize - segments.start;
            let pair = |&&(row, own, nearest): &&(u64, u32, u32)| RowSegments {
                row,
                set: 0,
                from: number(own),
                to: number(nearest),
            };
            let wanted: Vec<RowSegments> = of_part.iter().map(pair).collect();
            let centroids = [part.fitted.of_kmeans("hysteresis")?.grid()?];
            let gains = rows.gains(&part.preparation, &centroids, groups, &wanted, self.job.watch())?;
            // Distances are squared.
            let limit = (1.0 - self.margin) * (1.0 - self.margin);
            for (&&(row, own, _), gain) in of_part.iter().zip(&gains) {
                if (gain.from - gain.all) as f64 > limit * gain.from as f64 {
                    held.push((row, MemberPlace::of(Some(own))));
                }
            }
        }
        Ok(())
    }
}
