//! The design of a campaign: what was decided and what came out, for whoever evaluates it.

use serde::{Deserialize, Serialize};

use super::strategy::StrategyLine;

/// The version of the fields below.
pub(super) const DESIGN_VERSION: u32 = 1;

/// The file `design.json`. An evaluation reads it together with the table `assignments`, which has the columns: the id,
/// `list`, `segment`, `segment_id`, `stage`, `arm` (`contact` or `control`), `rank`, `channel`, `product`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CampaignDesign {
    /// 1.
    pub design_version: u32,
    /// The program.
    pub hyades: String,
    /// The name of the campaign.
    pub campaign: String,
    /// Its day, as 2027-03-01.
    pub day: String,
    /// How sides are drawn.
    pub key: DesignKey,
    /// The hold-out of all campaigns.
    pub holdout: Option<DesignHoldOut>,
    /// Why there is no list of customers who object to marketing.
    pub no_opt_out: Option<String>,
    /// The column of ids.
    pub id: String,
    /// Customers of the input.
    pub customers: u64,
    /// The lists, in order.
    pub lists: Vec<DesignList>,
    /// Who was kept out.
    pub suppressed: Vec<DesignSuppression>,
    /// The window of contacts.
    pub pressure: Option<DesignPressure>,
    /// The files that were read: customers, joined tables, labels.
    pub inputs: Vec<DesignFile>,
    /// How many customers have a row in each joined table; labels are joined, too.
    pub joined: Vec<DesignJoin>,
    /// The columns of products.
    #[serde(default)]
    pub products: Vec<String>,
    /// The column of channels.
    #[serde(default)]
    pub channel: Option<String>,
    /// What is offered to whom.
    #[serde(default)]
    pub strategy: Vec<StrategyLine>,
    /// Who is on which side.
    pub assignments: DesignTable,
}

/// A key, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignKey {
    /// `secret`, or `name` if it follows from the name of the campaign.
    pub from: String,
    /// Eight digits that tell keys apart.
    pub check: String,
    /// How a customer's number follows from key and id.
    pub method: String,
}

/// The hold-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesignHoldOut {
    /// Its share.
    pub share: f64,
    /// Its key.
    pub key: DesignKey,
}

/// A list as it was asked for, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesignList {
    /// Its name.
    pub name: String,
    /// The share of the control group.
    pub control_share: f64,
    /// Other shares, by the number of the segment.
    pub control_share_of: std::collections::BTreeMap<String, f64>,
    /// How customers are contacted.
    pub channel: Option<String>,
    /// What is offered.
    pub product: Option<String>,
    /// What is said.
    pub script: Option<String>,
    /// What a contact costs.
    pub cost_per_contact: Option<f64>,
    /// The condition.
    pub condition: Option<String>,
    /// The column that ranks customers.
    pub order_by: Option<String>,
    /// The table of seeds, whose distance ranks them.
    #[serde(default)]
    pub like: Option<String>,
    /// The most customers contacted.
    pub cap: Option<u64>,
    /// Customers contacted.
    pub contacted: u64,
    /// Customers of the control group.
    pub control: u64,
    /// Its file, and the file's blake3.
    pub file: DesignFile,
}

/// A suppression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignSuppression {
    /// Why.
    pub reason: String,
    /// Different ids in its tables.
    pub ids: u64,
    /// Customers of the input with one of them.
    pub matched: u64,
    /// Its tables.
    pub files: Vec<DesignFile>,
}

/// The pressure rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignPressure {
    /// Days, the campaign's included.
    pub window_days: u32,
    /// Contacts after which a customer is left alone.
    pub most: u32,
    /// The tables of contacts.
    pub files: Vec<DesignFile>,
}

/// A file, by its path and a hash: of its footer where it was read, of its bytes where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignFile {
    /// Where it is.
    pub path: String,
    /// 64 hexadecimal digits.
    pub blake3: String,
}

/// A joined table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignJoin {
    /// Where it is.
    pub path: String,
    /// Customers with a row there.
    pub matched: u64,
    /// Customers without.
    pub unmatched: u64,
}

/// The table of sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignTable {
    /// Relative to the design.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Of its bytes.
    pub blake3: String,
}

impl From<(String, String)> for DesignFile {
    fn from((path, blake3): (String, String)) -> Self {
        DesignFile { path, blake3 }
    }
}
