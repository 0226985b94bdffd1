//! Fitting a recipe: from landed values and what was counted of them to the constants of every feature.

mod categories;
mod quantile;
mod refine;

pub(crate) use self::categories::Dictionary;
pub(crate) use self::quantile::quantile_bytes;
pub(crate) use self::refine::{Change, categories, change};

use std::collections::{BTreeMap, BTreeSet};

use self::categories::merge;
use self::quantile::{Wanted, many_quantiles, quantiles};
use self::refine::{landmarks, likeliest_lambda, moments};
use super::design::{Design, Encoding, Feature};
use super::land::{FeatureTally, Landed};
use super::preparation::{DroppedColumn, PreparedColumn, Seen};
use super::probe::Probed;
use super::recipe::{Categories, Derivation, Missing, Recipe, Scale, Transform};
use super::transform::Fitted;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::Source;
use crate::numeric::{Moments, exponent, power_of_two};
use crate::roles::Roles;
use crate::simd::Dispatch;
use crate::tiles::{GRID_MAX, Store};

/// A feature after fitting: its constants, or why it cannot be used; and how far its scaled values reach.
pub(crate) struct Candidate {
    /// Its position in the tiles.
    pub(crate) feature: usize,
    name: String,
    pub(crate) column: Option<PreparedColumn>,
    /// None: a place that was kept for a category and is not needed.
    unusable: Option<&'static str>,
    /// Whether it is made of columns, and no column itself.
    is_made: bool,
    reach: f64,
}

/// All candidates, and the categories that some are made of.
pub(crate) struct Grown {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) categories: Vec<Categories>,
}

/// A feature on its way.
struct FitState<'a> {
    feature: &'a Feature,
    name: String,
    from: Option<Derivation>,
    /// Whether it is more than a place.
    used: bool,
    probed: Probed,
    fitted: Option<Fitted>,
    /// Values in the store are differences from this.
    origin: f64,
    tally: FeatureTally,
    winsor: Option<(f32, f32)>,
    quartiles: Option<[f64; 3]>,
}

/// Fails with all features whose values their recipe does not allow.
pub(crate) fn refuse(design: &Design, tallies: &[FeatureTally]) -> Result<()> {
    let mut faults = Vec::new();
    for (Feature { name, recipe, .. }, t) in design.features.iter().zip(tallies) {
        if recipe.missing == Missing::Refuse && t.missing() > 0 {
            let codes = if t.sentinels > 0 { format!(", {} sentinels", t.sentinels) } else { String::new() };
            faults.push(format!(
                "{name:?} has {} nulls, {} NaN and {} infinities{codes}, and its recipe refuses missing values (--missing)",
                t.nulls, t.nan, t.infinite
            ));
        }
        if t.undefined > 0 {
            let (what, remedy) = match recipe.transform {
                Transform::Sqrt => ("below 0, of which sqrt", "yeo-johnson or signed-log1p"),
                _ => ("of -1 or less, of which log1p", "signed-log1p"),
            };
            faults.push(format!("{name:?} has {} values {what} is not defined; use {remedy}", t.undefined));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::input(faults.join("\n"))) }
}

/// Finds every feature's constants. Fitted transforms and categories take the place of landed values in the store.
#[allow(clippy::too_many_arguments, reason = "fitting is where everything known of a column meets")]
pub(crate) fn fit_features(
    source: &Source,
    design: &Design,
    probed: &[Probed],
    landed: &Landed,
    spec: &Recipe,
    store: &mut Store,
    simd: Dispatch,
    watch: Watch<'_>,
) -> Result<Grown> {
    let mut states: Vec<FitState<'_>> = design
        .features
        .iter()
        .zip(probed)
        .zip(&landed.tallies)
        .map(|((feature, &probed), &tally)| FitState {
            feature,
            name: feature.name.clone(),
            from: feature.from.clone(),
            used: true,
            probed,
            fitted: None,
            origin: probed.origin,
            tally,
            winsor: None,
            quartiles: None,
        })
        .collect();
    let (mut changes, known) = fit_categories(source, design, landed, &mut states, watch)?;
    for (feature, state) in states.iter_mut().enumerate() {
        state.fit_transform(feature, store, &mut changes, simd, watch)?;
    }
    change(store, source.row_groups(), &changes, simd, watch)?;
    for (feature, state) in states.iter_mut().enumerate().filter(|(_, s)| s.used) {
        state.measure(feature, store, simd, watch)?;
    }
    order_statistics(&mut states, store, simd, watch)?;
    let mut candidates: Vec<Candidate> =
        states.into_iter().enumerate().map(|(feature, state)| state.candidate(feature, watch)).collect();
    scale_blocks(&mut candidates);
    weigh_blocks(&mut candidates, spec);
    Ok(Grown { candidates, categories: known })
}

