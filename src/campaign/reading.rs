//! Reads the file of a campaign, and tells every fault at its place.

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::file::{CampaignFile, ListOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{TomlFaults, TomlText, parse_date, quoted, toml_schema};

/// The most lists of a campaign.
const MOST_LISTS: usize = 128;
/// The most products of a campaign: one bit each.
const MOST_PRODUCTS: usize = 64;
/// The longest name of a list, in characters.
const LONGEST_NAME: usize = 100;
/// The reason that a campaign without this suppression has to explain.
const OPT_OUT: &str = "opt-out";

impl CampaignFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or says what a campaign cannot be; all faults at once, with line and column.
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
        let table = faults.table();
        if let Some(table) = &table {
            toml_schema::vet(table, &Self::schema(), &mut faults);
        }
        if !faults.is_empty() {
            return faults.finish(()).and(Err(Error::Internal("faults without a fault".into())));
        }
        let refuse = |e: toml::de::Error| {
            Error::usage(format!("{}: {e}", path.display())).of_kind(ErrorKind::Config).of_file(path)
        };
        let mut file: CampaignFile = toml::from_str(&text.text).map_err(refuse)?;
        if let Some(table) = &table {
            FileVetting { table, faults: &mut faults }.file(&file);
        }
        faults.finish(())?;
        file.rebase(path.parent().unwrap_or(Path::new("")));
        Ok(file)
    }
}

/// Finds what a schema cannot say.
struct FileVetting<'v, 'f, 'i> {
    table: &'v DeTable<'i>,
    faults: &'v mut TomlFaults<'f>,
}

