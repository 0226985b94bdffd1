//! Limits from earlier versions: a gate that nobody tuned fires every month and is switched off.

use super::kinds::{GATES, GateKind, GateRange};
use super::limit::GateSeverity;
use super::limits::Gates;
use super::measures::Measures;
use crate::error::{Error, Result};

/// The fewest values from which a limit is derived.
const FEWEST: usize = 3;

/// Limits that past versions suggest.
#[derive(Debug, Clone, PartialEq)]
pub struct SuggestedGates {
    /// The limits. A gate of which fewer than three versions have a value has none.
    pub gates: Gates,
    /// The versions that had a value, by gate, in the order in which gates are reported.
    pub versions: Vec<(&'static str, usize)>,
}

/// Suggests limits: the mean of the worst values of each version plus three sample standard deviations, or minus for
/// lower limits, rounded to three digits away from the mean, and cut off at 0, and at 1 for shares. All of severity
/// `error`.
///
/// # Errors
/// Fewer than three versions.
pub fn suggest(history: &[Measures]) -> Result<SuggestedGates> {
    if history.len() < FEWEST {
        return Err(Error::usage(format!(
            "gates are suggested from at least {FEWEST} versions; there are {}",
            history.len()
        )));
    }
    let mut suggested = SuggestedGates { gates: Gates::default(), versions: Vec::new() };
    for kind in &GATES {
        let worst: Vec<f64> = history.iter().filter_map(|measures| worst(kind, measures)).collect();
        suggested.versions.push((kind.name, worst.len()));
        if worst.len() >= FEWEST {
            kind.set(&mut suggested.gates, limit(kind, &worst), GateSeverity::Error);
        }
    }
    Ok(suggested)
}

impl SuggestedGates {
    /// The section `[gates]` of a job file, with the number of versions that each limit is from.
    pub fn to_toml(&self) -> String {
        let from = |line: &str| {
            let name = line.split(' ').next().unwrap_or_default();
            let versions = self.versions.iter().find(|(gate, _)| *gate == name);
            versions.map_or_else(|| format!("{line}\n"), |(_, n)| format!("{line}  # from {n} versions\n"))
        };
        let text = self.gates.to_toml();
        format!(
            "# Mean and three standard deviations of past versions.\n{}",
            text.lines().map(from).collect::<String>()
        )
    }
}

/// The value of a version that comes closest to the limit; infinite ones are left out.
fn worst(kind: &GateKind, measures: &Measures) -> Option<f64> {
    let values = (kind.values)(measures).into_iter().map(|(_, value)| value).filter(|value| value.is_finite());
    values.reduce(if kind.is_upper() { f64::max } else { f64::min })
}

fn limit(kind: &GateKind, worst: &[f64]) -> f64 {
    let n = worst.len() as f64;
    let mean = worst.iter().sum::<f64>() / n;
    let deviation = (worst.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    let side = if kind.is_upper() { 1.0 } else { -1.0 };
    let limit = (mean + side * 3.0 * deviation).max(0.0);
    match kind.range {
        GateRange::Share => outward(limit, kind.is_upper()).min(1.0),
        GateRange::NotNegative => outward(limit, kind.is_upper()),
        GateRange::Whole if kind.is_upper() => limit.ceil(),
        GateRange::Whole => limit.floor(),
    }
}

/// A number of at least 0 with three digits, rounded up or down.
fn outward(x: f64, up: bool) -> f64 {
    let text = format!("{x:.2e}");
    let nearest: f64 = text.parse().unwrap_or(x);
    if nearest == x || (nearest > x) == up {
        return nearest;
    }
    let Some((digits, exponent)) = text.split_once('e') else { return nearest };
    let (Ok(digits), Ok(exponent)) = (digits.replace('.', "").parse::<i64>(), exponent.parse::<i32>()) else {
        return nearest;
    };
    let digits = if up { digits + 1 } else { digits - 1 };
    format!("{digits}e{}", exponent - 2).parse().unwrap_or(nearest)
}
