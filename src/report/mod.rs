//! The report kit: self-contained HTML pages for checks, profiles and comparisons.
//!
//! A page is one file without scripts, and it loads nothing: its style is inline and its content security policy
//! forbids everything else. Text is escaped by construction: titles, headers, cells and list items are plain strings,
//! and only `html` writes markup. A page is built from top to bottom:
//!
//! ```text
//! let mut page = Page::new("hyades check");        // head, style, first heading
//! page.paragraph("3 rows");
//! page.section("Summary", None);                   // a heading; what follows belongs to it
//! let mut table = Table::new(&["file", "rows"], 1); // one text column, then numbers
//! table.row(["a.parquet".to_owned(), thousands(3)]);
//! page.table("Files", &table);                     // a section of its own, left out when the table is empty
//! std::fs::write(path, page.finish())
//! ```

mod html;
mod number;
mod page;
mod table;

pub(crate) use self::number::{figures, whole};
pub(crate) use self::page::{Page, Remark, Tone};
pub(crate) use self::table::Table;
