//! `features rfm`: its arguments and its report.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use hyades::Result;
use hyades::input::{Access, CsvOptions};
use hyades::job::Resources;
use hyades::text::KeySource;
use hyades::transactions::{self, Filter, Returns, RfmOutcome, RfmRequest};

use super::console::Console;
use super::fmt::{bytes, seconds, thousands};

#[derive(Debug, Clone, Args)]
pub(super) struct RfmArgs {
    /// Parquet or CSV files with transactions, folders, quoted patterns, URLs or
    /// Delta tables
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Keys of encrypted files: TOML with footer, [columns] and [ids], each key in
    /// hex or base64, in a FILE or in env:NAME
    #[arg(long, value_name = "FILE|env:NAME")]
    keys: Option<KeySource>,
    /// File to write, one row per customer
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    columns: RfmColumnArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    more: MoreArgs,
    #[command(flatten)]
    csv: CsvOptions,
    #[command(flatten)]
    resources: Resources,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Columns")]
struct RfmColumnArgs {
    /// The customer: whole numbers or text
    #[arg(long, value_name = "COLUMN")]
    customer: String,
    /// The time: dates or timestamps
    #[arg(long, value_name = "COLUMN")]
    time: String,
    /// The amount, or two columns to multiply, as in 'quantity*price'
    #[arg(long, value_name = "COLUMN")]
    amount: String,
    /// The transaction, if it has several rows: purchases and returns are then
    /// distinct transactions [default: every row is one]
    #[arg(long, value_name = "COLUMN")]
    transaction: Option<String>,
    /// What a return is: negative (an amount below zero), or column=NAME (true, or
    /// not 0). Returns are counted separately and subtracted from monetary_sum
    #[arg(long, value_name = "HOW", default_value = "negative")]
    returns: Returns,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which transactions")]
struct ChoiceArgs {
    /// Reference date or timestamp; only earlier transactions count [default: the
    /// day after the newest transaction]
    #[arg(long, value_name = "DATE")]
    reference_date: Option<String>,
    /// Use only this many days before the reference date [default: all]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    window: Option<u32>,
    /// Use only transactions with this value, as in currency=EUR
    #[arg(long, value_name = "COLUMN=VALUE")]
    currency: Option<Filter>,
    /// What to do with transactions without a time, amount or --transaction, or with
    /// an amount that is NaN or infinite
    #[arg(long, value_name = "WHAT", default_value = "leave-out")]
    incomplete: Incomplete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Incomplete {
    /// Leave them out, and report how many
    LeaveOut,
    /// Refuse the input
    Refuse,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "More features")]
struct MoreArgs {
    /// Count and sum by the most common values of this column
    #[arg(long, value_name = "COLUMN")]
    category: Option<String>,
    /// Number of values; the rest are counted as other
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 10)]
    top: usize,
    /// Compare the last DAYS before the reference date with the DAYS before those
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    trend: Option<u32>,
}

impl RfmArgs {
    fn request(self) -> RfmRequest {
        RfmRequest {
            inputs: self.inputs,
            access: Access { keys: self.keys, csv: self.csv },
            customer: self.columns.customer,
            time: self.columns.time,
            amount: self.columns.amount,
            transaction: self.columns.transaction,
            reference: self.choice.reference_date,
            window: self.choice.window,
            returns: self.columns.returns,
            currency: self.choice.currency,
            category: self.more.category,
            top: self.more.top,
            trend: self.more.trend,
            refuse_incomplete: self.choice.incomplete == Incomplete::Refuse,
            resources: self.resources,
            out: self.out,
        }
    }
}

pub(super) fn rfm(args: RfmArgs, console: &Console) -> Result<()> {
    let request = args.request();
    let start = Instant::now();
    let outcome = transactions::rfm(&request, console.observer.as_ref(), &console.stop)?;
    let elapsed = start.elapsed().as_secs_f64();
    if console.quiet {
        return Ok(());
    }
    say!(
        "{} customers from {} of {} transactions, in {}",
        thousands(outcome.customers),
        thousands(outcome.used),
        thousands(outcome.transactions),
        seconds(elapsed)
    )?;
    say!("reference date {}{}", outcome.reference, origin(&request))?;
    for (rows, why) in outcome.left_out.reasons() {
        say!("left out: {} {why}", thousands(rows))?;
    }
    if !outcome.categories.is_empty() {
        say!("categories: {}, other", outcome.categories.join(", "))?;
    }
    if outcome.spilled > 0 {
        say!("{} went through a scratch file", bytes(outcome.spilled))?;
    }
    say!("{}: {}", request.out.display(), size(&outcome))
}

fn origin(request: &RfmRequest) -> &'static str {
    if request.reference.is_some() { "" } else { ", the day after the newest transaction" }
}

fn size(outcome: &RfmOutcome) -> String {
    format!("{} columns, {}", outcome.columns, bytes(outcome.bytes))
}
