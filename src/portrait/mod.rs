//! The page of segments: what people at a bank read about them. A [`ProfileReport`] enters, a page leaves.
//!
//! Every figure of the page is in the JSON beside it. Counts of few customers are withheld, and so are those from which
//! they would follow, also from the page before (`told`). Absent on purpose: single customers, smallest and largest
//! values, scripts.

mod branches;
mod card;
mod heat;
mod made;
mod moves;
mod place;
mod quality;
mod rule;
mod segment;
mod summary;
mod told;

use std::collections::BTreeMap;

pub(crate) use self::branches::SegmentTree;
pub(crate) use self::made::made;
pub(crate) use self::moves::{MovedCustomers, SegmentMoves};
pub(crate) use self::told::EarlierPage;
use self::told::ToldShares;
use crate::profile::ProfileReport;
use crate::report::{Language, Page};

/// What a page shows besides the profile.
#[derive(Default)]
pub(crate) struct BesideProfile<'a> {
    pub(crate) earlier: Option<&'a EarlierPage>,
    /// Who came and left, by segment.
    pub(crate) moves: BTreeMap<u32, SegmentMoves>,
    /// The trees that segments were cut from.
    pub(crate) trees: &'a [SegmentTree],
}

/// The page, up to how the segments were made.
pub(crate) fn portrait(report: &ProfileReport, beside: &BesideProfile<'_>, title: &str, language: Language) -> Page {
    let told = ToldShares { report, earlier: beside.earlier };
    let mut page = Page::new(language, title);
    summary::add(&mut page, report);
    heat::add(&mut page, told);
    card::add(&mut page, told, &beside.moves);
    place::add(&mut page, report);
    branches::add(&mut page, report, beside.trees);
    quality::add(&mut page, told);
    page
}
