//! The file of a campaign, as people write it.
//!
//! ```toml
//! [campaign]
//! name = "savings spring 2027"
//! day = "2027-03-01"
//! holdout = { share = 0.05 }
//!
//! [customers]
//! input = ["customers.parquet"]
//! segments = "history"
//!
//! [[suppress]]
//! files = ["opt_out.csv"]
//! reason = "opt-out"
//!
//! [[list]]
//! name = "gold"
//! segment = [3]
//! condition = "balance > 1000 AND NOT savings"
//! order_by = "balance"
//! cap = 500
//! control = 0.1
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::input::CsvOptions;
use crate::text::{TomlFaults, TomlText, parse_date, quoted, toml_schema};

/// The most lists of a campaign.
const MOST_LISTS: usize = 128;
/// The most products of a campaign: one bit each.
const MOST_PRODUCTS: usize = 64;
/// The product of a list that offers each customer his own.
const NEXT: &str = "next";
/// The longest name of a list, in characters.
const LONGEST_NAME: usize = 100;
/// The reason that a campaign without this suppression has to explain.
pub(super) const OPT_OUT: &str = "opt-out";

/// A campaign as its file describes it. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignFile {
    /// What the campaign is.
    pub campaign: CampaignOptions,
    /// Whom it considers.
    pub customers: CustomerTables,
    /// Customers who are not contacted.
    #[serde(default)]
    pub suppress: Vec<Suppression>,
    /// How often customers may be contacted. Default: without a limit
    pub pressure: Option<ContactPressure>,
    /// The lists, the most important first: a customer is in one at most.
    pub list: Vec<ListOptions>,
}

/// What a campaign is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignOptions {
    /// Its name. Campaigns of other names draw other control groups
    pub name: String,
    /// The day that the campaign refers to, such as 2027-03-01; never today's
    pub day: String,
    /// The secret of the keyed hash that draws control groups, in a file or env:NAME. Default: derived from the name,
    /// which whoever knows the name can repeat
    pub key: Option<String>,
    /// Customers whom no campaign contacts.
    pub holdout: Option<SharedHoldOut>,
    /// Why no list of customers who object to marketing is given
    pub no_opt_out: Option<String>,
    /// The largest share of customers without a segment. Default: 0.01
    pub max_unmatched: Option<f64>,
    /// Columns that say who holds which product: neither missing nor 0. They give each customer a next product
    #[serde(default)]
    pub products: Vec<String>,
    /// The column of the channel that each customer uses, for lists without a channel. Default: none
    pub channel: Option<String>,
}

/// Customers whom no campaign contacts: the same for all campaigns with the same key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedHoldOut {
    /// Their share
    pub share: f64,
    /// The secret that draws them, in a file or env:NAME. Default: one that all campaigns without a key share
    pub key: Option<String>,
}

/// Whom a campaign considers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerTables {
    /// Parquet or CSV files, folders, patterns
    pub input: Vec<PathBuf>,
    /// Tables whose columns are joined by the id
    #[serde(default)]
    pub join: Vec<PathBuf>,
    /// Labels: the folder of a fit, of an assign or of a history (its current version), or a table. Default: the input
    /// has the column segment, or no list needs it
    pub segments: Option<PathBuf>,
    /// The column of ids. Default: one named like an id
    pub id: Option<String>,
    /// How CSV files are written.
    #[serde(default)]
    pub csv: CsvOptions,
}

/// Customers who are not contacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Tables of their ids
    pub files: Vec<PathBuf>,
    /// The column of ids there. Default: that of the customers
    pub id: Option<String>,
    /// Why, such as opt-out
    pub reason: String,
}

/// How often customers may be contacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactPressure {
    /// Tables of contacts, one row each
    pub contacts: Vec<PathBuf>,
    /// The column of ids there. Default: that of the customers
    pub id: Option<String>,
    /// The column of days there
    pub day: String,
    /// Days up to that of the campaign, which counts
    pub window_days: u32,
    /// Contacts in these days after which a customer is left alone
    pub most: u32,
}

/// A segment, by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SegmentRef {
    /// By its number.
    Number(u32),
    /// By its name.
    Name(String),
}

/// The most contacts for each value of a column, such as a branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapPerValue {
    /// The column
    pub column: String,
    /// The most customers contacted for each of its values
    pub most: u64,
}

