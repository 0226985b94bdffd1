//! A table with a header row.

use super::html::Html;

/// A table: text columns first, aligned left, then numbers, aligned right.
#[derive(Debug)]
pub(crate) struct Table {
    header: &'static [&'static str],
    texts: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows, of which the first `texts` columns are text.
    pub(crate) fn new(header: &'static [&'static str], texts: usize) -> Self {
        Table { header, texts, rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("div", "wide").open("table", "");
        self.write_row(html, "th", self.header);
        self.rows.iter().for_each(|row| self.write_row(html, "td", row));
        html.close("table").close("div").markup("\n");
    }

    fn write_row(&self, html: &mut Html, tag: &'static str, cells: &[impl AsRef<str>]) {
        html.open("tr", "");
        for (i, cell) in cells.iter().enumerate() {
            html.element(tag, self.class(i), cell.as_ref());
        }
        html.close("tr").markup("\n");
    }

    /// The CSS class of a column. A cell that may break anywhere is squeezed to single letters by its neighbors, so
    /// text has a minimum width. The first column stays in view when a wide table is scrolled.
    fn class(&self, column: usize) -> &'static str {
        match column {
            0 => "l n",
            _ if column < self.texts => "l",
            _ => "",
        }
    }
}
