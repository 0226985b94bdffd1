//! The design matrix: which features there are, and which columns must be read together to compute them.
//!
//! A [`DecodeUnit`] is a set of columns that are decoded side by side: usually one column, more where a feature
//! combines two. No column is in two units, so every column chunk is decoded once. The features of a one-hot column are
//! unknown until its categories are known: places are reserved for as many as there can be, and those without a
//! category are dropped.

use arrow::datatypes::DataType;

use super::preparation::Preparation;
use super::recipe::{ColumnRecipe, Derivation, Encode, Recipe};
use crate::error::{Error, ErrorKind, Result};
use crate::input::{Source, ValueKind, agreed_where_present};
use crate::roles::Roles;
use crate::text::dates;
use crate::tiles::MAX_DIM;

/// A feature before it is fitted.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    pub(crate) name: String,
    /// The Arrow type of its column; of a derived one, of its first.
    pub(crate) data_type: String,
    /// None: the column of the same name.
    pub(crate) from: Option<Derivation>,
    pub(crate) recipe: ColumnRecipe,
    /// How its raw value is computed from the columns of its unit, by their places in it.
    pub(crate) raw: Raw,
}

/// How a raw value is computed from the columns of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Raw {
    Value(usize),
    /// Days from a date to a day, given in days since 1970.
    Age(usize, f64),
    Ratio(usize, usize),
    Difference(usize, usize),
    IsMissing(usize),
    /// The number of a category. The [`Raw::Reserved`] places of its unit are filled from it too.
    Code,
    Reserved,
}

/// Columns that are decoded side by side, and the features that are computed from them.
#[derive(Debug, Clone, Default)]
pub(crate) struct DecodeUnit {
    /// Positions in the source.
    pub(crate) columns: Vec<usize>,
    /// By column: the numbers that stand for missing values.
    pub(crate) sentinels: Vec<Vec<f64>>,
    /// Positions in [`Design::features`].
    pub(crate) features: Vec<usize>,
    /// How categories are encoded; only in a unit of one column of categories.
    pub(crate) encode: Option<Encoding>,
}

/// How a column of categories is encoded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Encoding {
    /// At most this many categories get a feature.
    OneHot(usize),
    Frequency,
    Ordinal(Vec<String>),
}

/// All features, and the units that they are computed from.
#[derive(Debug, Clone)]
pub struct Design {
    pub(crate) features: Vec<Feature>,
    pub(crate) units: Vec<DecodeUnit>,
}

impl Design {
    /// The features of a fit.
    ///
    /// # Errors
    /// A recipe that does not match the columns: unknown names, all listed; choices that do not apply to a column's
    /// type.
    pub fn new(source: &Source, roles: &Roles, spec: &Recipe) -> Result<Design> {
        let columns = source.columns();
        let names: Vec<&str> = roles.features.iter().map(|&c| columns[c].name.as_str()).collect();
        let inputs = spec.derived.values().flat_map(|d| d.ratio.iter().chain(&d.difference).flatten());
        let known: Vec<&str> = names
            .iter()
            .copied()
            .chain(spec.derived.keys().map(String::as_str))
            .chain(inputs.map(String::as_str).filter(|name| !names.contains(name)))
            .collect();
        let all: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        spec.check(&known, &all)?;
        let mut builder = Builder { source, roles, spec, features: Vec::new(), faults: Vec::new() };
        roles.features.iter().for_each(|&column| builder.column(column));
        spec.derived.iter().for_each(|(name, derived)| builder.derived(name, derived, &all));
        let Builder { features, mut faults, .. } = builder;
        let twice = features.iter().enumerate().filter(|(i, f)| features[..*i].iter().any(|g| g.name == f.name));
        faults.extend(twice.map(|(_, f)| format!("two features would be named {:?}; rename a column", f.name)));
        if !faults.is_empty() {
            return Err(spec.error(&faults));
        }
        let sentinels = |name: &str| match spec.choice(name) {
            choice if choice.encode.is_some() => Vec::new(),
            choice => choice.or(spec.defaults.clone()).sentinels.unwrap_or_default(),
        };
        let encode = |name: &str| {
            let choice = spec.choice(name);
            Some(match choice.encode? {
                Encode::OneHot => Encoding::OneHot(choice.top()),
                Encode::Frequency => Encoding::Frequency,
                Encode::Ordinal => Encoding::Ordinal(choice.order.unwrap_or_default()),
            })
        };
        let design = Design::assemble(source, features, sentinels, encode)?;
        design.check(source)?;
        Ok(design)
    }

