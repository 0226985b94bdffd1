//! The gates: what each one looks at, and how it is put into words.

use super::limit::{AtLeast, AtMost, GateSeverity};
use super::limits::Gates;
use super::measures::{FeatureMeasures, GateSubject, Measures, SegmentMeasures};
use crate::text::{percent, quoted, thousands};

/// Which values a limit may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GateRange {
    /// 0 to 1.
    Share,
    /// At least 0.
    NotNegative,
    /// 0, 1, 2, ...
    Whole,
}

/// One gate.
#[derive(Clone, Copy)]
pub(super) struct GateKind {
    pub(super) name: &'static str,
    pub(super) range: GateRange,
    /// Its limit.
    pub(super) bound: LimitField,
    /// Values that were measured.
    pub(super) values: fn(&Measures) -> Vec<(Option<GateSubject>, f64)>,
    /// What the values are, in a sentence after the subject: the value goes where `{}` is.
    says: &'static str,
    /// How a number is shown.
    shown: fn(f64) -> String,
}

/// The field of a gate's limit.
#[derive(Clone, Copy)]
pub(super) enum LimitField {
    Most(fn(&mut Gates) -> &mut Option<AtMost>),
    Least(fn(&mut Gates) -> &mut Option<AtLeast>),
}

impl GateKind {
    /// Its limit and severity.
    pub(super) fn limit(&self, gates: &Gates) -> Option<(f64, GateSeverity)> {
        let mut gates = gates.clone();
        match self.bound {
            LimitField::Most(field) => field(&mut gates).map(|gate| (gate.max, gate.severity)),
            LimitField::Least(field) => field(&mut gates).map(|gate| (gate.min, gate.severity)),
        }
    }

    pub(super) fn set(&self, gates: &mut Gates, limit: f64, severity: GateSeverity) {
        match self.bound {
            LimitField::Most(field) => *field(gates) = Some(AtMost { max: limit, severity }),
            LimitField::Least(field) => *field(gates) = Some(AtLeast { min: limit, severity }),
        }
    }

    /// Whether it sets an upper limit.
    pub(super) fn is_upper(&self) -> bool {
        matches!(self.bound, LimitField::Most(_))
    }

    /// A value that is not a number does not pass.
    pub(super) fn passes(&self, value: f64, limit: f64) -> bool {
        if self.is_upper() { value <= limit } else { value >= limit }
    }

    /// The value in words, such as `segment 12 has 0.40% of the customers`.
    pub(super) fn sentence(&self, subject: Option<&GateSubject>, value: Option<f64>) -> String {
        let value = value.map_or_else(|| "an unknown value".into(), self.shown);
        let rest = self.says.replacen("{}", &value, 1);
        match subject {
            Some(GateSubject::SegmentId(id)) => format!("segment {id} {rest}"),
            Some(GateSubject::Feature(name)) => format!("{} {rest}", quoted(name)),
            None => rest,
        }
    }

    /// The limit in words.
    pub(super) fn allowed(&self, limit: f64) -> String {
        let side = if self.is_upper() { "most" } else { "least" };
        format!("at {side} {} allowed", (self.shown)(limit))
    }
}

/// The gate of this name.
pub(super) fn named(name: &str) -> Option<&'static GateKind> {
    GATES.iter().find(|kind| kind.name == name)
}

/// All gates, in the order in which they are reported.
pub(super) static GATES: [GateKind; 12] = [
    GateKind {
        name: "rows_change",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.rows_change),
        values: |m| whole(m.rows_before.map(|before| relative(m.rows as f64, before as f64).abs())),
        says: "the number of rows changed by {}",
        shown: percent,
    },
    GateKind {
        name: "missing_rise",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.missing_rise),
        values: |m| features(m, |f| Some(f.missing? - f.missing_before?)),
        says: "has missing values in {} more of the rows",
        shown: points,
    },
    GateKind {
        name: "psi_max",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.psi_max),
        values: |m| features(m, |f| f.psi),
        says: "has a population stability index of {}",
        shown: figure,
    },
    GateKind {
        name: "w1_max",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.w1_max),
        values: |m| features(m, |f| f.w1),
        says: "shifted by {} standard deviations",
        shown: figure,
    },
    GateKind {
        name: "inertia_rise",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.inertia_rise),
        values: |m| whole(m.inertia.zip(m.inertia_before).map(|(now, before)| relative(now, before))),
        says: "the inertia per customer rose by {}",
        shown: points,
    },
    GateKind {
        name: "share_min",
        range: GateRange::Share,
        bound: LimitField::Least(|gates| &mut gates.share_min),
        values: |m| segments(m, |s| Some(s.share)),
        says: "has {} of the customers",
        shown: percent,
    },
    GateKind {
        name: "share_max",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.share_max),
        values: |m| segments(m, |s| Some(s.share)),
        says: "has {} of the customers",
        shown: percent,
    },
    GateKind {
        name: "share_change",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.share_change),
        values: |m| segments(m, |s| Some((s.share - s.share_before?).abs())),
        says: "has a share of the customers that changed by {}",
        shown: percentage_points,
    },
    GateKind {
        name: "smallest_segment",
        range: GateRange::Whole,
        bound: LimitField::Least(|gates| &mut gates.smallest_segment),
        values: |m| segments(m, |s| Some(s.customers as f64)),
        says: "has {} customers",
        shown: count,
    },
    GateKind {
        name: "retention_min",
        range: GateRange::Share,
        bound: LimitField::Least(|gates| &mut gates.retention_min),
        values: |m| segments(m, |s| s.retention),
        says: "kept {} of its customers",
        shown: percent,
    },
    GateKind {
        name: "unmatched_max",
        range: GateRange::Whole,
        bound: LimitField::Most(|gates| &mut gates.unmatched_max),
        values: |m| whole(m.unmatched.map(|n| n as f64)),
        says: "segments without an ancestor or a successor: {}",
        shown: count,
    },
    GateKind {
        name: "relabelled_max",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.relabelled_max),
        values: |m| whole(m.relabelled),
        says: "the definition of their segment changed for {} of the customers",
        shown: percent,
    },
];

fn whole(value: Option<f64>) -> Vec<(Option<GateSubject>, f64)> {
    value.map(|value| (None, value)).into_iter().collect()
}

fn segments(m: &Measures, value: impl Fn(&SegmentMeasures) -> Option<f64>) -> Vec<(Option<GateSubject>, f64)> {
    m.segments.iter().filter_map(|s| Some((Some(GateSubject::SegmentId(s.segment_id)), value(s)?))).collect()
}

fn features(m: &Measures, value: impl Fn(&FeatureMeasures) -> Option<f64>) -> Vec<(Option<GateSubject>, f64)> {
    m.features.iter().filter_map(|f| Some((Some(GateSubject::Feature(f.name.clone())), value(f)?))).collect()
}

/// The relative rise. From nothing to nothing is none, and from nothing to anything an infinite one.
fn relative(now: f64, before: f64) -> f64 {
    match (now, before) {
        (0.0, 0.0) => 0.0,
        _ => (now - before) / before,
    }
}

/// A difference of shares or a relative rise, which may be negative.
fn points(value: f64) -> String {
    if value < 0.0 { format!("-{}", percent(-value)) } else { percent(value) }
}

/// A difference of shares, which is not a relative change.
fn percentage_points(value: f64) -> String {
    format!("{} percentage points", points(value).trim_end_matches('%'))
}

fn figure(value: f64) -> String {
    format!("{value:.4}")
}

fn count(value: f64) -> String {
    thousands(value as u64)
}
