//! Roles as requested by name, and what follows for all other columns.

use std::borrow::Cow;

use arrow::datatypes::DataType;

use super::codes::is_code;
use super::described::described;
use super::outcome::is_outcome;
use super::personal::Personal;
use super::protected::protected_attribute;
use super::reason::{LeftOutColumn, Reason};
use super::{MOST_PRODUCTS, OUTPUT_COLUMNS, Outcome, Protected, Roles, TRUTH_COLUMN, ids, own_words, shape};
use crate::error::{Error, ErrorKind, Result};
use crate::input::{Source, SourceColumn, ValueKind, agreed, agreed_where_present, any_present};
use crate::text::did_you_mean;

/// Roles as requested by the user, by name.
#[derive(Debug, Clone, Default)]
pub struct RoleRequest {
    /// The id column; by default a column that is named like an id.
    pub id: Option<String>,
    /// The features; by default every numeric column without another role that is neither a protected attribute nor
    /// personal data nor an id.
    pub features: Vec<String>,
    /// Columns to use in addition to the default features, though they would be left out.
    pub include: Vec<String>,
    /// Columns that are not features.
    pub exclude: Vec<String>,
    /// Columns that are protected attributes, in addition to those named like one.
    pub protect: Vec<String>,
    /// Further words for protected attributes, in lower case, and the attribute of each.
    pub protected_words: Vec<(String, String)>,
    /// Columns that are outcomes, in addition to those named like one.
    pub outcomes: Vec<String>,
    /// Columns that say whether a customer holds a product; features only if they are asked for.
    pub products: Vec<String>,
    /// The column of row weights.
    pub weight: Option<String>,
    /// Columns that a recipe turns into numbers, whatever their type.
    pub encoded: Vec<String>,
}

/// The attribute of a column that is protected only by request.
const BY_REQUEST: &str = "named in --protect";

/// What the columns of a source are by name or comment, each list in their order.
struct Named {
    /// Protected attributes, and whether the comment tells.
    attributes: Vec<Option<(Cow<'static, str>, bool)>>,
    personal: Vec<Option<Personal>>,
}

impl RoleRequest {
    /// Resolves the roles against the columns of a source. Footers and first rows are read, and columns of whole
    /// numbers that are likely ids.
    ///
    /// # Errors
    /// All names that do not exist, all conflicting roles, all columns of an unusable type that were requested by name,
    /// all columns in use on which the files disagree, or no feature at all.
    pub fn resolve(&self, source: &Source) -> Result<Roles> {
        let roles = self.sort(source)?;
        let columns = source.columns();
        if let Some(id) = roles.id {
            check_id(&columns[id])?;
            self.unprotected(&columns[id].name)?;
        }
        roles.weight.map_or(Ok(()), |weight| check_weight(&columns[weight]))?;
        let asked = roles.outcomes.iter().filter(|o| !o.guessed).map(|o| o.column);
        asked.clone().try_for_each(|i| check_outcome(&columns[i]))?;
        check_products(columns, &roles)?;
        self.check_features(columns, &roles)?;
        let without = Some("leave the column out with --exclude");
        let values = roles.features.iter().copied().chain(asked).chain(roles.products.iter().copied());
        agreed_where_present(values.map(|i| &columns[i]), "columns in use", without)?;
        any_present(roles.features.iter().map(|&i| &columns[i]))?;
        agreed(roles.id.into_iter().chain(roles.weight).map(|i| &columns[i]), "columns in use", without)?;
        Ok(roles)
    }

    /// The same for an input that need not suit a fit.
    ///
    /// # Errors
    /// Names that do not exist, conflicting roles, and a column that cannot be read.
    pub(crate) fn sort(&self, source: &Source) -> Result<Roles> {
        let columns = source.columns();
        self.all_exist(source)?;
        self.no_contradiction()?;
        let position = |name: &String| source.position(name);
        let weight = self.weight.as_ref().and_then(position);
        let id = self.id.as_ref().and_then(position);
        let taken = [&self.features[..], &self.include, &self.outcomes].concat();
        let guessed = if id.is_none() { guess_id(columns, &taken).filter(|&i| Some(i) != weight) } else { None };
        let id = id.or(guessed);
        let named = self.named(source);
        let (features, left_out) = if self.features.is_empty() {
            self.default_features(source, id, &named)?
        } else {
            (self.features.iter().filter_map(position).collect(), Vec::new())
        };
        let with_role = [&features[..], id.as_slice(), weight.as_slice()].concat();
        let outcomes = self.outcomes(columns, &with_role);
        let known = [features.clone(), id.into_iter().chain(outcomes.iter().map(|o| o.column)).collect()].concat();
        let is_unwanted = |i: usize| {
            named.attributes[i].is_some() || named.personal[i].is_some() || self.exclude.contains(&columns[i].name)
        };
        Ok(Roles {
            id,
            described: described(source, &known, is_unwanted, &left_out)?,
            id_guessed: guessed.is_some(),
            features_named: !self.features.is_empty(),
            weight,
            left_out,
            personal: named.personal.iter().enumerate().filter_map(|(at, found)| Some((at, (*found)?))).collect(),
            protected: protected(id, &features, named),
            outcomes,
            products: self.products.iter().filter_map(position).collect(),
            codes: self.codes(columns, &features),
            features,
        })
    }

