//! The customers of a campaign: their columns, joined tables and labels as one table, and the conditions of the lists.

use std::path::{Path, PathBuf};

use super::alike::{LikeColumns, distance_column};
use super::cells::CellColumns;
use super::file::{CampaignFile, ListOptions, SegmentRef};
use super::offers::{NEXT_CHANNEL, NEXT_PRODUCT, NEXT_REASON, OfferColumns};
use super::tables::{Workplace, column, id_of};
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::input::{Access, JoinCounts, Opening, OtherTable, Source, check_ids};
use crate::job::segment_names;
use crate::output::IDENTITY_COLUMN;
use crate::rules::{Compiled, Rule, RuleBook};
use crate::text::{percent, quoted, thousands};

const SEGMENT: &str = "segment";
const STAGE: &str = "stage";
/// The file of a history that names its current version.
const CURRENT: &str = "current.json";
/// The largest share of customers without a segment, by default.
const MAX_UNMATCHED: f64 = 0.01;

/// All customers.
#[derive(Debug)]
pub(super) struct CampaignCustomers {
    pub(super) source: Source,
    pub(super) id: usize,
    pub(super) cells: CellColumns,
    pub(super) segment_id: Option<usize>,
    /// The next product and its reason, if a list offers them.
    pub(super) next_product: Option<(usize, usize)>,
    /// The channel of each customer, if a list has none of its own.
    pub(super) next_channel: Option<usize>,
    /// The names of segments by number, where the labels have them.
    pub(super) names: Option<Vec<String>>,
    /// The conditions of the lists, in order.
    pub(super) conditions: Compiled,
    /// The columns that each list uses, in order.
    pub(super) used: Vec<ListColumns>,
    /// How the tables were joined.
    pub(super) joins: Vec<JoinCounts>,
}

/// What a list needs of its customers.
#[derive(Debug)]
pub(super) struct ListColumns {
    /// Segments by number; empty: all.
    pub(super) segments: Vec<i64>,
    pub(super) order_by: Option<usize>,
    /// Whether small values come first.
    pub(super) ascending: bool,
    pub(super) cap_per: Option<usize>,
    /// Further columns of its file.
    pub(super) shown: Vec<usize>,
}

impl CampaignCustomers {
    /// Opens all tables, joins what lists use, and checks ids.
    ///
    /// # Errors
    /// Tables that cannot be read, columns that do not exist, ids that are missing or repeated, labels of others.
    pub(super) fn open(file: &CampaignFile, place: Workplace<'_>) -> Result<Self> {
        let access = Access { keys: None, csv: file.customers.csv.clone() };
        let opening = Opening { access: &access, scratch: place.scratch, watch: place.watch };
        let source = Source::open_as(&file.customers.input, opening)?;
        if source.rows() == 0 {
            return Err(Error::input("the input has no rows".into()));
        }
        let id = id_of(&source, file.customers.id.as_deref())?;
        let id_name = source.columns()[id].name.clone();
        let labels = file.customers.segments.as_deref().map(labels_in).transpose()?;
        let mut tables: Vec<OtherTable> =
            file.customers.join.iter().map(|path| OtherTable { path: path.clone(), only: None }).collect();
        let mut names = None;
        if let Some(path) = &labels {
            let found = source.open_beside(path, opening)?;
            names = segment_names(&found);
            tables.extend(label_tables(&found, path, &id_name)?);
        }
        let source = source.with_tables(&tables, Some(&id_name), opening)?;
        let (source, offers) = OfferColumns::of(&file.campaign, source)?;
        let (mut source, likes) = LikeColumns::of(file, source, labels.as_deref())?;
        let conditions = conditions(file, &source)?;
        let used = used(file, &source, names.as_deref())?;
        let cells = CellColumns { segment: source.position(SEGMENT), stage: source.position(STAGE) };
        let segment_id = source.position(IDENTITY_COLUMN);
        vet_needs(file, cells, segment_id)?;
        vet_ids(&source, id, place)?;
        let of_lists = used.iter().flat_map(|list| list.order_by.iter().chain(&list.cap_per).chain(&list.shown));
        let own = cells.segment.into_iter().chain(segment_id).chain(cells.stage);
        let of_offers = offers.iter().flat_map(OfferColumns::needed);
        let calculated = of_offers.chain(likes.iter().flat_map(LikeColumns::needed));
        let needed: Vec<usize> = of_lists.copied().chain(own).chain(calculated).chain(conditions.columns()).collect();
        let joins = source.join(&needed, place.scratch, place.resources.budget(), place.watch)?;
        if let Some(path) = &labels {
            let path = path.display().to_string();
            let most = file.campaign.max_unmatched.unwrap_or(MAX_UNMATCHED);
            joins.iter().filter(|join| join.path == path).try_for_each(|join| vet_labels(join, most))?;
        }
        if let Some(offers) = offers {
            offers.compute(&mut source, cells, place)?;
        }
        if let Some(likes) = likes {
            likes.compute(&mut source, id, (file, place))?;
        }
        let next_product = next_product(file, &source);
        let is_own = file.list.iter().any(|list| list.channel.is_none());
        let next_channel = source.position(NEXT_CHANNEL).filter(|_| is_own && file.campaign.channel.is_some());
        Ok(CampaignCustomers {
            source,
            id,
            cells,
            segment_id,
            next_product,
            next_channel,
            names,
            conditions,
            used,
            joins,
        })
    }
}

