//! What to evaluate.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::{InputOptions, Resources};
use crate::report::Language;
use crate::text::split_names;

/// Which campaign to evaluate, and by which outcomes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct EvaluateRequest {
    /// The folder of a design and tables of outcomes; or a table with both arm and
    /// outcomes of each customer.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// The column of the arm that each customer was assigned to, by chance
    /// [default with a design: arm]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub arm: Option<String>,
    /// The arm that was left alone [default with a design: control]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "VALUE"))]
    pub control: Option<String>,
    /// Outcomes of 0 or 1 (or true and false), such as whether a customer bought
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub conversion: Vec<String>,
    /// Outcomes in money, 0 where there was none
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub money: Vec<String>,
    /// Also compare the arms within each combination of these columns, such as
    /// segment,strategy [default with a design: list,segment]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub by: Vec<String>,
    /// Outcomes as events, such as sales: a table with any number of rows a customer, whose
    /// columns --conversion and --money name. A customer converts who has an event where
    /// the column is more than 0; money is added up
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
    pub events: Vec<PathBuf>,
    /// The column of the days of events: those before the contact do not count
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", requires = "events"))]
    pub event_day: Option<String>,
    /// The day of the contact, such as 2027-03-01, from which on events count
    /// [default with a design: its day]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "DAY", requires = "event_day"))]
    pub contact_day: Option<String>,
    /// Count only events of so many days, the day of the contact included
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", requires = "event_day"))]
    pub within_days: Option<u32>,
    /// The folder of a fit or an assign whose column segment is joined by the id
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
    pub labels: Option<PathBuf>,
    /// The customers' id, where tables are joined [default: a column named like one]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// The shares in which customers were assigned, such as mail=0.9,none=0.1
    /// [default: those of the design, or equal shares]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "ARM=SHARE"))]
    pub expected_shares: Vec<String>,
    /// What contacting one customer costs, in the unit of the money
    /// [default with a design: the cost_per_contact of each list]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "MONEY"))]
    pub cost_per_contact: Option<f64>,
    /// The share of the money that is gained, from 0 to 1 [default: 1]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub margin: Option<f64>,
    /// Also write the evaluation to this file, as JSON; - is the standard output
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Also write an HTML page for people to this file
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub report: Option<PathBuf>,
    /// Language of the tables and the page: en or zh
    #[serde(skip_serializing_if = "Language::is_default")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LANG", default_value_t))]
    pub lang: Language,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

impl EvaluateRequest {
    /// The same, with lists as a command line has them split into names, as
    /// [`ColumnOptions::split_lists`](crate::job::ColumnOptions::split_lists).
    ///
    /// # Errors
    /// A quote that is not closed.
    pub fn split_lists(mut self) -> Result<Self> {
        let lists = [
            ("--conversion", &mut self.conversion),
            ("--money", &mut self.money),
            ("--by", &mut self.by),
            ("--expected-shares", &mut self.expected_shares),
        ];
        for (option, list) in lists {
            let names: Result<Vec<Vec<String>>, String> = list.iter().map(|text| split_names(text)).collect();
            *list = names.map_err(|why| Error::usage(format!("{option}: {why}")).of_option(option))?.concat();
        }
        Ok(self)
    }

    /// The same, if its values are in range.
    pub(super) fn checked(&self) -> Result<Self> {
        if self.conversion.is_empty() && self.money.is_empty() {
            let text = "no outcome: name columns with --conversion (0 or 1) or --money";
            return Err(Error::usage(text.into()).of_option("--conversion"));
        }
        let wrong =
            |option: &'static str, text: String| Err(Error::usage(format!("{option} {text}")).of_option(option));
        if self.within_days == Some(0) {
            return wrong("--within-days", "0: expected at least one day, that of the contact".into());
        }
        match (self.cost_per_contact, self.margin) {
            (Some(cost), _) if !(cost.is_finite() && cost >= 0.0) => {
                wrong("--cost-per-contact", format!("{cost}: expected an amount of 0 or more"))
            }
            (_, Some(margin)) if !(0.0..=1.0).contains(&margin) => {
                wrong("--margin", format!("{margin}: expected a share from 0 to 1, such as 0.3"))
            }
            _ => Ok(self.clone()),
        }
    }

    /// The expected share of each arm, in the order of `arms`; they add up to 1.
    pub(super) fn shares(&self, arms: &[String]) -> Result<Vec<f64>> {
        if self.expected_shares.is_empty() {
            return Ok(vec![1.0 / arms.len() as f64; arms.len()]);
        }
        let wrong = |text: String| Error::usage(format!("--expected-shares: {text}")).of_option("--expected-shares");
        let mut shares = vec![None; arms.len()];
        for text in &self.expected_shares {
            let given = text.rsplit_once('=').and_then(|(arm, share)| Some((arm, share.trim().parse::<f64>().ok()?)));
            let given = given.filter(|(_, share)| share.is_finite() && *share > 0.0);
            let (arm, share) = given.ok_or_else(|| {
                wrong(format!("{text:?} is not a share of an arm; write ARM=SHARE, such as mail=0.9,none=0.1"))
            })?;
            let place = arms.iter().position(|known| known == arm);
            let place = place.ok_or_else(|| wrong(format!("no customer is in the arm {arm:?}")))?;
            if shares[place].replace(share).is_some() {
                return Err(wrong(format!("the arm {arm:?} is named twice")));
            }
        }
        let lacking = arms.iter().zip(&shares).find(|(_, share)| share.is_none());
        if let Some((arm, _)) = lacking {
            return Err(wrong(format!("the arm {arm:?} is missing")));
        }
        let shares: Vec<f64> = shares.into_iter().flatten().collect();
        let sum: f64 = shares.iter().sum();
        Ok(shares.into_iter().map(|share| share / sum).collect())
    }
}
