//! Fitting a recipe: from landed values and what was counted of them to the constants of every feature.

mod candidate;
mod categories;
mod feature;
mod quantile;
mod refine;

pub(crate) use self::candidate::{Candidate, drop_unusable, step_exponent};
pub(crate) use self::categories::{Dictionary, Lookup, as_text};
pub(crate) use self::quantile::quantile_bytes;
pub(crate) use self::refine::{Change, change};

use self::candidate::{scale_blocks, weigh_blocks};
use self::categories::{Merged, merge};
use self::feature::FeatureFit;
use self::quantile::{Wanted, quantiles};
use self::refine::{LandedValues, likeliest_lambda};
use super::design::{DecodeUnit, Design, Encoding, Feature};
use super::land::{FeatureTally, Landed};
use super::probe::Probed;
use super::recipe::{Categories, Derivation, Missing, Recipe, Transform};
use super::transform::FittedTransform;
use crate::error::{Error, ErrorKind, Result};
use crate::input::Source;
use crate::run::Run;
use crate::tiles::Store;

/// All features after fitting, and the categories that some are made of.
pub(crate) struct FittedFeatures {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) categories: Vec<Categories>,
}

/// Fails with all features whose values their recipe does not allow.
pub(crate) fn refuse(design: &Design, tallies: &[FeatureTally]) -> Result<()> {
    let (mut columns, mut faults) = (Vec::new(), Vec::new());
    for (Feature { name, recipe, .. }, FeatureTally { counts, undefined, .. }) in design.features.iter().zip(tallies) {
        if recipe.missing == Missing::Refuse && counts.missing() > 0 {
            let codes = if counts.sentinels > 0 { format!(", {} sentinels", counts.sentinels) } else { String::new() };
            columns.push(name);
            faults.push(format!(
                "{name:?} has {} nulls, {} NaN and {} infinities{codes}; its recipe refuses missing values (--missing)",
                counts.nulls, counts.nan, counts.infinite
            ));
        }
        if *undefined > 0 {
            let why = match recipe.transform {
                Transform::Sqrt => "negative values, for which sqrt is undefined; use yeo-johnson or signed-log1p",
                _ => "values of -1 or less, for which log1p is undefined; use signed-log1p",
            };
            columns.push(name);
            faults.push(format!("{name:?} has {undefined} {why}"));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    columns.dedup();
    Err(Error::input(faults.join("\n")).of_columns(columns).of_kind(ErrorKind::Values))
}

/// Values that an order does not list, where missing values are refused.
pub(crate) fn not_in_order(column: &str, rows: u64) -> Error {
    Error::input(format!(
        "{column:?} has {rows} values that are not in its order; its recipe refuses missing values (missing)"
    ))
    .of_columns([column])
    .of_kind(ErrorKind::Values)
}

/// What fitting works on: rows that have landed. Its steps complete the features one after the other.
pub(crate) struct Fitting<'a> {
    pub(crate) source: &'a Source,
    pub(crate) design: &'a Design,
    pub(crate) landed: &'a Landed,
    pub(crate) store: &'a mut Store,
    /// By row; None: each weighs 1.
    pub(crate) weights: Option<&'a [u32]>,
    pub(crate) run: Run<'a>,
}

impl<'a> Fitting<'a> {
    /// Finds every feature's constants. Fitted transforms and encoded categories replace landed values in the store.
    pub(crate) fn fit(self, probed: &[Probed], recipe: &Recipe) -> Result<FittedFeatures> {
        let given = self.design.features.iter().zip(probed).zip(&self.landed.tallies);
        let mass = self.weights.map(|w| w.iter().map(|&w| u64::from(w)).sum());
        let start = |(f, ((feature, &probed), &tally))| FeatureFit::new(f, feature, probed, tally, mass);
        let mut features: Vec<FeatureFit<'a>> = given.enumerate().map(start).collect();
        let (mut changes, categories) = self.encode(&mut features)?;
        for feature in &mut features {
            changes.extend(self.transform(feature)?);
        }
        change(self.store, self.source.row_groups(), &changes, self.run)?;
        for feature in features.iter_mut().filter(|f| f.used) {
            self.winsorise(feature)?;
        }
        self.find_quantiles(&mut features)?;
        let mut candidates: Vec<Candidate> = features.into_iter().map(|f| f.into_candidate(self.run.watch)).collect();
        scale_blocks(&mut candidates);
        weigh_blocks(&mut candidates, recipe);
        Ok(FittedFeatures { candidates, categories })
    }

    /// Names the features of columns of categories, and says what replaces the numbers of the categories.
    fn encode(&self, features: &mut [FeatureFit<'_>]) -> Result<(Vec<Change>, Vec<Categories>)> {
        let (mut changes, mut known) = (Vec::new(), Vec::new());
        for (unit, dictionaries) in self.design.units.iter().zip(&self.landed.dictionaries) {
            let Some(encoding) = &unit.encode else { continue };
            let column = &self.source.columns()[unit.columns[0]].name;
            let mut merged = merge(column, dictionaries, encoding)?;
            self.count_unlisted(column, &merged, &mut features[unit.features[0]])?;
            if matches!(encoding, Encoding::OneHot(_)) {
                // Rows without a category get a feature of their own, so nothing is missing.
                let gaps = std::mem::take(&mut features[unit.features[0]].tally.counts.nulls);
                let is_weighed = self.weights.is_some_and(|weights| weights.iter().any(|w| *w != 1));
                merged.categories.missing = is_weighed.then_some(gaps);
                name_one_hot(column, &merged, unit, features);
            }
            let used: Vec<usize> = unit.features.iter().copied().filter(|&f| features[f].used).collect();
            let froms: Vec<&Derivation> = used.iter().filter_map(|&f| features[f].from.as_ref()).collect();
            let lookup = Lookup::new(dictionaries, &merged.categories, &froms);
            changes.push(Change::categories(used, lookup)?);
            known.push(merged.categories);
        }
        let names: Vec<&String> = features.iter().filter(|f| f.used).map(|f| &f.name).collect();
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(Error::input(format!(
                "two features would be named {twice:?}: a category has the name of a column, or is called (other) or \
                 (missing); rename it"
            ))
            .of_columns([*twice]));
        }
        Ok((changes, known))
    }

    /// Counts the values that are not in a given order as missing, or refuses them.
    fn count_unlisted(&self, column: &str, merged: &Merged, first: &mut FeatureFit<'_>) -> Result<()> {
        let unlisted = merged.unlisted;
        if unlisted > 0 && first.feature.recipe.missing == Missing::Refuse {
            return Err(not_in_order(column, unlisted));
        }
        if unlisted > 0 {
            self.run.watch.warn(format!("{column}: {unlisted} values are not in its order; they count as missing"));
            first.tally.counts.nan += unlisted;
        }
        Ok(())
    }

    /// Fits the parameters of a transform that has some, and says what replaces the landed values.
    fn transform(&self, feature: &mut FeatureFit<'_>) -> Result<Option<Change>> {
        let (Probed { transform, origin, grain, .. }, seen) = (feature.probed, feature.tally.moments);
        // A single value has no parameters. It stays as it landed; beside filled gaps it may vary all the same.
        if !transform.is_fitted() || !(seen.max > seen.min) {
            return Ok(None);
        }
        let values = self.values(feature);
        let fitted = match transform {
            Transform::YeoJohnson => FittedTransform::YeoJohnson(likeliest_lambda(&values, origin, &seen)?),
            _ => {
                let landed = values.landmarks(seen.mass())?;
                FittedTransform::Quantile(landed.into_iter().map(|v| v * grain + origin).collect())
            }
        };
        (feature.origin, feature.grain) = (fitted.apply(origin), 1.0);
        feature.fitted = Some(fitted.clone());
        Ok(Some(Change::Fitted { feature: feature.position, fitted, grain, from: origin, to: feature.origin }))
    }

    /// Measures values that were changed, finds the bounds to winsorise by, and measures what lies within them.
    fn winsorise(&self, feature: &mut FeatureFit<'_>) -> Result<()> {
        let values = self.values(feature);
        if feature.is_changed() {
            feature.tally.moments = values.moments(None)?;
        }
        let present = feature.tally.moments.mass();
        if let Some(at) = feature.feature.recipe.winsorise.filter(|_| present > 0) {
            let bounds = values.quantiles(present, &at)?;
            let bounds = (bounds[0] as f32, bounds[1] as f32);
            feature.tally.moments = values.moments(Some(bounds))?;
            feature.winsor = Some(bounds);
        }
        Ok(())
    }

    /// The landed values of a feature.
    fn values(&self, feature: &FeatureFit<'_>) -> LandedValues<'_> {
        LandedValues { store: self.store, weights: self.weights, feature: feature.position, run: self.run }
    }

    /// Finds the quartiles or medians of the features that need them.
    fn find_quantiles(&self, features: &mut [FeatureFit<'_>]) -> Result<()> {
        let wanted = features.iter().filter_map(|f| {
            Some(Wanted { feature: f.position, present: f.tally.moments.mass(), quantiles: f.wanted_quantiles()? })
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let found = quantiles(self.store, self.weights, &wanted, self.run)?;
        for (Wanted { feature, .. }, found) in wanted.iter().zip(found) {
            features[*feature].set_quantiles(&found);
        }
        Ok(())
    }
}

/// Gives the places that were reserved for a one-hot column to its categories.
fn name_one_hot(column: &str, merged: &Merged, unit: &DecodeUnit, features: &mut [FeatureFit<'_>]) {
    let froms = one_hot(column, &merged.categories, merged.has_gaps);
    for (i, &f) in unit.features.iter().enumerate() {
        let feature = &mut features[f];
        feature.used = i < froms.len();
        if let Some((name, from)) = froms.get(i) {
            (feature.name, feature.from) = (name.clone(), Some(from.clone()));
        }
    }
}

/// The features of a one-hot column, with their names.
fn one_hot(column: &str, categories: &Categories, has_gaps: bool) -> Vec<(String, Derivation)> {
    let own = categories.names[..categories.own]
        .iter()
        .map(|is| (format!("{column}={is}"), Derivation::Category { column: column.to_owned(), is: is.clone() }));
    let others = categories.names.len() > categories.own;
    let other = (format!("{column}=(other)"), Derivation::OtherCategory(column.to_owned()));
    let none = (format!("{column}=(missing)"), Derivation::NoCategory(column.to_owned()));
    own.chain(others.then_some(other)).chain(has_gaps.then_some(none)).collect()
}