/// The columns of the next product and its reason, if a list offers them.
fn next_product(file: &CampaignFile, source: &Source) -> Option<(usize, usize)> {
    let is_next = file.list.iter().any(ListOptions::offers_next);
    source.position(NEXT_PRODUCT).zip(source.position(NEXT_REASON)).filter(|_| is_next)
}

/// The columns of labels, which are joined by the id.
fn label_tables(labels: &Source, path: &Path, id: &str) -> Result<Vec<OtherTable>> {
    column(labels, SEGMENT).map_err(|e| e.of(&path.display().to_string()))?;
    if labels.position(id).is_none() {
        let text = format!(
            "labels in {} have no column {}, so that nobody knows whose they are; label the customers again with this \
             column as their id (--id)",
            path.display(),
            quoted(id)
        );
        return Err(Error::input(text).of_columns([id]).of_kind(ErrorKind::Column));
    }
    let wanted = [SEGMENT, IDENTITY_COLUMN].into_iter().filter(|name| labels.position(name).is_some());
    Ok(wanted.map(|name| OtherTable { path: path.to_path_buf(), only: Some(name.to_owned()) }).collect())
}

/// The table of labels that a path means.
fn labels_in(path: &Path) -> Result<PathBuf> {
    let mut folder = path.to_path_buf();
    if path.join(CURRENT).is_file() {
        let current = History::open(path)?.read_current(|_, version| Ok(version.to_path_buf()))?;
        folder = current.ok_or_else(|| Error::input(format!("{} has no current version", path.display())))?;
    }
    let within = folder.join("segments");
    Ok(if within.is_dir() { within } else { folder })
}

/// The conditions of all lists.
fn conditions(file: &CampaignFile, source: &Source) -> Result<Compiled> {
    let rule = |list: &ListOptions| {
        let when = list.condition.clone().unwrap_or_else(|| "TRUE".to_owned());
        let next = list.offers_next().then(|| NEXT_PRODUCT.to_owned());
        let distance = list.like.as_ref().and_then(|seeds| distance_column(file, seeds));
        // The line ends, as a condition may end with a comment.
        let and = |when: String, column: String| format!("({when}\n) AND {column} IS NOT NULL");
        Rule { name: list.name.clone(), when: next.into_iter().chain(distance).fold(when, and) }
    };
    let book = RuleBook { rules: file.list.iter().map(rule).collect(), strata: None };
    Compiled::again(&book, source, &[]).map_err(|faults| {
        let lines = faults.replace("\n  rule ", "\n  condition of list ");
        let lines = lines.strip_prefix("rule ").map_or(lines.clone(), |rest| format!("condition of list {rest}"));
        Error::usage(lines).of_kind(ErrorKind::Config)
    })
}

