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

    /// The same, where figures of small segments are withheld.
    pub(crate) fn phrase_beside_withheld(&self) -> Phrase {
        self.with_title(self.told_beside_withheld())
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

    /// The result in words, without the gate, where figures of small segments are withheld: not how large a segment is.
    pub(crate) fn told_beside_withheld(&self) -> Option<Phrase> {
        if !OF_SIZES.contains(&self.gate.as_str()) {
            return self.told();
        }
        Some(Phrase::new("the figures of a small segment are withheld", "涉及小客群，数字不予展示"))
    }
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