    /// Fails if there are more features than are possible, or if files disagree about a column.
    fn check(&self, source: &Source) -> Result<()> {
        if self.width() > MAX_DIM {
            return Err(Error::usage(format!(
                "the recipe makes up to {} features, counting one for each category that may get one; at most {MAX_DIM} are \
                 possible: give a smaller top",
                self.width()
            ))
            .of_kind(ErrorKind::Config));
        }
        agreed_where_present(self.columns().iter().map(|&c| &source.columns()[c]), "columns of the recipe", None)
    }

    /// The features of a fitted preparation.
    ///
    /// # Errors
    /// Columns that the input lacks, all listed.
    pub fn of_recipe(source: &Source, recipe: &Preparation) -> Result<Design> {
        let missing: Vec<String> =
            recipe.source_columns().into_iter().filter(|name| source.position(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(Error::input(format!(
                "the input lacks columns that the model needs: {}; columns are matched by name, in any order",
                missing.join(", ")
            ))
            .of_columns(missing));
        }
        let mut coded = Vec::new();
        let features = recipe.columns.iter().map(|c| {
            let column = c.from.as_ref().map_or(c.name.as_str(), |from| from.columns()[0]);
            let raw = match &c.from {
                None => Raw::Value(0),
                Some(Derivation::Age { at, .. }) => Raw::Age(0, dates::parse(at).unwrap_or(f64::NAN)),
                Some(Derivation::Ratio(_)) => Raw::Ratio(0, 1),
                Some(Derivation::Difference(_)) => Raw::Difference(0, 1),
                Some(Derivation::Missing(_)) => Raw::IsMissing(0),
                Some(_) if coded.contains(&column) => Raw::Reserved,
                Some(_) => {
                    coded.push(column);
                    Raw::Code
                }
            };
            let recipe = ColumnRecipe {
                transform: c.transform.kind(),
                missing: c.missing,
                scale: c.scale,
                clip: c.clip,
                weight: c.weight,
                winsorise: None,
                unseen: c.unseen,
            };
            Feature { name: c.name.clone(), data_type: c.data_type.clone(), from: c.from.clone(), recipe, raw }
        });
        let sentinels = |name: &str| recipe.sentinels.get(name).cloned().unwrap_or_default();
        let encode = |name: &str| {
            let own = recipe.categories.iter().find(|c| c.column == name)?.own;
            Some(Encoding::OneHot(own))
        };
        Design::assemble(source, features.collect(), sentinels, encode)
    }

    /// Groups columns that are read together into units, and turns names into places.
    fn assemble(
        source: &Source,
        mut features: Vec<Feature>,
        sentinels: impl Fn(&str) -> Vec<f64>,
        encode: impl Fn(&str) -> Option<Encoding>,
    ) -> Result<Design> {
        let mut units: Vec<DecodeUnit> = Vec::new();
        for (f, feature) in features.iter().enumerate() {
            let names = feature.from.as_ref().map_or_else(|| vec![feature.name.as_str()], Derivation::columns);
            let mut joined = DecodeUnit { features: vec![f], ..DecodeUnit::default() };
            for name in names {
                let column = source
                    .position(name)
                    .ok_or_else(|| Error::Internal(format!("the column {name:?} of a feature is gone")))?;
                if let Some(at) = units.iter().position(|u| u.columns.contains(&column)) {
                    let mut unit = units.remove(at);
                    unit.features.append(&mut joined.features);
                    unit.columns.append(&mut joined.columns);
                    joined = unit;
                } else if !joined.columns.contains(&column) {
                    joined.columns.push(column);
                }
            }
            units.push(joined);
        }
        for unit in &mut units {
            unit.features.sort_unstable();
            let name = |column: usize| source.columns()[column].name.as_str();
            unit.sentinels = unit.columns.iter().map(|&c| sentinels(name(c))).collect();
            unit.encode = encode(name(unit.columns[0]));
            for &f in &unit.features {
                let feature = &mut features[f];
                let names = feature.from.as_ref().map_or_else(|| vec![feature.name.as_str()], Derivation::columns);
                let place = |i: usize| unit.columns.iter().position(|&c| name(c) == names[i]).unwrap_or(0);
                feature.raw = match feature.raw {
                    Raw::Value(_) => Raw::Value(place(0)),
                    Raw::Age(_, at) => Raw::Age(place(0), at),
                    Raw::IsMissing(_) => Raw::IsMissing(place(0)),
                    Raw::Ratio(..) => Raw::Ratio(place(0), place(1)),
                    Raw::Difference(..) => Raw::Difference(place(0), place(1)),
                    code => code,
                };
            }
        }
        // In the order of the features, which is mostly that of the columns in the files.
        units.sort_by_key(|u| u.features[0]);
        Ok(Design { features, units })
    }

    /// The number of features, including reserved places that may turn out not to be needed.
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// Whether values change between landing and the grid.
    pub(crate) fn is_refined(&self) -> bool {
        let categories = self.units.iter().any(|u| u.encode.is_some());
        categories || self.features.iter().any(|f| f.recipe.transform.is_fitted() || f.recipe.winsorise.is_some())
    }

    /// Positions of all columns that are read, each once.
    pub fn columns(&self) -> Vec<usize> {
        self.units.iter().flat_map(|u| u.columns.iter().copied()).collect()
    }
}

/// Collects features and their faults.
struct Builder<'a> {
    source: &'a Source,
    roles: &'a Roles,
    spec: &'a Recipe,
    features: Vec<Feature>,
    faults: Vec<String>,
}

