//! The role of each column: the id, the features, the weight; and why the others are left out.

mod outcome;
mod personal;
mod protected;

use self::outcome::is_outcome;
pub(crate) use self::personal::personal_data;
pub(crate) use self::protected::protected_attribute;

use arrow::datatypes::DataType;

use crate::error::{Error, ErrorKind, Result};
use crate::input::{Source, SourceColumn, ValueKind, agreed, agreed_where_present, any_present};
use crate::text::did_you_mean;

/// The column of planted segments in a synthetic bank; never a feature by default.
pub(crate) const TRUTH_COLUMN: &str = "true_segment";

/// Roles as requested by the user, by name.
#[derive(Debug, Clone, Default)]
pub struct RoleRequest {
    /// The id column; by default a column that is named like an id.
    pub id: Option<String>,
    /// The features; by default every numeric column without another role whose name suggests neither a protected
    /// attribute nor personal data.
    pub features: Vec<String>,
    /// Columns to use in addition to the default features, though they would be left out.
    pub include: Vec<String>,
    /// Columns that are not features.
    pub exclude: Vec<String>,
    /// Columns that are protected attributes, in addition to those named like one.
    pub protect: Vec<String>,
    /// Columns that are outcomes, in addition to those named like one.
    pub outcomes: Vec<String>,
    /// The column of row weights.
    pub weight: Option<String>,
    /// Columns that a recipe turns into numbers, whatever their type.
    pub encoded: Vec<String>,
}

/// Roles resolved against a [`Source`], as column positions.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The id column; without one, rows are identified by their number.
    pub id: Option<usize>,
    /// Whether the id was guessed by its name.
    pub id_guessed: bool,
    /// The features, in the order of the input or the request.
    pub features: Vec<usize>,
    /// Whether the features were requested by name.
    pub features_named: bool,
    /// The row weights.
    pub weight: Option<usize>,
    /// Columns that are not used, and why.
    pub left_out: Vec<(String, String)>,
    /// Protected attributes, by name or by request, whatever their role, in the order of the input.
    pub protected: Vec<Protected>,
    /// Outcomes, such as whether a customer left, by name or by request, in the order of the input; never features.
    pub outcomes: Vec<Outcome>,
}

/// A column that is an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Its position.
    pub column: usize,
    /// Whether it was guessed by its name.
    pub guessed: bool,
}

/// A column that is a protected attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protected {
    /// Its position.
    pub column: usize,
    /// The attribute: `age`, `sex`, ...
    pub attribute: &'static str,
    /// Whether it is a feature nonetheless.
    pub is_feature: bool,
}

/// The attribute of a column that is protected only by request.
const BY_REQUEST: &str = "named in --protect";

