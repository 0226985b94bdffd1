//! The page of segments: what people at a bank read about them. A [`ProfileReport`] enters, a page leaves.
//!
//! Every figure of the page is in the JSON beside it. Counts of few customers are withheld, and so are those from which
//! they would follow, also from the page before (`told`). Absent on purpose: single customers, smallest and largest
//! values, scripts.

mod card;
mod heat;
mod made;
mod place;
mod quality;
mod segment;
mod summary;
mod told;

pub(crate) use self::made::made;
pub(crate) use self::told::EarlierPage;
use self::told::ToldShares;
use crate::profile::ProfileReport;
use crate::report::{Language, Page};

/// The page, up to how the segments were made.
pub(crate) fn portrait(report: &ProfileReport, earlier: Option<&EarlierPage>, title: &str, language: Language) -> Page {
    let told = ToldShares { report, earlier };
    let mut page = Page::new(language, title);
    summary::add(&mut page, report);
    heat::add(&mut page, told);
    card::add(&mut page, told);
    place::add(&mut page, report);
    quality::add(&mut page, told);
    page
}