impl Builder<'_> {
    fn push(&mut self, name: String, column: usize, from: Option<Derivation>, recipe: ColumnRecipe, raw: Raw) {
        let description = &self.source.columns()[column];
        let data_type = description.data_type.to_string();
        self.features.push(Feature { name, data_type, from, recipe, raw });
    }

    fn column(&mut self, column: usize) {
        let description = &self.source.columns()[column];
        let name = description.name.clone();
        let choice = self.spec.choice(&name);
        let place = || self.spec.place("columns", &name);
        match choice.encode {
            Some(_) if !is_category(&description.data_type) => {
                self.faults.push(format!("{name} cannot be encoded: its type is {}{}", description.data_type, place()));
            }
            Some(Encode::OneHot) => {
                let recipe = self.spec.one_hot(&name);
                // One place for each category, one for all others, one for missing ones. They get their names once the
                // categories are known.
                for i in 0..choice.top() + 2 {
                    let raw = if i == 0 { Raw::Code } else { Raw::Reserved };
                    let from = Some(Derivation::OtherCategory(name.clone()));
                    self.push(format!("{name}\u{0}{i}"), column, from, recipe.clone(), raw);
                }
            }
            Some(encode) => {
                let from = if encode == Encode::Ordinal { Derivation::Ordinal } else { Derivation::Frequency };
                self.push(name.clone(), column, Some(from(name.clone())), self.spec.column(&name), Raw::Code);
            }
            None => {
                let is_date = ValueKind::of(&description.data_type) == ValueKind::Date;
                let (from, raw) = match (choice.age_day(), choice.age_at) {
                    (Some(_), _) if !is_date => {
                        self.faults.push(format!("{name} is not a date ({}){}", description.data_type, place()));
                        (None, Raw::Value(0))
                    }
                    (Some(day), Some(at)) => (Some(Derivation::Age { column: name.clone(), at }), Raw::Age(0, day)),
                    _ => (None, Raw::Value(0)),
                };
                self.push(name.clone(), column, from, self.spec.column(&name), raw);
                if choice.indicator.or(self.spec.defaults.indicator) == Some(true) {
                    let from = Some(Derivation::Missing(name.clone()));
                    let recipe = self.spec.indicator(&name);
                    self.push(format!("{name}_missing"), column, from, recipe, Raw::IsMissing(0));
                }
            }
        }
    }

    /// Why a column must not be an operand of a derived feature, if it must not.
    fn not_for_features(&self, name: &str) -> Option<String> {
        let roles = self.roles;
        let at = self.source.position(name)?;
        if roles.features.contains(&at) {
            return None;
        }
        let protected = roles.protected.iter().find(|p| p.column == at);
        let is_usable = ValueKind::of(&self.source.columns()[at].data_type).unusable().is_none();
        let remedy = if is_usable { format!("; --include {name} to use it") } else { String::new() };
        match () {
            () if roles.id == Some(at) => Some("the id column".into()),
            () if roles.weight == Some(at) => Some("the row weight".into()),
            () if roles.outcomes.iter().any(|o| o.column == at) => Some(format!("an outcome{remedy}")),
            () if protected.is_some() => {
                let attribute = protected.map(|p| p.attribute.as_ref()).unwrap_or_default();
                Some(format!("a protected attribute ({attribute}){remedy}"))
            }
            () => roles.personal_data(at).map(|found| format!("{found}{remedy}")),
        }
    }

    fn derived(&mut self, name: &str, derived: &super::recipe::Derived, all: &[&str]) {
        let place = self.spec.place("derived", name);
        let both = derived.ratio.iter().chain(&derived.difference).flatten();
        let unfit: Vec<(String, String)> =
            both.filter_map(|name| Some((name.clone(), self.not_for_features(name)?))).collect();
        let mut fault = |why: String| self.faults.push(format!("derived feature {name}: {why}{place}"));
        let (pair, from, raw): (_, fn([String; 2]) -> Derivation, _) = match (&derived.ratio, &derived.difference) {
            (Some(pair), None) => (pair, Derivation::Ratio, Raw::Ratio(0, 1)),
            (None, Some(pair)) => (pair, Derivation::Difference, Raw::Difference(0, 1)),
            _ => return fault("it needs either ratio or difference".into()),
        };
        if all.contains(&name) {
            fault("a column has this name; choose another".into());
        }
        let unknown: Vec<String> = pair
            .iter()
            .filter(|column| self.source.position(column).is_none())
            .map(|c| format!("{c:?}{}", crate::text::did_you_mean(c, all.iter().copied())))
            .collect();
        if !unknown.is_empty() {
            return fault(format!("no column is named {}", unknown.join(", ")));
        }
        for column in pair {
            let description = &self.source.columns()[self.source.position(column).unwrap_or(0)];
            let is_number = ValueKind::of(&description.data_type).is_numeric();
            if !is_number || self.spec.choice(column).encode.is_some() {
                fault(format!("{column} is not a number ({})", description.data_type));
            }
            if let Some((_, why)) = unfit.iter().find(|(name, _)| name == column) {
                fault(format!("{column} is {why}"));
            }
        }
        let first = self.source.position(&pair[0]).unwrap_or(0);
        self.push(name.to_owned(), first, Some(from(pair.clone())), self.spec.column(name), raw);
    }
}

/// Whether values of a type can be categories.
fn is_category(data_type: &DataType) -> bool {
    let kind = ValueKind::of(data_type);
    kind == ValueKind::Text || kind.is_numeric()
}
