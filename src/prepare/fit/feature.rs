//! One feature on its way from landed values to its constants.

use super::candidate::Candidate;
use crate::event::Watch;
use crate::numeric::Moments;
use crate::prepare::design::Feature;
use crate::prepare::land::FeatureTally;
use crate::prepare::preparation::{ColumnTransform, PreparedColumn, Seen};
use crate::prepare::probe::Probed;
use crate::prepare::recipe::{Derivation, Missing, Scale};
use crate::prepare::transform::FittedTransform;

/// A feature that is being fitted. The steps of fitting complete it one after the other.
pub(super) struct FeatureFit<'a> {
    /// Its position in the tiles.
    pub(super) position: usize,
    pub(super) feature: &'a Feature,
    pub(super) name: String,
    pub(super) from: Option<Derivation>,
    /// False for a place that was reserved for a category and is not needed.
    pub(super) used: bool,
    pub(super) probed: Probed,
    pub(super) fitted: Option<FittedTransform>,
    /// Values in the store are differences from this, in units of the grain.
    pub(super) origin: f64,
    pub(super) grain: f64,
    pub(super) tally: FeatureTally,
    /// The sum of the weights of all rows, if they have any.
    mass: Option<u64>,
    pub(super) winsor: Option<(f32, f32)>,
    pub(super) quartiles: Option<[f64; 3]>,
}

/// What puts the values of a feature on the grid, and how far they reach there from 0, in scaled units.
struct Scaling {
    fill: Option<f64>,
    center: f64,
    unit: f64,
    reach: f64,
}

impl<'a> FeatureFit<'a> {
    pub(super) fn new(
        position: usize,
        feature: &'a Feature,
        probed: Probed,
        tally: FeatureTally,
        mass: Option<u64>,
    ) -> Self {
        FeatureFit {
            position,
            feature,
            name: feature.name.clone(),
            from: feature.from.clone(),
            used: true,
            probed,
            fitted: None,
            origin: probed.origin,
            grain: probed.grain,
            tally,
            mass,
            winsor: None,
            quartiles: None,
        }
    }

    /// Whether its values in the store are no longer those that landed.
    pub(super) fn is_changed(&self) -> bool {
        self.fitted.is_some() || self.is_of_category()
    }

    fn is_of_category(&self) -> bool {
        self.from.as_ref().is_some_and(Derivation::is_of_category)
    }

    /// The quantiles that fill and scale need.
    pub(super) fn wanted_quantiles(&self) -> Option<Vec<f64>> {
        let recipe = &self.feature.recipe;
        // Categories are not probed, so there is no other median for missing values in later rows.
        let has_gaps = self.tally.counts.missing() > 0 || self.is_of_category();
        match recipe.scale {
            _ if !self.used || self.tally.moments.n == 0 => None,
            Scale::Robust => Some(vec![0.25, 0.5, 0.75]),
            _ if recipe.missing == Missing::Median && has_gaps => Some(vec![0.5]),
            _ => None,
        }
    }

    /// Takes the quantiles that were wanted; winsorised values are moved within bounds, and quantiles with them.
    pub(super) fn set_quantiles(&mut self, found: &[f64]) {
        let (low, high) = self.winsor.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let within = |v: f64| v.clamp(f64::from(low), f64::from(high));
        self.quartiles = Some([found[0], found[found.len() / 2], found[found.len() - 1]].map(within));
    }

    /// Its constants, or why it cannot be used.
    pub(super) fn into_candidate(self, watch: Watch<'_>) -> Candidate {
        let (feature, name, is_derived) = (self.position, self.name.clone(), self.from.is_some());
        let (column, unusable, reach) = match self.used.then(|| self.scaling(watch)) {
            None => (None, None, 0.0),
            Some(Err(why)) => (None, Some(why), 0.0),
            Some(Ok(scaling)) => {
                let reach = scaling.reach;
                (Some(self.into_column(scaling)), None, reach)
            }
        };
        Candidate { feature, name, column, unusable, is_derived, reach }
    }

    /// The transformed value of a value in the store.
    fn raised(&self, landed: f64) -> f64 {
        landed * self.grain + self.origin
    }

