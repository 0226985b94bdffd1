//! The report kit: self-contained HTML pages.
//!
//! A page is one file without scripts, and it loads nothing: its style is inline and its content security policy
//! forbids everything else. It follows the reader's light or dark theme and can be printed. Text is escaped by
//! construction. A page is built from top to bottom:
//!
//! ```text
//! let mut page = Page::new(Language::En, "hyades check"); // head, style, first heading
//! page.paragraph("3 rows");
//! page.section("Summary", None);                    // a heading; what follows belongs to it
//! let mut table = Table::new(["file", "rows"], 1);  // one text column, then numbers
//! table.row(["a.parquet".to_owned(), thousands(3)]);
//! page.table("Files", &table);                      // a section of its own, left out when the table is empty
//! page.add(bars(...));                              // a chart
//! std::fs::write(path, page.finish())
//! ```

mod chart;
mod language;
mod number;
mod page;
mod table;

pub(crate) use self::chart::{
    Dendrogram, Density, ShownInterval, Spot, bars, boxes, columns, dendrogram, intervals, lines, map,
};
pub use self::language::Language;
pub(crate) use self::number::{brief, whole};
pub(crate) use self::page::{Page, Remark, Tone};
pub(crate) use self::table::Table;

/// The most characters of a name or a cell.
const LONGEST: usize = 200;
/// The most characters of a sentence.
const LONGEST_SENTENCE: usize = 1000;

/// Text as pages show it: characters that could change the direction or the layout are written out, and what is too
/// long is cut.
pub(crate) fn name(text: &str) -> String {
    limited(text, LONGEST)
}

/// The same of a sentence, which may be longer.
pub(crate) fn sentence(text: &str) -> String {
    limited(text, LONGEST_SENTENCE)
}

fn limited(text: &str, most: usize) -> String {
    let shown = crate::text::shown(text);
    match shown.char_indices().nth(most) {
        None => shown.to_string(),
        Some((end, _)) => format!("{}…", &shown[..end]),
    }
}