/// The columns of all lists; all faults at once.
fn used(file: &CampaignFile, source: &Source, names: Option<&[String]>) -> Result<Vec<ListColumns>> {
    let mut faults = Vec::new();
    let mut lists = Vec::new();
    for list in &file.list {
        let mut find = |name: &String, key: &str| match column(source, name) {
            Ok(at) => Some(at),
            Err(e) => {
                faults.push(format!("{key} of list {}: {e}", quoted(&list.name)));
                None
            }
        };
        let distance = list.like.as_ref().and_then(|seeds| distance_column(file, seeds));
        let order_by = list.order_by.as_ref().and_then(|name| find(name, "order_by"));
        let order_by = order_by.or_else(|| distance.as_ref().and_then(|name| find(name, "like")));
        let cap_per = list.cap_per.as_ref().and_then(|per| find(&per.column, "cap_per"));
        let mut shown: Vec<usize> = Vec::new();
        for at in list.columns.iter().chain(&distance).filter_map(|name| find(name, "columns")) {
            // The distance once, also where the file names it.
            if !shown.contains(&at) {
                shown.push(at);
            }
        }
        let mut segments = Vec::new();
        for segment in &list.segment {
            match segment {
                SegmentRef::Number(number) => segments.push(i64::from(*number)),
                SegmentRef::Name(name) => match names.and_then(|names| names.iter().position(|other| other == name)) {
                    Some(number) => segments.push(number as i64),
                    None => faults.push(format!(
                        "segment of list {}: no segment is named {}; name it by its number",
                        quoted(&list.name),
                        quoted(name)
                    )),
                },
            }
        }
        let ascending = list.ascending || list.like.is_some();
        lists.push(ListColumns { segments, order_by, ascending, cap_per, shown });
    }
    match faults.is_empty() {
        true => Ok(lists),
        false => Err(Error::usage(faults.join("\n  ")).of_kind(ErrorKind::Column)),
    }
}

/// Lists that choose by segment or stage need such a column.
fn vet_needs(file: &CampaignFile, cells: CellColumns, segment_id: Option<usize>) -> Result<()> {
    for list in &file.list {
        let by_number = !list.segment.is_empty() || !list.control_of.is_empty();
        let wanted = [
            (by_number, cells.segment, SEGMENT, "name the labels in [customers]: segments = \"FOLDER\""),
            (!list.segment_id.is_empty(), segment_id, IDENTITY_COLUMN, "only labels of hyades run have it"),
            (!list.stage.is_empty(), cells.stage, STAGE, "join a table that has it, as hyades tags writes one"),
        ];
        if let Some((.., name, remedy)) = wanted.iter().find(|(wanted, found, ..)| *wanted && found.is_none()) {
            let text = format!("list {} needs the column {name:?}; {remedy}", quoted(&list.name));
            return Err(Error::usage(text).of_columns([*name]).of_kind(ErrorKind::Column));
        }
    }
    Ok(())
}

/// Every customer has an id of his own: the same customer must not be on two sides.
fn vet_ids(source: &Source, id: usize, place: Workplace<'_>) -> Result<()> {
    let found = check_ids(source, id, place.resources.budget(), place.watch)?;
    let name = &source.columns()[id].name;
    let refuse = |rows: u64, what: &str| {
        let text = format!("{} of {} rows {what} in column {name:?}", thousands(rows), thousands(source.rows()));
        let remedy = "a campaign needs one row for each customer; repair the input";
        Err(Error::input(format!("{text}; {remedy}")).of_columns([name]).of_kind(ErrorKind::Values))
    };
    match (found.nulls, found.duplicates) {
        (0, 0) => Ok(()),
        (0, repeated) => refuse(repeated, "repeat an id"),
        (nulls, _) => refuse(nulls, "have no id"),
    }
}

/// Refuses labels that are likely those of other customers.
fn vet_labels(labels: &JoinCounts, most: f64) -> Result<()> {
    let rows = labels.matched + labels.unmatched;
    if labels.unmatched as f64 <= most * rows as f64 {
        return Ok(());
    }
    Err(Error::input(format!(
        "{} has no label for {} of {} customers ({}); check id and segments in [customers], or raise max_unmatched in \
         [campaign]",
        labels.path,
        thousands(labels.unmatched),
        thousands(rows),
        percent(labels.unmatched as f64 / rows as f64)
    )))
}