/// Names the features of columns of categories, and says what takes the place of the categories' numbers.
fn fit_categories(
    source: &Source,
    design: &Design,
    landed: &Landed,
    states: &mut [FitState<'_>],
    watch: Watch<'_>,
) -> Result<(Vec<Change>, Vec<Categories>)> {
    let (mut changes, mut known) = (Vec::new(), Vec::new());
    for (unit, dictionaries) in design.units.iter().zip(&landed.dictionaries) {
        let Some(encoding) = &unit.encode else { continue };
        let column = &source.columns()[unit.columns[0]].name;
        let merged = merge(column, dictionaries, encoding)?;
        let first = &mut states[unit.features[0]];
        if merged.unlisted > 0 && first.feature.recipe.missing == Missing::Refuse {
            return Err(not_in_order(column, merged.unlisted));
        }
        if merged.unlisted > 0 {
            watch.warn(format!("{column}: {} values are not in its order; they count as missing", merged.unlisted));
            first.tally.nan += merged.unlisted;
        }
        if matches!(encoding, Encoding::OneHot(_)) {
            first.tally.nulls = 0;
            let froms = one_hot(column, &merged.categories, merged.missing);
            for (i, &f) in unit.features.iter().enumerate() {
                let state = &mut states[f];
                state.used = i < froms.len();
                if let Some((name, from)) = froms.get(i) {
                    (state.name, state.from) = (name.clone(), Some(from.clone()));
                }
            }
        }
        let used: Vec<usize> = unit.features.iter().copied().filter(|&f| states[f].used).collect();
        let froms: Vec<&Derivation> = used.iter().filter_map(|&f| states[f].from.as_ref()).collect();
        changes.push(categories(dictionaries, &merged.categories, used, &froms)?);
        known.push(merged.categories);
    }
    let names: Vec<&String> = states.iter().filter(|s| s.used).map(|s| &s.name).collect();
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(Error::input(format!(
            "two features would be named {twice:?}: a category has the name of a column, or is called (other) or (missing); rename it"
        )));
    }
    Ok((changes, known))
}

/// Values that an order does not list, where missing values are refused.
pub(crate) fn not_in_order(column: &str, rows: u64) -> Error {
    Error::input(format!(
        "{column:?} has {rows} values that are not in its order, and its recipe refuses missing values (missing)"
    ))
}

/// The features of a one-hot column, with their names.
fn one_hot(column: &str, categories: &Categories, missing: u64) -> Vec<(String, Derivation)> {
    let own = categories.names[..categories.own]
        .iter()
        .map(|is| (format!("{column}={is}"), Derivation::Category { column: column.to_owned(), is: is.clone() }));
    let others = categories.names.len() > categories.own;
    let other = (format!("{column}=(other)"), Derivation::OtherCategory(column.to_owned()));
    let none = (format!("{column}=(missing)"), Derivation::NoCategory(column.to_owned()));
    own.chain(others.then_some(other)).chain((missing > 0).then_some(none)).collect()
}