impl FileVetting<'_, '_, '_> {
    /// A fault of the value that these keys lead to, or of the last one that there is.
    fn fault(&mut self, keys: &[&str], what: impl Into<String>) {
        self.faults.fault(place(self.table, keys), what);
    }

    fn file(&mut self, file: &CampaignFile) {
        let campaign = &file.campaign;
        if campaign.name.is_empty() {
            self.fault(&["campaign", "name"], "name of [campaign] must not be empty");
        }
        if campaign.day.len() != 10 || parse_date(&campaign.day).is_none() {
            let text = format!("day must be a date such as 2027-03-01; it is {}", quoted(&campaign.day));
            self.fault(&["campaign", "day"], text);
        }
        if let Some(share) = campaign.holdout.as_ref().map(|holdout| holdout.share).filter(|share| !is_share(*share)) {
            let text = format!("the share of the hold-out must be above 0 and below 1; it is {share}");
            self.fault(&["campaign", "holdout", "share"], text);
        }
        if let Some(share) = campaign.max_unmatched.filter(|share| !(0.0..=1.0).contains(share)) {
            let text = format!("max_unmatched must be a share from 0 to 1; it is {share}");
            self.fault(&["campaign", "max_unmatched"], text);
        }
        let products = &campaign.products;
        if products.len() > MOST_PRODUCTS {
            let text = format!("{} products; a campaign has at most {MOST_PRODUCTS}", products.len());
            self.fault(&["campaign", "products"], text);
        }
        if let Some((at, twice)) = products.iter().enumerate().find(|(i, product)| products[..*i].contains(product)) {
            let text = format!("products of [campaign] names {} twice", quoted(twice));
            self.fault(&["campaign", "products", &at.to_string()], text);
        }
        if file.customers.input.is_empty() {
            self.fault(&["customers", "input"], "input of [customers] names no table");
        }
        self.objections(file);
        if file.pressure.as_ref().is_some_and(|pressure| pressure.most == 0 || pressure.window_days == 0) {
            self.fault(&["pressure"], "most and window_days of [pressure] must be at least 1");
        }
        if file.list.is_empty() || file.list.len() > MOST_LISTS {
            self.fault(&["list"], format!("{} lists; a campaign has 1 to {MOST_LISTS}", file.list.len()));
        }
        // File systems may not tell capital letters apart.
        let mut names = BTreeSet::new();
        for (at, list) in file.list.iter().enumerate() {
            let is_new = names.insert(list.name.to_lowercase());
            self.list(&at.to_string(), list, is_new);
            if list.offers_next() && products.is_empty() {
                let text = "product = \"next\" needs the columns of products: [campaign] products = [...]";
                self.fault(&["list", &at.to_string(), "product"], format!("list {}: {text}", quoted(&list.name)));
            }
        }
    }

    /// Customers who object to marketing must be left out, or it must be said why there are none.
    fn objections(&mut self, file: &CampaignFile) {
        let asked = file.suppress.iter().any(|suppress| suppress.reason == OPT_OUT);
        match &file.campaign.no_opt_out {
            None if !asked => self.fault(
                &["campaign"],
                "no [[suppress]] has reason = \"opt-out\": name the customers who object to marketing, or say in \
                 [campaign] why there are none: no_opt_out = \"...\"",
            ),
            Some(why) if why.trim().is_empty() => self.fault(&["campaign", "no_opt_out"], "no_opt_out must say why"),
            Some(_) if asked => self.fault(
                &["campaign", "no_opt_out"],
                "no_opt_out and reason = \"opt-out\" exclude each other; remove one",
            ),
            _ => {}
        }
        let mut reasons = BTreeSet::new();
        for (at, suppress) in file.suppress.iter().enumerate() {
            let (at, reason) = (at.to_string(), quoted(&suppress.reason));
            if suppress.reason.trim().is_empty() {
                self.fault(&["suppress", &at, "reason"], "reason of [[suppress]] must not be empty");
            }
            if suppress.files.is_empty() {
                self.fault(&["suppress", &at, "files"], format!("[[suppress]] {reason} names no file"));
            }
            if !reasons.insert(&suppress.reason) {
                let text = format!("two [[suppress]] have the reason {reason}; merge them");
                self.fault(&["suppress", &at, "reason"], text);
            }
        }
    }

    /// One list; `is_new`: no list before it has its name.
    fn list(&mut self, at: &str, list: &ListOptions, is_new: bool) {
        let name = quoted(&list.name);
        if let Some(why) = unfit(&list.name) {
            self.fault(&["list", at, "name"], format!("list {name}: its name is that of a file, and {why}"));
        } else if !is_new {
            let text = format!("list {name}: another list has this name, and they would be one file");
            self.fault(&["list", at, "name"], text);
        }
        let needed = "must be above 0 and below 1, since without a control group nothing can be measured";
        if !is_share(list.control) {
            self.fault(&["list", at, "control"], format!("list {name}: control {needed}; it is {}", list.control));
        }
        for (segment, share) in &list.control_of {
            let keys = ["list", at, "control_of", segment];
            if !is_share(*share) {
                self.fault(&keys, format!("list {name}: control_of.{segment} {needed}; it is {share}"));
            }
            if segment.parse::<u32>().map_or(true, |number| number.to_string() != *segment) {
                let text = format!("list {name}: control_of names segments by number; {} is not one", quoted(segment));
                self.fault(&keys, text);
            }
        }
        let no_cap = format!("list {name}: a cap of 0 leaves nobody to contact");
        if list.cap == Some(0) {
            self.fault(&["list", at, "cap"], no_cap.clone());
        }
        if list.cap_per.as_ref().is_some_and(|per| per.most == 0) {
            self.fault(&["list", at, "cap_per", "most"], no_cap);
        }
        if list.cost_per_contact.is_some_and(|cost| !(cost >= 0.0 && cost.is_finite())) {
            let text = format!("list {name}: cost_per_contact must not be negative");
            self.fault(&["list", at, "cost_per_contact"], text);
        }
        if let Some((i, twice)) =
            list.columns.iter().enumerate().find(|(i, column)| list.columns[..*i].contains(column))
        {
            let text = format!("list {name}: columns names {} twice", quoted(twice));
            self.fault(&["list", at, "columns", &i.to_string()], text);
        }
        if list.like.is_some() && (list.order_by.is_some() || list.ascending) {
            let text = format!("list {name}: like ranks customers itself; remove order_by and ascending, or like");
            self.fault(&["list", at, "like"], text);
        }
    }
}

/// Where the value is that keys and numbers of items lead to, or the last one on the way.
fn place(table: &DeTable<'_>, keys: &[&str]) -> usize {
    let [first, rest @ ..] = keys else { return 0 };
    let Some(mut value) = table.get(*first) else { return 0 };
    for key in rest {
        let next = match value.get_ref() {
            DeValue::Table(table) => table.get(*key),
            DeValue::Array(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
    }
    value.span().start
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
