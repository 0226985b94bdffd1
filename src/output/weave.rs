//! Merges the rows of all parts in input order: those taken by rules, and those of strata, whose labels come from
//! scratch files.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float32Array, Int32Array, StringArray};
use rayon::prelude::*;

use super::OUTPUT_GROUP_ROWS;
use super::parts::UnsealedLabels;
use super::scratch::{Kept, Record, RecordShape};
use super::segments::{LabelledColumns, SegmentTable, micro_column, posterior_columns};
use super::spread::{DistanceSpread, SeenDistances};
use super::writer::hash;
use crate::backend::RowPosterior;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::rules::{Membership, UNKNOWN_STRATUM};
use crate::survey::{Ride, Segment};

/// The most rows whose medians are exact.
const EXACT_ROWS: u64 = 1_000_000;

/// The names of a bank's segments: first those of rules, then those of strata, stratum by stratum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SegmentNames {
    names: Vec<String>,
    /// The first segment of each part; a part is a rule or a stratum.
    firsts: Vec<usize>,
    strata: usize,
    /// Whether there are rows without a segment.
    nameless: bool,
}

impl SegmentNames {
    /// `ks`: the segments of each stratum.
    pub(crate) fn new(membership: &Membership, ks: &[usize]) -> Self {
        let names = membership.rules.iter().map(|r| r.name.clone()).collect();
        let mut named = SegmentNames { names, firsts: Vec::new(), strata: ks.len(), nameless: membership.unknown > 0 };
        named.firsts.extend(0..named.names.len());
        for (stratum, k) in membership.strata.iter().zip(ks) {
            named.firsts.push(named.names.len());
            named.names.extend((0..*k).map(|j| format!("{}/{j}", stratum.name)));
        }
        named
    }

    /// Segments of all parts, plus one for rows without a segment, if there are any.
    pub(crate) fn count(&self) -> usize {
        self.names.len() + usize::from(self.nameless)
    }

    /// The names of all segments, by number.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The segments of a stratum.
    fn of_stratum(&self, stratum: usize) -> usize {
        let end = if stratum + 1 < self.strata { self.first(stratum + 1) } else { self.names.len() };
        end - self.first(stratum)
    }

    /// The first segment of a stratum.
    pub(crate) fn first(&self, stratum: usize) -> usize {
        self.firsts[self.firsts.len() - self.strata + stratum]
    }
}

/// Writes all rows of `membership` to `table`; `strata` are the labels of each stratum. Returns the hash of all labels
/// as little-endian i32, -1 for rows without a segment, and the table. Surveys see the segments too.
pub(super) fn weave(
    membership: &Membership,
    mut strata: Vec<Kept>,
    segments: &SegmentNames,
    mut table: SegmentTable<'_>,
    surveys: &mut dyn Ride,
    watch: Watch<'_>,
) -> Result<(String, UnsealedLabels)> {
    let shape = table.shape();
    let spreads = if table.has_anomaly() { spreads(membership, &mut strata, segments, shape)? } else { Vec::new() };
    let rules = membership.rules.len();
    let names = segments.names.iter().map(String::as_str).chain([UNKNOWN_STRATUM]);
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let nameless = segments.names.len() as u32;
    let mut hasher = blake3::Hasher::new();
    let whole = membership.is_whole().then(|| std::iter::repeat_n(Some(0), membership.rows() as usize));
    let mut parts = whole.into_iter().flatten().chain(membership.parts()).peekable();
    while parts.peek().is_some() {
        watch.check()?;
        let group: Vec<Option<usize>> = parts.by_ref().take(OUTPUT_GROUP_ROWS).collect();
        let fill = || {
            let mut rows = Group::with_capacity(group.len());
            for part in &group {
                let record = match part.and_then(|part| part.checked_sub(rules)) {
                    Some(stratum) => Some(strata[stratum].next(shape)?),
                    None => None,
                };
                // The rows of a rule are one segment.
                let within = record.map_or(Segment::new(0), |r| r.segment);
                let first = part.map(|part| segments.firsts[part] as u32);
                rows.push(first.map_or(Segment::NONE, |first| within.after(first)), record, &spreads);
                rows.posteriors.push((record.and_then(|r| r.posterior), first.unwrap_or(0)));
            }
            hash(&rows.segments, &mut hasher);
            Ok::<_, Error>(rows)
        };
        let (own, rows) = rayon::join(|| table.take_own(group.len()), fill);
        let mut rows = rows?;
        surveys.see(&rows.segments)?;
        let named = || {
            let keys: Vec<i32> = rows.segments.par_iter().map(|s| s.number_or(nameless) as i32).collect();
            let named = DictionaryArray::try_new(Int32Array::from(keys), names.clone());
            named.map(|named| Arc::new(named) as ArrayRef)
        };
        let named = table.is_named().then(named).transpose();
        let named = named.map_err(|e| Error::Internal(format!("the segments' names: {e}")))?;
        let segments = std::mem::take(&mut rows.segments);
        table.write_columns(rows.columns((own?, named), shape, !spreads.is_empty()), &segments)?;
        watch.advance(Stage::Write, group.len() as u64);
    }
    Ok((hasher.finalize().to_hex().to_string(), table.finish()?))
}