impl RoleRequest {
    /// Resolves the roles against the columns of a source.
    ///
    /// # Errors
    /// All names that do not exist, all conflicting roles, all columns of an unusable type that were requested by name,
    /// all columns in use on which the files disagree, or no feature at all.
    pub fn resolve(&self, source: &Source) -> Result<Roles> {
        let columns = source.columns();
        self.all_exist(source)?;
        let position = |name: &String| source.position(name);
        self.no_contradiction()?;
        let weight = self.weight.as_ref().and_then(position);
        let id = self.id.as_ref().and_then(position);
        let taken = [&self.features[..], &self.include, &self.outcomes].concat();
        let guessed = if id.is_none() { guess_id(columns, &taken) } else { None };
        let id = id.or(guessed);
        if let Some(id) = id {
            check_id(&columns[id])?;
            if self.protect.contains(&columns[id].name) {
                let error = Error::usage(format!("{:?} is the id and cannot be in --protect", columns[id].name));
                return Err(error.of_columns([&columns[id].name]).of_option("--protect"));
            }
        }
        if let Some(weight) = weight {
            check_weight(&columns[weight])?;
        }
        let outcomes: Vec<usize> = self.outcomes.iter().filter_map(position).collect();
        outcomes.iter().try_for_each(|&i| check_outcome(&columns[i]))?;
        let mut left_out = Vec::new();
        let features: Vec<usize> = if self.features.is_empty() {
            let reason = |i: usize, c: &SourceColumn| self.reason_to_leave_out(c, Some(i) == weight);
            let candidates = columns.iter().enumerate().filter(|(i, _)| Some(*i) != id);
            candidates
                .filter(|(i, c)| match reason(*i, c) {
                    Some(why) => {
                        left_out.push((c.name.clone(), why));
                        false
                    }
                    None => true,
                })
                .map(|(i, _)| i)
                .collect()
        } else {
            self.features.iter().filter_map(position).collect()
        };
        self.check_features(columns, &features, id, weight)?;
        let without = Some("leave the column out with --exclude");
        agreed_where_present(features.iter().chain(&outcomes).map(|&i| &columns[i]), "columns in use", without)?;
        any_present(features.iter().map(|&i| &columns[i]))?;
        agreed(id.into_iter().chain(weight).map(|i| &columns[i]), "columns in use", without)?;
        let protected = self.protected(columns, id, &features);
        let outcomes = self.outcomes(columns, &[&features[..], id.as_slice(), weight.as_slice()].concat());
        Ok(Roles {
            id,
            id_guessed: guessed.is_some(),
            features,
            features_named: !self.features.is_empty(),
            weight,
            left_out,
            protected,
            outcomes,
        })
    }

    fn protected(&self, columns: &[SourceColumn], id: Option<usize>, features: &[usize]) -> Vec<Protected> {
        let candidates = columns.iter().enumerate().filter(|(i, _)| Some(*i) != id);
        candidates
            .filter_map(|(column, c)| {
                let attribute = self.attribute(&c.name)?;
                Some(Protected { column, attribute, is_feature: features.contains(&column) })
            })
            .collect()
    }

    /// The outcomes: those requested, and those named like one that have no other role and can be read.
    fn outcomes(&self, columns: &[SourceColumn], with_role: &[usize]) -> Vec<Outcome> {
        let outcome = |(column, c): (usize, &SourceColumn)| {
            let asked = self.outcomes.contains(&c.name);
            let is_free = !with_role.contains(&column) && !self.exclude.contains(&c.name);
            let guessed = is_free && is_outcome(&c.name) && c.conflicts.is_empty() && may_be_outcome(c);
            (asked || guessed).then_some(Outcome { column, guessed: !asked })
        };
        columns.iter().enumerate().filter_map(outcome).collect()
    }

