//! Compares what was measured with the limits.

use serde::{Deserialize, Serialize};

use super::kinds::{GATES, GateKind, GateRange, named};
use super::limit::GateSeverity;
use super::limits::Gates;
use super::measures::{GateSubject, Measures};
use crate::text::Phrase;

/// Gates whose values tell how large segments are.
const OF_SIZES: [&str; 4] = ["share_min", "share_max", "share_change", "smallest_segment"];

/// One gate applied to one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    /// The gate, as the job file names it.
    pub gate: String,
    /// What the value is about; None: the whole run.
    pub subject: Option<GateSubject>,
    /// What was measured; None where there is nothing to compare with.
    pub value: Option<f64>,
    /// The limit.
    pub limit: f64,
    /// What a breach does.
    pub severity: GateSeverity,
    /// The version compared with.
    pub compared_with: Option<u64>,
    /// Whether the value is within the limit. True where there is no value.
    pub passed: bool,
}

/// What follows from all gates of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// Everything is within its limit.
    Passed,
    /// Something is not, and only warns.
    Warned,
    /// Something is not: the version is not published.
    Refused,
}

/// Applies all gates: every breach, and for a gate without one the value closest to its limit. In a fixed order;
/// breaches of a gate from the worst to the least.
pub fn judge(gates: &Gates, measures: &Measures) -> Vec<GateResult> {
    let mut results = Vec::new();
    for kind in &GATES {
        let Some((limit, severity)) = kind.limit(gates) else { continue };
        let result = |subject, value: Option<f64>| GateResult {
            gate: kind.name.to_owned(),
            subject,
            value,
            limit,
            severity,
            compared_with: measures.compared_with,
            passed: value.is_none_or(|value| kind.passes(value, limit)),
        };
        let mut values = (kind.values)(measures).into_iter().collect::<Vec<_>>();
        values.sort_by(|(_, a), (_, b)| if kind.is_upper() { b.total_cmp(a) } else { a.total_cmp(b) });
        let all: Vec<GateResult> = values.into_iter().map(|(subject, value)| result(subject, Some(value))).collect();
        // What is not a number may be at either end.
        let (passed, mut broken): (Vec<_>, Vec<_>) = all.into_iter().partition(|result| result.passed);
        if broken.is_empty() {
            broken.push(passed.into_iter().next().unwrap_or_else(|| result(None, None)));
        }
        results.append(&mut broken);
    }
    results
}

/// The verdict of all results together.
pub fn verdict(results: &[GateResult]) -> GateVerdict {
    let broken = results.iter().filter(|result| !result.passed).map(|result| match result.severity {
        GateSeverity::Error => GateVerdict::Refused,
        GateSeverity::Warn => GateVerdict::Warned,
    });
    broken.max().unwrap_or(GateVerdict::Passed)
}

impl GateResult {
    /// The result in words, such as `share_min: segment 12 has 0.40% of the customers, at least 1.00% allowed`.
    pub fn text(&self) -> String {
        self.phrase().en
    }

    /// The gate and the result in words.
    pub(crate) fn phrase(&self) -> Phrase {
        self.with_title(self.told())
    }

    /// The same, without figures that tell of few customers.
    pub(crate) fn phrase_without_few(&self, few: &FewCustomers<'_>) -> Phrase {
        self.with_title(self.told_without_few(few))
    }

    fn with_title(&self, told: Option<Phrase>) -> Phrase {
        match (told, self.title()) {
            (Some(told), title) => Phrase::new(format!("{title}: {told}"), format!("{}：{}", title.zh, told.zh)),
            (None, title) => title,
        }
    }

    /// What the gate is called; as the job file names it, if it is none of today's.
    pub(crate) fn title(&self) -> Phrase {
        named(&self.gate).map_or_else(|| Phrase::alike(&self.gate), GateKind::title)
    }

    /// The result in words, without the gate; None of a gate that is none of today's.
    pub(crate) fn told(&self) -> Option<Phrase> {
        let kind = named(&self.gate)?;
        if self.value.is_none() {
            return Some(Phrase::new("there is nothing to compare with", "无可比数据"));
        }
        let than = self.compared_with.filter(|_| kind.compares());
        let en = than.map_or_else(String::new, |version| format!(", compared with version {version}"));
        let zh = than.map_or_else(String::new, |version| format!("（与版本 {version} 相比）"));
        let (said, allowed) = (kind.sentence(self.subject.as_ref(), self.value), kind.allowed(self.limit));
        Some(Phrase::new(format!("{}, {}{en}", said.en, allowed.en), format!("{}，{}{zh}", said.zh, allowed.zh)))
    }

