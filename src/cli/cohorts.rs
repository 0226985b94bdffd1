//! `history cohorts`: how long customers stay in the segments that they join.

use hyades::Result;
use hyades::history::History;
use hyades::resegment::{Cohort, Cohorts};
use hyades::text::{percent, shown, thousands};

use super::history::{VersionArgs, print};
use super::report::table;

/// Columns before the shares, and of each share.
const FIXED: usize = 32;
const SHARE: usize = 7;
/// What is shown of more days than fit.
const SOME: [usize; 8] = [1, 2, 3, 6, 12, 24, 36, 60];

pub(super) fn cohorts(args: &VersionArgs) -> Result<()> {
    let cohorts = Cohorts::read(&History::open(&args.history)?, args.version)?;
    if args.json {
        return print(&cohorts);
    }
    if cohorts.cohorts.is_empty() {
        return say!("no customers yet");
    }
    say!("{}", drawn(&cohorts))?;
    say!("the share of those who joined that has not left the segment, 1, 2, ... runs later")?;
    match cohorts.small_cells {
        0 => Ok(()),
        limit => say!("few: fewer than {limit} customers"),
    }
}

fn drawn(cohorts: &Cohorts) -> String {
    let width = table(&[], &[]).width().map_or(100, usize::from);
    let later = cohorts.cohorts.iter().map(|cohort| cohort.staying.len()).max().unwrap_or(0);
    let offsets = offsets(later, width.saturating_sub(FIXED) / SHARE);
    let titles: Vec<String> = offsets.iter().map(|offset| format!("+{offset}")).collect();
    let header: Vec<&str> =
        ["segment", "joined", "customers"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let right: Vec<usize> = [0, 2].into_iter().chain(3..header.len()).collect();
    let mut out = table(&header, &right);
    for column in out.column_iter_mut() {
        column.set_padding((0, 1));
    }
    for cohort in &cohorts.cohorts {
        let size = cohort.customers.map_or_else(|| "few".into(), thousands);
        let own = [cohort.segment_id.to_string(), shown(&cohort.joined), size];
        out.add_row(own.into_iter().chain(offsets.iter().map(|offset| share(cohort, *offset))));
    }
    out.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Those of `later` runs that fit into so many columns.
fn offsets(later: usize, fitting: usize) -> Vec<usize> {
    match later <= fitting {
        true => (1..=later).collect(),
        false => SOME.into_iter().filter(|offset| *offset <= later).take(fitting).collect(),
    }
}

/// Who is still there, as a share of those who joined.
fn share(cohort: &Cohort, offset: usize) -> String {
    match (cohort.staying.get(offset - 1), cohort.customers) {
        (None, _) => String::new(),
        (Some(Some(staying)), Some(customers)) => percent(*staying as f64 / customers.max(1) as f64),
        _ => "few".into(),
    }
}
