//! A table with a header row.

use maud::{Markup, Render, html};

use super::name;

/// The most rows of a table that are shown, and the most items of a list.
pub(super) const MOST_LINES: usize = 500;

/// A table: text columns first, aligned left, then numbers, aligned right. The first cell of a row is its heading.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    texts: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows, of which the first `texts` columns are text.
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>, texts: usize) -> Self {
        Table { header: header.into_iter().map(Into::into).collect(), texts, rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn class(&self, column: usize) -> Option<&'static str> {
        (column < self.texts).then_some("l")
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            div.wide {
                table {
                    thead {
                        tr { @for (i, cell) in self.header.iter().enumerate() {
                            th scope="col" class=[self.class(i)] { (name(cell)) }
                        } }
                    }
                    tbody { @for row in self.rows.iter().take(MOST_LINES) {
                        tr { @for (i, cell) in row.iter().enumerate() {
                            @if i == 0 {
                                th scope="row" class="l" { (name(cell)) }
                            } @else {
                                td class=[self.class(i)] { (name(cell)) }
                            }
                        } }
                    } }
                }
            }
        }
    }
}