impl FitState<'_> {
    /// Whether its values in the store are no longer those that landed.
    fn is_changed(&self) -> bool {
        self.fitted.is_some() || self.from.as_ref().is_some_and(Derivation::is_of_category)
    }

    fn fit_transform(
        &mut self,
        feature: usize,
        store: &Store,
        changes: &mut Vec<Change>,
        simd: Dispatch,
        watch: Watch<'_>,
    ) -> Result<()> {
        let seen = self.tally.moments;
        if !self.probed.transform.is_fitted() {
            return Ok(());
        }
        if !(seen.max > seen.min) {
            // A single value has no parameters; beside filled gaps it may vary all the same, as it landed.
            self.probed.transform = self.probed.transform.landing();
            return Ok(());
        }
        let from = self.probed.origin;
        let fitted = match self.probed.transform {
            Transform::YeoJohnson => Fitted::YeoJohnson(likeliest_lambda(store, feature, from, &seen, simd, watch)?),
            _ => {
                let landed = landmarks(store, feature, seen.n, watch)?;
                Fitted::Quantile(landed.into_iter().map(|v| v + from).collect())
            }
        };
        self.origin = fitted.apply(from);
        changes.push(Change::Fitted { feature, fitted: fitted.clone(), from, to: self.origin });
        self.fitted = Some(fitted);
        Ok(())
    }

    /// Measures values that were changed, and finds the quantiles to winsorise by.
    fn measure(&mut self, feature: usize, store: &Store, simd: Dispatch, watch: Watch<'_>) -> Result<()> {
        if self.is_changed() {
            self.tally.moments = moments(store, feature, None, simd, watch)?;
        }
        let n = self.tally.moments.n;
        if let Some(at) = self.feature.recipe.winsorise.filter(|_| n > 0) {
            let bounds = many_quantiles(store, feature, n, &at, watch)?;
            let bounds = (bounds[0] as f32, bounds[1] as f32);
            self.tally.moments = moments(store, feature, Some(bounds), simd, watch)?;
            self.winsor = Some(bounds);
        }
        Ok(())
    }

    fn candidate(self, feature: usize, watch: Watch<'_>) -> Candidate {
        let FitState { name, from, fitted, origin, tally, .. } = self;
        let is_made = from.is_some();
        let recipe = &self.feature.recipe;
        let transform = self.probed.transform;
        let seen = tally.moments;
        let unusable =
            |why| Candidate { feature, name: name.clone(), column: None, unusable: Some(why), is_made, reach: 0.0 };
        if !self.used {
            return Candidate { feature, name, column: None, unusable: None, is_made, reach: 0.0 };
        }
        let transformed = |raw: f64| {
            let landed = transform.apply(raw);
            fitted.as_ref().map_or(landed, |fitted| fitted.apply(landed))
        };
        // Without a missing value the fill matters only to later rows: the median of the probed rows will do.
        let fill = match recipe.missing {
            Missing::Median => Some(self.quartiles.map_or(0.0, |q| q[1]) + origin),
            Missing::Mean => Some(seen.mean + origin),
            Missing::Zero => Some(transformed(0.0)),
            Missing::Constant(v) => Some(transformed(v)),
            Missing::Refuse => None,
        };
        if seen.n == 0 {
            return unusable("every value is missing");
        }
        if fill.is_some_and(|f| !f.is_finite()) {
            return unusable("its constant for missing values is outside the domain of its transform");
        }
        // Scaled as scikit-learn would: after filling.
        let filled = seen.merge(Moments::repeated(tally.missing(), fill.map_or(0.0, |f| f - origin)));
        if !(filled.max > filled.min) {
            return unusable("it is constant");
        }
        let (center, unit) = match (recipe.scale, self.quartiles) {
            (Scale::Robust, Some([low, median, high])) if high > low => (median, high - low),
            (Scale::Robust, q) => {
                watch.warn(format!("{name}: its interquartile range is 0; scaled by the standard deviation instead"));
                (q.map_or(filled.mean, |q| q[1]), filled.deviation())
            }
            // The unit of a block is known when all of its features are.
            (Scale::Zscore | Scale::Block, _) => (filled.mean, filled.deviation()),
            (Scale::Minmax, _) => (filled.mean, filled.max - filled.min),
            (Scale::None, _) => (filled.mean, 1.0),
        };
        if !(unit > 0.0 && unit.is_finite()) {
            return unusable("its deviation is too small or too large to scale by");
        }
        let reach = (filled.max - center).abs().max((filled.min - center).abs()) / unit;
        let (lambda, landmarks) = match fitted {
            Some(Fitted::YeoJohnson(lambda)) => (Some(lambda), None),
            Some(Fitted::Quantile(landmarks)) => (None, Some(landmarks)),
            None => (None, None),
        };
        let column = PreparedColumn {
            name: name.clone(),
            data_type: self.feature.data_type.clone(),
            from,
            transform,
            lambda,
            landmarks,
            winsor: self.winsor.map(|(low, high)| [f64::from(low) + origin, f64::from(high) + origin]),
            missing: recipe.missing,
            fill,
            scale: recipe.scale,
            origin: self.probed.origin,
            center: center + origin,
            unit,
            clip: recipe.clip,
            weight: recipe.weight,
            block: None,
            unseen: recipe.unseen,
            seen: Seen {
                present: seen.n,
                nulls: tally.nulls,
                nan: tally.nan,
                infinite: tally.infinite,
                sentinels: tally.sentinels,
                winsorised: 0,
                clipped: 0,
                mean: seen.mean + origin,
                deviation: seen.deviation(),
                skewness: seen.skewness(),
                raw_skewness: self.probed.raw_skewness,
                min: seen.min + origin,
                max: seen.max + origin,
            },
        };
        Candidate { feature, name, column: Some(column), unusable: None, is_made, reach }
    }
}

/// Lower quartile, median and upper quartile of the features that need them, as landed.
fn order_statistics(states: &mut [FitState<'_>], store: &Store, simd: Dispatch, watch: Watch<'_>) -> Result<()> {
    let needs = |s: &FitState<'_>| {
        // Categories were not looked at before, so that there is no other median for later gaps.
        let asked = s.tally.missing() > 0 || s.from.as_ref().is_some_and(Derivation::is_of_category);
        let median = s.feature.recipe.missing == Missing::Median && asked;
        s.used && s.tally.moments.n > 0 && (s.feature.recipe.scale == Scale::Robust || median)
    };
    let ask = |(feature, s): (usize, &FitState<'_>)| Wanted {
        feature,
        present: s.tally.moments.n,
        quantiles: if s.feature.recipe.scale == Scale::Robust { vec![0.25, 0.5, 0.75] } else { vec![0.5] },
    };
    let asked: Vec<Wanted> = states.iter().enumerate().filter(|(_, s)| needs(s)).map(ask).collect();
    if asked.is_empty() {
        return Ok(());
    }
    for (ask, q) in asked.iter().zip(quantiles(store, &asked, simd, watch)?) {
        let state = &mut states[ask.feature];
        let (low, high) = state.winsor.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let within = |v: f64| v.clamp(f64::from(low), f64::from(high));
        state.quartiles = Some([q[0], q[q.len() / 2], q[q.len() - 1]].map(within));
    }
    Ok(())
}