    /// The features where none are named, and the columns that are none.
    fn default_features(
        &self,
        source: &Source,
        id: Option<usize>,
        named: &Named,
    ) -> Result<(Vec<usize>, Vec<LeftOutColumn>)> {
        let (mut features, mut left_out) = (Vec::new(), Vec::new());
        for (i, column) in source.columns().iter().enumerate().filter(|(i, _)| Some(*i) != id) {
            let reason = match self.reason_to_leave_out(i, column, named) {
                None if self.may_be_id(column) && shape::looks_like_id(source, i)? => Some(Reason::ShapedLikeId),
                reason => reason,
            };
            match reason {
                Some(reason) => {
                    let is_usable = self.is_usable(column);
                    left_out.push(LeftOutColumn { column: column.name.clone(), reason, is_usable });
                }
                None => features.push(i),
            }
        }
        Ok((features, left_out))
    }

    /// Whether a column can be a feature, if it is asked for.
    fn is_usable(&self, column: &SourceColumn) -> bool {
        let is_number = ValueKind::of(&column.data_type).unusable().is_none() || self.encoded.contains(&column.name);
        is_number && column.conflicts.is_empty()
    }

    /// Whether the shape of its values can tell that a column is an id: it was not asked for.
    fn may_be_id(&self, column: &SourceColumn) -> bool {
        !self.include.contains(&column.name) && !self.encoded.contains(&column.name)
    }

    fn named(&self, source: &Source) -> Named {
        let columns = source.columns();
        let comments: Vec<Option<String>> =
            (0..columns.len()).map(|i| source.comment(i).and_then(|comment| clause(&comment))).collect();
        let attribute = |(c, comment): (&SourceColumn, &Option<String>)| self.attribute(&c.name, comment.as_deref());
        let personal = |(c, comment): (&SourceColumn, &Option<String>)| Personal::of(&c.name, comment.as_deref());
        Named {
            attributes: columns.iter().zip(&comments).map(attribute).collect(),
            personal: columns.iter().zip(&comments).map(personal).collect(),
        }
    }

    /// The protected attribute of a column with this name and comment, and whether the comment tells.
    fn attribute(&self, name: &String, comment: Option<&str>) -> Option<(Cow<'static, str>, bool)> {
        let own = |text: &str| own_words::attribute(&self.protected_words, text).map(|a| Cow::Owned(a.to_owned()));
        let known = |text: &str| own(text).or_else(|| protected_attribute(text).map(Cow::Borrowed));
        let asked = || self.protect.contains(name).then_some(Cow::Borrowed(BY_REQUEST));
        let by_name = known(name).or_else(asked).map(|found| (found, false));
        by_name.or_else(|| Some((known(comment?)?, true)))
    }