/// A list: whom to contact, in which order, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListOptions {
    /// Its name, and that of its file
    pub name: String,
    /// Segments, by number or name. Default: all
    #[serde(default)]
    pub segment: Vec<SegmentRef>,
    /// Segments of a history, by id. Default: all
    #[serde(default)]
    pub segment_id: Vec<u32>,
    /// Stages, values of the column stage. Default: all
    #[serde(default)]
    pub stage: Vec<String>,
    /// A condition in SQL. Default: all customers
    pub condition: Option<String>,
    /// The column by which customers are ranked; ties are ranked by id. Default: by id
    pub order_by: Option<String>,
    /// Whether small values come first. Default: large ones
    #[serde(default)]
    pub ascending: bool,
    /// The most customers contacted. Default: no limit
    pub cap: Option<u64>,
    /// The most customers contacted for each value of a column.
    pub cap_per: Option<CapPerValue>,
    /// The share of the control group, above 0 and below 1
    pub control: f64,
    /// Other shares, by the number of the segment
    #[serde(default)]
    pub control_of: BTreeMap<String, f64>,
    /// How customers are contacted. Default: by their own channel, if [campaign] names the column
    pub channel: Option<String>,
    /// What is offered; next: to each customer his next product, and to those without one, nothing
    pub product: Option<String>,
    /// What is said
    pub script: Option<String>,
    /// What a contact costs, for the evaluation
    pub cost_per_contact: Option<f64>,
    /// Further columns of its file
    #[serde(default)]
    pub columns: Vec<String>,
}