    /// How many values are missing; with weights, the sum of theirs.
    fn missing(&self) -> u64 {
        let missing = |mass: u64| mass - self.tally.moments.mass();
        self.mass.map_or_else(|| self.tally.counts.missing(), missing)
    }

    /// What a missing value becomes, in transformed units.
    fn fill(&self) -> Option<f64> {
        let transformed = |raw: f64| {
            let landed = self.probed.transform.apply(raw);
            self.fitted.as_ref().map_or(landed, |fitted| fitted.apply(landed))
        };
        match self.feature.recipe.missing {
            // If nothing is missing, the fill matters only to later rows: the median of the probed rows will do.
            Missing::Median => Some(self.raised(self.quartiles.map_or(0.0, |q| q[1]))),
            Missing::Mean => Some(self.raised(self.tally.moments.mean)),
            Missing::Zero => Some(transformed(0.0)),
            Missing::Constant(v) => Some(transformed(v)),
            Missing::Refuse => None,
        }
    }

    /// Fill and scale, or why there is none.
    fn scaling(&self, watch: Watch<'_>) -> Result<Scaling, &'static str> {
        let (seen, origin, grain) = (self.tally.moments, self.origin, self.grain);
        if seen.n == 0 {
            return Err("every value is missing");
        }
        let fill = self.fill();
        if fill.is_some_and(|f| !f.is_finite()) {
            return Err("its constant for missing values is outside the domain of its transform");
        }
        // As in scikit-learn, missing values are filled before the statistics for scaling are taken.
        let filled = seen.merge(Moments::repeated(self.missing(), fill.map_or(0.0, |f| (f - origin) / grain)));
        if !(filled.max > filled.min) {
            return Err("it is constant");
        }
        let (center, unit) = self.center_and_unit(&filled, watch);
        if !(unit > 0.0 && unit.is_finite()) {
            return Err("its deviation is too small or too large to scale by");
        }
        let reach = (filled.max - center).abs().max((filled.min - center).abs()) / unit;
        Ok(Scaling { fill, center: self.raised(center), unit: unit * grain, reach })
    }

    /// The value that becomes 0, and the length of a scaled unit, both as they stand in the store.
    fn center_and_unit(&self, filled: &Moments, watch: Watch<'_>) -> (f64, f64) {
        match (self.feature.recipe.scale, self.quartiles) {
            (Scale::Robust, Some([low, median, high])) if high > low => (median, high - low),
            (Scale::Robust, q) => {
                let name = &self.name;
                watch.warn(format!("{name}: its interquartile range is 0; scaled by the standard deviation instead"));
                (q.map_or(filled.mean, |q| q[1]), filled.deviation())
            }
            // The unit of a block is known once all of its features are.
            (Scale::Zscore | Scale::Block, _) => (filled.mean, filled.deviation()),
            (Scale::Minmax, _) => (filled.mean, filled.max - filled.min),
            (Scale::None, _) => (filled.mean, 1.0 / self.grain),
        }
    }

    fn into_column(self, Scaling { fill, center, unit, .. }: Scaling) -> PreparedColumn {
        let (recipe, seen, grain) = (&self.feature.recipe, self.tally.moments, self.grain);
        let fill_is_of_sample = recipe.missing == Missing::Median && self.quartiles.is_none();
        let winsor = self.winsor.map(|(low, high)| [low, high].map(|v| self.raised(f64::from(v))));
        let [mean, min, max] = [seen.mean, seen.min, seen.max].map(|v| self.raised(v));
        PreparedColumn {
            name: self.name,
            data_type: self.feature.data_type.clone(),
            from: self.from,
            transform: ColumnTransform::new(self.probed.transform, self.fitted),
            winsor,
            missing: recipe.missing,
            fill,
            fill_is_of_sample,
            scale: recipe.scale,
            origin: self.probed.origin,
            center,
            unit,
            clip: recipe.clip,
            weight: recipe.weight,
            block: None,
            unseen: recipe.unseen,
            seen: Seen {
                present: seen.n,
                counts: self.tally.counts,
                mean,
                deviation: seen.deviation() * grain,
                skewness: seen.skewness(),
                raw_skewness: self.probed.raw_skewness,
                min,
                max,
            },
        }
    }
}
