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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::input::CsvOptions;
use crate::text::parse_date;

/// The product of a list that offers each customer his own.
const NEXT: &str = "next";

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
    /// The model of a fit, for look-alikes. Default: the one beside the labels
    pub model: Option<PathBuf>,
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
    /// A table of ids, the seeds: other customers are ranked by their distance to them, the nearest first
    pub like: Option<PathBuf>,
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
    /// How customers are contacted. Default: by their own channel, if the campaign names the column
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
    /// The JSON Schema of such files, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(CampaignFile).to_value()
    }

    /// All files, folders and patterns that it reads.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let customers = self.customers.input.iter().chain(&self.customers.join).chain(&self.customers.segments);
        let others = self.suppress.iter().flat_map(|suppress| &suppress.files);
        let contacts = self.pressure.iter().flat_map(|pressure| &pressure.contacts);
        customers.chain(&self.customers.model).chain(others).chain(contacts).cloned().chain(self.seeds()).collect()
    }

    /// The tables of seeds, each once.
    pub(super) fn seeds(&self) -> Vec<PathBuf> {
        let mut seeds: Vec<PathBuf> = Vec::new();
        for path in self.list.iter().filter_map(|list| list.like.as_ref()) {
            if !seeds.contains(path) {
                seeds.push(path.clone());
            }
        }
        seeds
    }

    /// Days since 1970 of the reference day.
    pub(super) fn day(&self) -> f64 {
        parse_date(&self.campaign.day).unwrap_or(0.0)
    }

    /// Relative paths are relative to the folder of the file.
    pub(super) fn rebase(&mut self, folder: &Path) {
        let customers = &mut self.customers;
        let tables = customers.input.iter_mut().chain(&mut customers.join).chain(&mut customers.segments);
        let tables =
            tables.chain(&mut customers.model).chain(self.list.iter_mut().filter_map(|list| list.like.as_mut()));
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
}

impl ListOptions {
    /// Whether each customer is offered his own next product.
    pub(super) fn offers_next(&self) -> bool {
        self.product.as_deref() == Some(NEXT)
    }
}