    /// The protected attribute of a column with this name.
    fn attribute(&self, name: &String) -> Option<&'static str> {
        protected_attribute(name).or_else(|| self.protect.contains(name).then_some(BY_REQUEST))
    }

    fn all_exist(&self, source: &Source) -> Result<()> {
        let lists = [&self.features, &self.include, &self.exclude, &self.protect, &self.outcomes];
        let asked = lists.into_iter().flatten().chain(&self.id).chain(&self.weight);
        let names: Vec<&str> = source.columns().iter().map(|c| c.name.as_str()).collect();
        let missing: Vec<&String> = asked.filter(|name| source.position(name).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let shown = |name: &&String| format!("{name:?}{}", did_you_mean(name, names.iter().copied()));
        let list: Vec<String> = missing.iter().map(shown).collect();
        let text = format!("no column is named {}; the input has: {}", list.join(", "), names.join(", "));
        Err(Error::usage(text).of_columns(missing))
    }

    /// Refuses conflicting requests.
    fn no_contradiction(&self) -> Result<()> {
        let mut faults = Vec::new();
        let pairs = [
            ("--features", &self.features, "--exclude", &self.exclude),
            ("--include", &self.include, "--exclude", &self.exclude),
            ("--features", &self.features, "--outcome", &self.outcomes),
            ("--include", &self.include, "--outcome", &self.outcomes),
        ];
        for (first, these, second, those) in pairs {
            let both = these.iter().filter(|name| those.contains(name));
            faults.extend(both.map(|name| format!("{name:?} is named both in {first} and in {second}")));
        }
        if !self.features.is_empty() && !self.include.is_empty() {
            faults.push(
                "--include adds to the default features, and --features replaces them; name all features in --features"
                    .into(),
            );
        }
        for (option, list) in [("--include", &self.include), ("--outcome", &self.outcomes)] {
            let both = self.id.iter().chain(&self.weight).filter(|name| list.contains(name));
            faults.extend(both.map(|name| format!("{name:?} has another role and cannot be in {option}")));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::usage(faults.join("; "))) }
    }

    fn reason_to_leave_out(&self, column: &SourceColumn, is_weight: bool) -> Option<String> {
        if self.exclude.contains(&column.name) {
            return Some("excluded".into());
        }
        if is_weight {
            return Some("the row weight".into());
        }
        if self.include.contains(&column.name) {
            return None;
        }
        let kind = ValueKind::of(&column.data_type);
        if let Some(attribute) = self.attribute(&column.name) {
            let usable = kind.unusable().is_none() || self.encoded.contains(&column.name);
            let include = if !usable { "" } else { "--include to use it, " };
            return Some(format!("a protected attribute ({attribute}); {include}--audit to see its share by segment"));
        }
        if self.outcomes.contains(&column.name) {
            return Some("an outcome".into());
        }
        if is_outcome(&column.name) {
            return Some("likely an outcome, by its name; --include to use it".into());
        }
        if column.name == TRUTH_COLUMN {
            return Some("the planted segment of a synthetic bank".into());
        }
        if column.from_folder {
            return Some("a folder name; --include to use it".into());
        }
        if self.encoded.contains(&column.name) {
            // Categories are stored in the model by name.
            return personal_data(&column.name).map(|what| format!("likely {what}, by its name; --include to use it"));
        }
        match kind {
            // A flag says whether there is a phone number, not which.
            ValueKind::Boolean => None,
            ValueKind::Number => {
                personal_data(&column.name).map(|what| format!("likely {what}, by its name; --include to use it"))
            }
            ValueKind::Date => Some("a date; --include to use it, in days since 1970".into()),
            other => other.unusable().map(str::to_owned),
        }
    }

    fn check_features(
        &self,
        columns: &[SourceColumn],
        features: &[usize],
        id: Option<usize>,
        weight: Option<usize>,
    ) -> Result<()> {
        let unusable: Vec<(&String, String)> = features
            .iter()
            .filter(|&&i| !self.encoded.contains(&columns[i].name))
            .filter_map(|&i| {
                let SourceColumn { name, data_type, .. } = &columns[i];
                ValueKind::of(data_type).unusable().map(|why| (name, format!("{name:?} is {why} ({data_type})")))
            })
            .collect();
        if !unusable.is_empty() {
            let (names, list): (Vec<&String>, Vec<String>) = unusable.into_iter().unzip();
            return Err(Error::usage(format!(
                "not usable as features: {}; a recipe can encode categories (encode)",
                list.join("; ")
            ))
            .of_columns(names));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(&twice) = features.iter().find(|i| !seen.insert(**i)) {
            let name = &columns[twice].name;
            return Err(Error::usage(format!("{name:?} is named twice in --features"))
                .of_columns([name])
                .of_option("--features"));
        }
        if let Some(id) = id.filter(|id| features.contains(id)) {
            let name = &columns[id].name;
            return Err(Error::usage(format!("{name:?} cannot be both the id and a feature")).of_columns([name]));
        }
        if let Some(weight) = weight.filter(|weight| features.contains(weight)) {
            let name = &columns[weight].name;
            return Err(
                Error::usage(format!("{name:?} cannot be both the row weight and a feature")).of_columns([name])
            );
        }
        if features.is_empty() {
            let list: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.data_type)).collect();
            return Err(Error::input(format!(
                "no numeric column to cluster by; the input has: {}; use --include for columns that are left out by default",
                list.join(", ")
            ))
            .of_kind(ErrorKind::Column));
        }
        if features.len() > crate::tiles::MAX_DIM {
            return Err(Error::input(format!(
                "{} features; at most {} are supported; choose fewer with --features or --exclude",
                features.len(),
                crate::tiles::MAX_DIM
            ))
            .of_kind(ErrorKind::Column));
        }
        Ok(())
    }
}

