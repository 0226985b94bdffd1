//! Merges the rows of all parts in input order: those taken by rules, and those of strata, whose labels come from
//! scratch files.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float32Array, Int32Array, StringArray};
use rayon::prelude::*;

use super::OUTPUT_GROUP_ROWS;
use super::parts::UnsealedLabels;
use super::scratch::Kept;
use super::segments::{LabelledColumns, SegmentTable};
use super::writer::hash;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::rules::{Membership, UNKNOWN_STRATUM};
use crate::survey::{Ride, Segment};

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
    let margin = table.has_margin();
    let rules = membership.rules.len();
    let names = segments.names.iter().map(String::as_str).chain([UNKNOWN_STRATUM]);
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let nameless = segments.names.len() as u32;
    let mut hasher = blake3::Hasher::new();
    let mut parts = membership.parts().peekable();
    while parts.peek().is_some() {
        watch.check()?;
        let group: Vec<Option<usize>> = parts.by_ref().take(OUTPUT_GROUP_ROWS).collect();
        let fill = || {
            let mut rows = Group::with_capacity(group.len());
            for part in &group {
                let record = match part.and_then(|part| part.checked_sub(rules)) {
                    Some(stratum) => Some(strata[stratum].next(margin)?),
                    None => None,
                };
                // The rows of a rule are one segment.
                let within = record.map_or(Segment::new(0), |r| r.segment);
                rows.segments.push(part.map_or(Segment::NONE, |part| within.after(segments.firsts[part] as u32)));
                rows.distances.push(record.map(|r| r.distance));
                rows.margins.push(record.and_then(|r| r.margin));
            }
            hash(&rows.segments, &mut hasher);
            Ok::<_, Error>(rows)
        };
        let (own, rows) = rayon::join(|| table.take_own(group.len()), fill);
        let rows = rows?;
        surveys.see(&rows.segments)?;
        let keys: Vec<i32> = rows.segments.par_iter().map(|s| s.number_or(nameless) as i32).collect();
        let named = DictionaryArray::try_new(Int32Array::from(keys), names.clone());
        let named = named.map_err(|e| Error::Internal(format!("the segments' names: {e}")))?;
        let columns = LabelledColumns {
            own: own?,
            names: Some(Arc::new(named)),
            distances: Arc::new(Float32Array::from(rows.distances)),
            margins: margin.then(|| Arc::new(Float32Array::from(rows.margins)) as ArrayRef),
            belongs: None,
        };
        table.write_columns(columns, &rows.segments)?;
        watch.advance(Stage::Write, group.len() as u64);
    }
    Ok((hasher.finalize().to_hex().to_string(), table.finish()?))
}

/// Rows of one row group.
struct Group {
    segments: Vec<Segment>,
    distances: Vec<Option<f32>>,
    margins: Vec<Option<f32>>,
}

impl Group {
    fn with_capacity(rows: usize) -> Self {
        Group {
            segments: Vec::with_capacity(rows),
            distances: Vec::with_capacity(rows),
            margins: Vec::with_capacity(rows),
        }
    }
}