    /// The result in words, without the gate, and without figures that tell of few customers.
    pub(crate) fn told_without_few(&self, few: &FewCustomers<'_>) -> Option<Phrase> {
        if few.sizes_are_withheld && OF_SIZES.contains(&self.gate.as_str()) {
            return Some(Phrase::new("the figures of a small segment are withheld", "涉及小客群，数字不予展示"));
        }
        if self.value.is_some_and(|value| few.are_told_by(self, value)) {
            return Some(Phrase::new("the figure of few customers is withheld", "涉及客户数过少，数字不予展示"));
        }
        self.told()
    }
}

/// What tells which values are of few customers.
pub(crate) struct FewCustomers<'a> {
    /// What the values were measured from.
    pub(crate) measures: &'a Measures,
    /// Fewer customers are few.
    pub(crate) limit: u64,
    /// Whether sizes of segments are withheld.
    pub(crate) sizes_are_withheld: bool,
}

impl FewCustomers<'_> {
    /// Whether the value of a gate tells of few customers: of those counted, of all others, or of the difference of
    /// two months.
    fn are_told_by(&self, gate: &GateResult, value: f64) -> bool {
        let of = self.measures;
        if self.limit <= 1 {
            return false;
        }
        match (gate.gate.as_str(), &gate.subject) {
            ("retention_min", Some(GateSubject::SegmentId(id))) => {
                let stayed = of.segments.iter().find(|segment| segment.segment_id == *id).and_then(|of| of.stayed);
                match stayed {
                    Some(stayed) => self.are_few(value, stayed),
                    // A version that does not say it.
                    None => value > 0.0 && value < 1.0,
                }
            }
            ("relabelled_max", _) => self.are_few(value, of.rows),
            ("missing_rise", Some(GateSubject::Feature(name))) => {
                let feature = of.features.iter().find(|feature| feature.name == *name);
                let months = feature.and_then(|of| of.missing.zip(of.missing_before)).zip(of.rows_before);
                let Some(((now, before), rows_before)) = months else { return of.rows == 0 };
                few_changed([before, now], [rows_before, of.rows], self.limit)
                    || self.are_few(now, of.rows)
                    || self.are_few(before, rows_before)
            }
            _ => false,
        }
    }

    /// Whether a share is of few customers, or of all but few.
    fn are_few(&self, share: f64, of: u64) -> bool {
        let n = counted(share, of);
        of < self.limit || self.is_few(n) || self.is_few(of.saturating_sub(n))
    }

    fn is_few(&self, n: u64) -> bool {
        (1..self.limit).contains(&n)
    }
}

/// Whether the customers of two shares, before and now, differ by fewer than `limit`, and by one at least.
pub(crate) fn few_changed([before, now]: [f64; 2], [rows_before, rows]: [u64; 2], limit: u64) -> bool {
    (1..limit).contains(&counted(now, rows).abs_diff(counted(before, rows_before)))
}

/// How many customers a share is of.
fn counted(share: f64, of: u64) -> u64 {
    (share * of as f64).round() as u64
}

/// The gates that a text of [`GateResult::text`]s names.
pub(crate) fn gates_in(text: &str) -> Vec<Phrase> {
    let is_named = |kind: &&GateKind| text.contains(&format!("{}: ", kind.name));
    GATES.iter().filter(is_named).map(GateKind::title).collect()
}

impl GateKind {
    /// Whether its values compare two versions.
    fn compares(&self) -> bool {
        !["share_min", "share_max", "smallest_segment"].contains(&self.name)
    }
}

impl Gates {
    /// Limits that no value can have, by gate: all at once.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let fault = |kind: &GateKind| {
            let (limit, _) = kind.limit(self)?;
            let (within, what) = match kind.range {
                GateRange::Share => ((0.0..=1.0).contains(&limit), "a share from 0 to 1, such as 0.05"),
                GateRange::NotNegative => (limit >= 0.0 && limit.is_finite(), "a number of at least 0, such as 0.1"),
                GateRange::Whole => (limit >= 0.0 && limit.trunc() == limit, "a whole number of at least 0"),
            };
            (!within).then(|| (kind.name, format!("{} is {limit}; it must be {what}", kind.name)))
        };
        GATES.iter().filter_map(fault).collect()
    }

    /// The section `[gates]` of a job file.
    pub fn to_toml(&self) -> String {
        let line = |kind: &GateKind| {
            let (limit, severity) = kind.limit(self)?;
            let bound = if kind.is_upper() { "max" } else { "min" };
            Some(match severity {
                GateSeverity::Error => format!("{} = {limit}\n", kind.name),
                GateSeverity::Warn => format!("{} = {{ {bound} = {limit}, severity = \"warn\" }}\n", kind.name),
            })
        };
        format!("[gates]\n{}", GATES.iter().filter_map(line).collect::<String>())
    }
}