/// By segment of all parts: the spread of its distances as the table has them. Rules have none.
fn spreads(
    membership: &Membership,
    strata: &mut [Kept],
    segments: &SegmentNames,
    shape: RecordShape,
) -> Result<Vec<DistanceSpread>> {
    let mut all = vec![DistanceSpread { median: None, mad: None }; membership.rules.len()];
    for (i, (kept, stratum)) in strata.iter_mut().zip(&membership.strata).enumerate() {
        let new = || SeenDistances::new(membership.rows() <= EXACT_ROWS);
        let mut seen: Vec<SeenDistances> = (0..segments.of_stratum(i)).map(|_| new()).collect();
        for _ in 0..stratum.rows {
            let record = kept.next(shape)?;
            let of = record.segment.number().and_then(|number| seen.get_mut(number as usize));
            of.into_iter().for_each(|seen| seen.push(f64::from(record.distance)));
        }
        kept.rewind()?;
        all.extend(seen.iter().map(|seen| DistanceSpread::of(&seen.counted())));
    }
    Ok(all)
}

/// Rows of one row group.
struct Group {
    segments: Vec<Segment>,
    distances: Vec<Option<f32>>,
    margins: Vec<Option<f32>>,
    micro: Vec<Option<u32>>,
    /// With the first segment of the row's part.
    posteriors: Vec<(Option<RowPosterior>, u32)>,
    /// Empty unless they are wanted.
    ratios: Vec<Option<f32>>,
    zs: Vec<Option<f32>>,
}

impl Group {
    fn with_capacity(rows: usize) -> Self {
        Group {
            segments: Vec::with_capacity(rows),
            distances: Vec::with_capacity(rows),
            margins: Vec::with_capacity(rows),
            micro: Vec::with_capacity(rows),
            posteriors: Vec::new(),
            ratios: Vec::new(),
            zs: Vec::new(),
        }
    }

    /// The columns of the rows, without their segments.
    fn columns(
        self,
        (own, names): (Vec<ArrayRef>, Option<ArrayRef>),
        shape: RecordShape,
        has_unusual: bool,
    ) -> LabelledColumns {
        let unusual = [self.ratios, self.zs].map(|values| Arc::new(Float32Array::from(values)) as ArrayRef);
        LabelledColumns {
            own,
            names,
            micro: shape.micro.then(|| micro_column(self.micro.into_iter())),
            posteriors: if shape.posterior { posterior_columns(self.posteriors.into_iter()) } else { Vec::new() },
            distances: Arc::new(Float32Array::from(self.distances)),
            margins: shape.margin.then(|| Arc::new(Float32Array::from(self.margins)) as ArrayRef),
            unusual: if has_unusual { unusual.into() } else { Vec::new() },
            belongs: None,
        }
    }

    /// Adds a row; of a rule, or without a segment, there is no record.
    fn push(&mut self, segment: Segment, record: Option<Record>, spreads: &[DistanceSpread]) {
        self.segments.push(segment);
        self.distances.push(record.map(|r| r.distance));
        self.margins.push(record.and_then(|r| r.margin));
        self.micro.push(record.and_then(|r| r.micro));
        if !spreads.is_empty() {
            let spread = segment.number().and_then(|number| spreads.get(number as usize));
            let both = spread.zip(record.map(|r| f64::from(r.distance)));
            self.ratios.push(both.and_then(|(spread, distance)| spread.ratio(distance)).map(|ratio| ratio as f32));
            self.zs.push(both.and_then(|(spread, distance)| spread.robust_z(distance)).map(|z| z as f32));
        }
    }
}