/// Divides all features of a one-hot column by one number, so that their variances sum to 1.
fn scale_blocks(candidates: &mut [Candidate]) {
    let in_block = |c: &PreparedColumn| c.scale == Scale::Block;
    let mut variances: BTreeMap<String, f64> = BTreeMap::new();
    for column in candidates.iter().filter_map(|c| c.column.as_ref()).filter(|c| in_block(c)) {
        *variances.entry(column.column().to_owned()).or_default() += column.unit * column.unit;
    }
    for candidate in candidates {
        let Some(column) = candidate.column.as_mut().filter(|c| in_block(c)) else { continue };
        let unit = variances[column.column()].sqrt();
        candidate.reach *= column.unit / unit;
        column.unit = unit;
    }
}

/// Divides the weight of a block among its columns, so that together they count as one column of that weight.
fn weigh_blocks(candidates: &mut [Candidate], spec: &Recipe) {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for column in candidates.iter_mut().filter_map(|c| c.column.as_mut()) {
        if let Some(owner) = spec.block_of(column.column()).map(|(owner, _)| owner.to_owned()) {
            column.block = Some(owner.clone());
            members.entry(owner).or_default().insert(column.column().to_owned());
        }
    }
    for column in candidates.iter_mut().filter_map(|c| c.column.as_mut()) {
        if let Some(owner) = &column.block {
            column.weight *= spec.blocks[owner].weight / (members[owner].len() as f64).sqrt();
        }
    }
}

/// Constant and empty columns: refused if asked for by name, otherwise left out with a warning.
pub(crate) fn drop_unusable(candidates: &[Candidate], roles: &Roles, watch: Watch<'_>) -> Result<Vec<DroppedColumn>> {
    let lost: Vec<DroppedColumn> = candidates
        .iter()
        .filter_map(|c| Some(DroppedColumn { name: c.name.clone(), reason: c.unusable?.to_owned() }))
        .collect();
    let list = lost.iter().map(|d| format!("{:?}: {}", d.name, d.reason)).collect::<Vec<_>>().join("; ");
    if candidates.iter().all(|c| c.column.is_none()) {
        return Err(Error::input(format!("no column varies, so there is nothing to cluster by: {list}")));
    }
    // Features that were made of columns were not asked for by name.
    let named = |c: &&Candidate| c.unusable.is_some() && !c.is_made;
    let named: Vec<&Candidate> = candidates.iter().filter(named).collect();
    if roles.features_named && !named.is_empty() {
        let list = named.iter().map(|c| format!("{:?}: {}", c.name, c.unusable.unwrap_or_default()));
        return Err(Error::input(format!(
            "columns asked for by name cannot be used: {}; leave them out of --features",
            list.collect::<Vec<_>>().join("; ")
        )));
    }
    lost.iter().for_each(|d| watch.warn(format!("{} is left out: {}", d.name, d.reason)));
    Ok(lost)
}

/// A grid that is coarser, as a power of two of scaled units, deserves a word.
const COARSE: i32 = -10;

/// The finest power-of-two step at which the farthest value is still on the grid.
pub(crate) fn step_exponent(candidates: &[Candidate], watch: Watch<'_>) -> i32 {
    let reach = |c: &Candidate| {
        let column = c.column.as_ref()?;
        Some(column.clip.map_or(c.reach, |clip| c.reach.min(clip)) * column.weight)
    };
    let farthest = candidates.iter().filter_map(|c| Some((reach(c)?, &c.name))).max_by(|a, b| a.0.total_cmp(&b.0));
    let reach = farthest.map_or(f64::MIN_POSITIVE, |(reach, _)| reach.max(f64::MIN_POSITIVE));
    let finest = (exponent(reach) - 23).max(-1000);
    let step = (finest..).find(|&e| reach * power_of_two(-e) <= f64::from(GRID_MAX)).unwrap_or(finest);
    if let Some((reach, name)) = farthest.filter(|_| step > COARSE && candidates.len() > 1) {
        watch.warn(format!(
            "{name} reaches {reach:.0} scaled units, so that all features are rounded to 2^{step} units; give it a scale or a \
             clip, or winsorise it"
        ));
    }
    step
}
