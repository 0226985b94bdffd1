//! A page: the frame with its style and content security policy, paragraphs, sections, lists and tables.

use super::html::Html;
use super::table::Table;

const HEAD: &str = "\
<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\">";

const STYLE: &str = "\
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:92rem;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0;color:#57606a}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.25rem .6rem;border-bottom:1px solid #d8dee4;text-align:right;white-space:nowrap;vertical-align:top}\
th{background:#f6f8fa;font-weight:600}\
.l{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:min(7rem,28vw)}\
.n{min-width:min(13rem,36vw);max-width:24rem;position:sticky;left:0;background:#fff}th.n{background:#f6f8fa}\
td.n{font-weight:600}li{overflow-wrap:anywhere}p{overflow-wrap:anywhere}\
.warning,.broken{color:#9a3412}.note{color:#57606a}";

/// Emphasis of a heading or a list item. Its name is its CSS class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// An expectation is broken.
    Broken,
    /// Act on it before the data are used.
    Warning,
    /// Worth knowing.
    Note,
}

impl Tone {
    fn name(self) -> &'static str {
        match self {
            Tone::Broken => "broken",
            Tone::Warning => "warning",
            Tone::Note => "note",
        }
    }
}

/// An item of a list: `warning: subject: text`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remark<'a> {
    /// The word the item starts with, and its color.
    pub(crate) tone: Tone,
    /// The subject, in bold, if there is one.
    pub(crate) subject: Option<&'a str>,
    /// The text.
    pub(crate) text: &'a str,
}

/// An HTML page under construction.
#[derive(Debug)]
pub(crate) struct Page(Html);

impl Page {
    /// Starts a page with its title as the first heading.
    pub(crate) fn new(title: &str) -> Self {
        let mut html = Html::default();
        html.markup(HEAD).element("title", "", title).markup("\n");
        html.open("style", "").markup(STYLE).close("style");
        html.markup("</head><body>\n").element("h1", "", title).markup("\n");
        Page(html)
    }

    /// Adds a paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.0.element("p", "", text).markup("\n");
    }

    /// Starts a section with a heading.
    pub(crate) fn section(&mut self, title: &str, tone: Option<Tone>) {
        self.0.element("h2", tone.map_or("", Tone::name), title).markup("\n");
    }

    /// Adds a section with a table; nothing if the table has no rows.
    pub(crate) fn table(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            self.section(title, None);
            table.write(&mut self.0);
        }
    }

    /// Adds a section with a list; nothing if the list is empty.
    pub(crate) fn list<'a>(&mut self, title: &str, remarks: impl IntoIterator<Item = Remark<'a>>) {
        let mut remarks = remarks.into_iter().peekable();
        if remarks.peek().is_none() {
            return;
        }
        self.section(title, None);
        self.0.open("ul", "").markup("\n");
        for Remark { tone, subject, text } in remarks {
            self.0.open("li", tone.name()).markup(tone.name()).markup(": ");
            if let Some(subject) = subject {
                self.0.element("b", "", subject).markup(": ");
            }
            self.0.text(text).close("li").markup("\n");
        }
        self.0.close("ul").markup("\n");
    }

    /// The complete page.
    pub(crate) fn finish(mut self) -> String {
        self.0.markup("</body></html>\n");
        self.0.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_it_is_given() {
        let mut page = Page::new("a & b");
        page.paragraph("1 < 2");
        page.section("broken", Some(Tone::Broken));
        page.list("Findings", [Remark { tone: Tone::Note, subject: Some("<x>"), text: "it's" }]);
        page.list("Nothing", []);
        let mut table = Table::new(&["name", "kind", "rows"], 2);
        page.table("Empty", &table);
        table.row(["<a>".to_owned(), "b".to_owned(), "1".to_owned()]);
        page.table("Files", &table);
        let html = page.finish();
        assert!(
            html.starts_with("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta http-equiv=")
        );
        assert!(
            html.contains(
                "<meta name=\"viewport\" content=\"width=device-width\"><title>a &amp; b</title>\n<style>body{"
            )
        );
        let body = html.split_once("</style></head><body>\n").map(|(_, body)| body);
        assert_eq!(
            body,
            Some(
                "<h1>a &amp; b</h1>\n<p>1 &lt; 2</p>\n<h2 class=\"broken\">broken</h2>\n<h2>Findings</h2>\n<ul>\n\
                 <li class=\"note\">note: <b>&lt;x&gt;</b>: it&#39;s</li>\n</ul>\n<h2>Files</h2>\n<div class=\"wide\"><table>\
                 <tr><th class=\"l n\">name</th><th class=\"l\">kind</th><th>rows</th></tr>\n\
                 <tr><td class=\"l n\">&lt;a&gt;</td><td class=\"l\">b</td><td>1</td></tr>\n\
                 </table></div>\n</body></html>\n"
            )
        );
    }
}