    fn unprotected(&self, id: &String) -> Result<()> {
        if !self.protect.contains(id) {
            return Ok(());
        }
        let error = Error::usage(format!("{id:?} is the id and cannot be in --protect"));
        Err(error.of_columns([id]).of_option("--protect"))
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

    /// The features among the columns of whole numbers whose names are those of codes.
    fn codes(&self, columns: &[SourceColumn], features: &[usize]) -> Vec<usize> {
        let is_likely = |&i: &usize| {
            let SourceColumn { name, data_type, .. } = &columns[i];
            data_type.is_integer() && !self.encoded.contains(name) && is_code(name)
        };
        features.iter().copied().filter(is_likely).collect()
    }

    fn all_exist(&self, source: &Source) -> Result<()> {
        let lists = [&self.features, &self.include, &self.exclude, &self.protect, &self.outcomes, &self.products];
        let asked = lists.into_iter().flatten().chain(&self.id).chain(&self.weight);
        let names: Vec<&str> = source.columns().iter().map(|c| c.name.as_str()).collect();
        let missing: Vec<&String> = asked.filter(|name| source.position(name).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let shown = |name: &&String| format!("{name:?}{}", did_you_mean(name, names.iter().copied()));
        let list: Vec<String> = missing.iter().map(shown).collect();
        let mut text = format!("no column is named {}; the input has: {}", list.join(", "), names.join(", "));
        if names.iter().any(|name| name.contains(',')) {
            text += "; a comma in a name is written as \\, or the name is put in double quotes";
        }
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

    fn reason_to_leave_out(&self, at: usize, column: &SourceColumn, named: &Named) -> Option<Reason> {
        let name = &column.name;
        match () {
            () if self.exclude.contains(name) => return Some(Reason::Excluded),
            () if self.weight.as_ref() == Some(name) => return Some(Reason::Weight),
            () if self.outcomes.contains(name) => return Some(Reason::Outcome),
            () if self.include.contains(name) => return None,
            () if self.products.contains(name) => return Some(Reason::Product),
            () => {}
        }
        let kind = ValueKind::of(&column.data_type);
        if let Some((attribute, _)) = named.attributes[at].clone() {
            return Some(Reason::Protected(attribute));
        }
        let personal = named.personal[at].map(Reason::Personal);
        match kind {
            _ if is_outcome(name) => Some(Reason::LikelyOutcome),
            _ if name == TRUTH_COLUMN => Some(Reason::Truth),
            _ if column.from_folder => Some(Reason::Folder),
            _ if ids::is_index(name) => Some(Reason::Index),
            // Categories are stored in the model by name.
            _ if self.encoded.contains(name) => personal,
            // A flag says whether there is a phone number, not which.
            ValueKind::Boolean => None,
            ValueKind::Number if personal.is_some() => personal,
            ValueKind::Number => ids::rank(name).map(|_| Reason::NamedLikeId),
            ValueKind::Date => Some(Reason::Date),
            other => other.unusable().map(Reason::Unusable),
        }
    }

    fn check_features(&self, columns: &[SourceColumn], roles: &Roles) -> Result<()> {
        let Roles { features, id, weight, .. } = roles;
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
        for (other, role) in [(id, "the id"), (weight, "the row weight")] {
            if let Some(at) = other.filter(|at| features.contains(at)) {
                let name = &columns[at].name;
                return Err(Error::usage(format!("{name:?} cannot be both {role} and a feature")).of_columns([name]));
            }
        }
        check_number(columns, features.len())
    }
}

/// The protected attributes, in the order of the input.
fn protected(id: Option<usize>, features: &[usize], named: Named) -> Vec<Protected> {
    let candidates = named.attributes.into_iter().enumerate().filter(|(i, _)| Some(*i) != id);
    candidates
        .filter_map(|(column, found)| {
            let (attribute, by_comment) = found?;
            Some(Protected { column, attribute, by_comment, is_feature: features.contains(&column) })
        })
        .collect()
}

/// What a comment says first, if it is short enough for a name: a long one tells more than what the column is.
fn clause(comment: &str) -> Option<String> {
    const WORDS: usize = 8;
    const CHARS: usize = 60;
    let first = comment.trim().split(['.', ',', ';', ':', '(', '\n', '，', '。', '；', '：', '（']).next()?.trim();
    let is_short = first.split_whitespace().count() <= WORDS && first.chars().count() <= CHARS;
    (is_short && !first.is_empty()).then(|| first.to_owned())
}

/// Refuses too few and too many features.
fn check_number(columns: &[SourceColumn], features: usize) -> Result<()> {
    if features == 0 {
        let list: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.data_type)).collect();
        return Err(Error::input(format!(
            "no numeric column to cluster by; the input has: {}; use --include for columns that are left out by default",
            list.join(", ")
        ))
        .of_kind(ErrorKind::Column));
    }
    if features > crate::tiles::MAX_DIM {
        return Err(Error::input(format!(
            "{features} features; at most {} are supported; choose fewer with --features or --exclude",
            crate::tiles::MAX_DIM
        ))
        .of_kind(ErrorKind::Column));
    }
    Ok(())
}

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
    Err(Error::usage(text).of_columns([&column.name]).of_option("--outcome"))
}

fn check_products(columns: &[SourceColumn], roles: &Roles) -> Result<()> {
    let refused = |text: String| Err(Error::usage(text).of_option("--product"));
    let mut seen = std::collections::HashSet::new();
    for &product in &roles.products {
        let SourceColumn { name, data_type, .. } = &columns[product];
        let kind = ValueKind::of(data_type);
        if !kind.is_numeric() && kind != ValueKind::Text {
            return refused(format!(
                "the product {name:?} is neither a number nor a date nor text: its type is {data_type}"
            ));
        }
        if Some(product) == roles.id {
            return refused(format!("{name:?} is the id and cannot be in --product"));
        }
        if !seen.insert(product) {
            return refused(format!("{name:?} is named twice in --product"));
        }
    }
    if roles.products.len() > MOST_PRODUCTS {
        return refused(format!("{} products; at most {MOST_PRODUCTS} are supported", roles.products.len()));
    }
    Ok(())
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

/// The column that is named most like the id of the rows, among those that can be one. Names that merely end in `id`
/// count only where there is one of them.
pub(crate) fn guess_id(columns: &[SourceColumn], taken: &[String]) -> Option<usize> {
    let is_free = |c: &SourceColumn| !c.is_partition && c.joined.is_none() && !taken.contains(&c.name);
    let ranked = |(at, c): (usize, &SourceColumn)| {
        let rank = ids::rank(&c.name)?;
        let suits = match ValueKind::of(&c.data_type) {
            ValueKind::Number if c.data_type.is_floating() => rank <= ids::SURE,
            ValueKind::Number | ValueKind::Text | ValueKind::Binary => true,
            _ => false,
        };
        (suits && is_free(c)).then_some((rank, at))
    };
    let mut found: Vec<(usize, usize)> = columns.iter().enumerate().filter_map(ranked).collect();
    if found.iter().filter(|(rank, _)| *rank == ids::ANY).count() > 1 {
        found.retain(|(rank, _)| *rank != ids::ANY);
    }
    found.into_iter().min().map(|(_, at)| at)
}