impl CampaignFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or says what a campaign cannot be; all faults at once.
    ///
    /// # Examples
    /// ```
    /// use hyades::campaign::CampaignFile;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("campaign.toml");
    /// let text = "[campaign]\nname = \"spring\"\nday = \"2027-03-01\"\nno_opt_out = \"a test\"\n\
    ///             [customers]\ninput = [\"customers.parquet\"]\n[[list]]\nname = \"all\"\ncontrol = 0.1\n";
    /// std::fs::write(&path, text)?;
    /// assert_eq!(CampaignFile::read(&path)?.list[0].name, "all");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(path: &Path) -> Result<Self> {
        let text = TomlText::read(path)?;
        let mut faults = TomlFaults::new(&text);
        if let Some(table) = faults.table() {
            toml_schema::vet(&table, &Self::schema(), &mut faults);
        }
        faults.finish(())?;
        let refuse = |what: String| Error::usage(what).of_kind(ErrorKind::Config).of_file(path);
        let fault = |e: toml::de::Error| refuse(format!("{}: {e}", path.display()));
        let mut file: CampaignFile = toml::from_str(&text.text).map_err(fault)?;
        let faults = file.faults();
        if !faults.is_empty() {
            let lines: Vec<String> = faults.into_iter().map(|fault| format!("{}: {fault}", path.display())).collect();
            return Err(refuse(lines.join("\n")));
        }
        file.rebase(path.parent().unwrap_or(Path::new("")));
        Ok(file)
    }

    /// The JSON Schema of such files, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(CampaignFile).to_value()
    }

    /// All files, folders and patterns that it reads.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let customers = self.customers.input.iter().chain(&self.customers.join).chain(&self.customers.segments);
        let others = self.suppress.iter().flat_map(|suppress| &suppress.files);
        let contacts = self.pressure.iter().flat_map(|pressure| &pressure.contacts);
        customers.chain(others).chain(contacts).cloned().collect()
    }

    /// Days since 1970 of the reference day.
    pub(super) fn day(&self) -> f64 {
        parse_date(&self.campaign.day).unwrap_or(0.0)
    }

    fn rebase(&mut self, folder: &Path) {
        let customers = &mut self.customers;
        let tables = customers.input.iter_mut().chain(&mut customers.join).chain(&mut customers.segments);
        let others = self.suppress.iter_mut().flat_map(|suppress| &mut suppress.files);
        let contacts = self.pressure.iter_mut().flat_map(|pressure| &mut pressure.contacts);
        for path in tables.chain(others).chain(contacts) {
            if !path.to_string_lossy().contains("://") {
                *path = folder.join(&path);
            }
        }
        let holdout = self.campaign.holdout.iter_mut().filter_map(|holdout| holdout.key.as_mut());
        for key in self.campaign.key.iter_mut().chain(holdout).filter(|key| !key.starts_with("env:")) {
            *key = folder.join(&*key).to_string_lossy().into_owned();
        }
    }

    /// What a schema cannot say.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let campaign = &self.campaign;
        if campaign.name.is_empty() {
            faults.push("name of [campaign] must not be empty".to_owned());
        }
        if campaign.day.len() != 10 || parse_date(&campaign.day).is_none() {
            faults.push(format!("day must be a date such as 2027-03-01; it is {}", quoted(&campaign.day)));
        }
        if let Some(share) = campaign.holdout.as_ref().map(|holdout| holdout.share).filter(|share| !is_share(*share)) {
            faults.push(format!("the share of the hold-out must be above 0 and below 1; it is {share}"));
        }
        if let Some(share) = campaign.max_unmatched.filter(|share| !(0.0..=1.0).contains(share)) {
            faults.push(format!("max_unmatched must be a share from 0 to 1; it is {share}"));
        }
        let products = &campaign.products;
        if products.len() > MOST_PRODUCTS {
            faults.push(format!("{} products; a campaign has at most {MOST_PRODUCTS}", products.len()));
        }
        if let Some(twice) = products.iter().enumerate().find(|(i, product)| products[..*i].contains(product)) {
            faults.push(format!("products of [campaign] names {} twice", quoted(twice.1)));
        }
        if self.customers.input.is_empty() {
            faults.push("input of [customers] names no table".to_owned());
        }
        faults.extend(self.objections());
        faults.extend(self.list_faults());
        faults
    }

    /// Customers who object to marketing must be left out, or it must be said why there are none.
    fn objections(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let asked = self.suppress.iter().any(|suppress| suppress.reason == OPT_OUT);
        match &self.campaign.no_opt_out {
            None if !asked => faults.push(
                "no [[suppress]] has reason = \"opt-out\": name the customers who object to marketing, or say in \
                 [campaign] why there are none: no_opt_out = \"...\""
                    .to_owned(),
            ),
            Some(why) if why.trim().is_empty() => faults.push("no_opt_out must say why".to_owned()),
            Some(_) if asked => {
                faults.push("no_opt_out and reason = \"opt-out\" exclude each other; remove one".to_owned());
            }
            _ => {}
        }
        let mut reasons = BTreeSet::new();
        for suppress in &self.suppress {
            if suppress.reason.trim().is_empty() {
                faults.push("reason of [[suppress]] must not be empty".to_owned());
            }
            if suppress.files.is_empty() {
                faults.push(format!("[[suppress]] {} names no file", quoted(&suppress.reason)));
            }
            if !reasons.insert(&suppress.reason) {
                faults.push(format!("two [[suppress]] have the reason {}; merge them", quoted(&suppress.reason)));
            }
        }
        if self.pressure.as_ref().is_some_and(|pressure| pressure.most == 0 || pressure.window_days == 0) {
            faults.push("most and window_days of [pressure] must be at least 1".to_owned());
        }
        faults
    }

    fn list_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.list.is_empty() || self.list.len() > MOST_LISTS {
            faults.push(format!("{} lists; a campaign has 1 to {MOST_LISTS}", self.list.len()));
        }
        // File systems may not tell capital letters apart.
        let mut names = BTreeSet::new();
        for list in &self.list {
            let name = quoted(&list.name);
            if let Some(why) = unfit(&list.name) {
                faults.push(format!("list {name}: its name is that of a file, and {why}"));
            } else if !names.insert(list.name.to_lowercase()) {
                faults.push(format!("list {name}: another list has this name, and they would be one file"));
            }
            let shares = [("control".to_owned(), list.control)];
            let of = list.control_of.iter().map(|(segment, share)| (format!("control_of.{segment}"), *share));
            for (key, share) in shares.into_iter().chain(of).filter(|(_, share)| !is_share(*share)) {
                faults.push(format!(
                    "list {name}: {key} must be above 0 and below 1, since without a control group nothing can be \
                     measured; it is {share}"
                ));
            }
            for segment in list.control_of.keys().filter(|segment| segment.parse::<u32>().is_err()) {
                faults.push(format!("list {name}: control_of names segments by number; {segment} is not one"));
            }
            if list.offers_next() && self.campaign.products.is_empty() {
                faults.push(format!(
                    "list {name}: product = \"next\" needs the columns of products: [campaign] products = [...]"
                ));
            }
            if list.cap == Some(0) || list.cap_per.as_ref().is_some_and(|per| per.most == 0) {
                faults.push(format!("list {name}: a cap of 0 leaves nobody to contact"));
            }
            if list.cost_per_contact.is_some_and(|cost| !(cost >= 0.0 && cost.is_finite())) {
                faults.push(format!("list {name}: cost_per_contact must not be negative"));
            }
        }
        faults
    }
}

impl ListOptions {
    /// Whether each customer is offered his own next product.
    pub(super) fn offers_next(&self) -> bool {
        self.product.as_deref() == Some(NEXT)
    }
}

fn is_share(share: f64) -> bool {
    share > 0.0 && share < 1.0
}

/// Why a list cannot have this name.
fn unfit(name: &str) -> Option<String> {
    let bad = |c: &char| c.is_control() || "/\\:*?\"<>|".contains(*c) || ('\u{202a}'..='\u{202e}').contains(c);
    let marks = |c: &char| ('\u{2066}'..='\u{2069}').contains(c) || ['\u{200e}', '\u{200f}'].contains(c);
    match name {
        "" => Some("must not be empty".into()),
        _ if name.chars().count() > LONGEST_NAME => Some(format!("has more than {LONGEST_NAME} characters")),
        _ if name.starts_with(['.', ' ', '-']) || name.ends_with(['.', ' ']) => {
            Some("must not begin with a dot, dash or space, nor end with a dot or space".into())
        }
        _ => name.chars().find(|c| bad(c) || marks(c)).map(|c| format!("must not contain {}", quoted(&c.to_string()))),
    }
}