/// Names of the columns that the output adds.
pub(crate) const OUTPUT_COLUMNS: [&str; 3] = ["segment", "distance", "margin"];

fn check_id(column: &SourceColumn) -> Result<()> {
    let name = &column.name;
    if column.joined.is_some() {
        return Err(Error::usage(format!(
            "{name:?} belongs to a joined table and cannot be the id; choose a column of the input"
        ))
        .of_columns([name])
        .of_option("--id"));
    }
    if column.is_partition {
        return Err(Error::usage(format!(
            "{name:?} comes from a folder's name and cannot be the id; choose a column of the files"
        ))
        .of_columns([name])
        .of_option("--id"));
    }
    if column.data_type.is_nested() || column.data_type == DataType::Null {
        let text =
            format!("{name:?} cannot be the id: its type is {}; choose another column with --id", column.data_type);
        return Err(Error::usage(text).of_columns([name]).of_option("--id"));
    }
    if OUTPUT_COLUMNS.contains(&name.as_str()) {
        let text = format!("the id column is named {name:?}, like a column of the output; rename it");
        return Err(Error::input(text).of_columns([name]).of_option("--id"));
    }
    Ok(())
}

/// Whether values can be counted by segment.
fn may_be_outcome(column: &SourceColumn) -> bool {
    matches!(ValueKind::of(&column.data_type), ValueKind::Boolean | ValueKind::Number | ValueKind::Text)
}

fn check_outcome(column: &SourceColumn) -> Result<()> {
    if may_be_outcome(column) {
        return Ok(());
    }
    let text = format!(
        "the outcome {:?} is neither a number nor a truth value nor text: its type is {}",
        column.name, column.data_type
    );
    Err(Error::input(text).of_columns([&column.name]).of_option("--outcome"))
}

fn check_weight(column: &SourceColumn) -> Result<()> {
    match ValueKind::of(&column.data_type) {
        ValueKind::Number | ValueKind::Boolean => Ok(()),
        _ => Err(Error::usage(format!(
            "the weight column {:?} is not numeric: its type is {}",
            column.name, column.data_type
        ))
        .of_columns([&column.name])
        .of_option("--row-weight")),
    }
}

/// A column that is named like an id: `id`, `customer_id`, ... or the only one whose name ends in `_id`.
pub(crate) fn guess_id(columns: &[SourceColumn], features: &[String]) -> Option<usize> {
    const NAMES: [&str; 7] = ["id", "customer_id", "client_id", "account_id", "customerid", "row_id", "user_id"];
    let usable = |c: &SourceColumn| {
        let no_fraction =
            !matches!(c.data_type, DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Boolean);
        no_fraction && !c.data_type.is_nested() && !c.is_partition && c.joined.is_none() && !features.contains(&c.name)
    };
    let lower: Vec<String> = columns.iter().map(|c| c.name.to_ascii_lowercase()).collect();
    let named = |name: &str| lower.iter().zip(columns).position(|(l, c)| l == name && usable(c));
    NAMES.iter().find_map(|name| named(name)).or_else(|| {
        // The id is copied to the output, so a `tax_id` is never chosen without being asked for.
        let plain = |i: usize| usable(&columns[i]) && personal_data(&columns[i].name).is_none();
        let mut ending = (0..columns.len()).filter(|&i| lower[i].ends_with("_id") && plain(i));
        ending.next().filter(|_| ending.next().is_none())
    })
}
