//! A page: the frame with its style and content security policy, paragraphs, sections, lists and tables.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::language::Language;
use super::table::{MOST_LINES, Table};
use super::{name, sentence};
use crate::text::thousands;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("style.css");

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
    fn class(self) -> &'static str {
        match self {
            Tone::Broken => "broken",
            Tone::Warning => "warning",
            Tone::Note => "note",
        }
    }

    fn word(self, language: Language) -> &'static str {
        match self {
            Tone::Broken => language.say("broken", "不满足"),
            Tone::Warning => language.say("warning", "警告"),
            Tone::Note => language.say("note", "提示"),
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
pub(crate) struct Page {
    language: Language,
    title: String,
    body: String,
}

impl Page {
    /// Starts a page with its title as the first heading.
    pub(crate) fn new(language: Language, title: &str) -> Self {
        let title = name(title);
        let body = html! { h1 { (title) } }.into_string() + "\n";
        Page { language, title, body }
    }

    /// The language of the page.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// Adds markup.
    pub(crate) fn add(&mut self, markup: impl Render) {
        markup.render_to(&mut self.body);
        self.body.push('\n');
    }

    /// Adds a paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.add(html! { p { (sentence(text)) } });
    }

    /// Adds a paragraph that explains what is beside it.
    pub(crate) fn explain(&mut self, text: &str) {
        self.add(html! { p.soft { (sentence(text)) } });
    }

    /// Starts a section with a heading.
    pub(crate) fn section(&mut self, title: &str, tone: Option<Tone>) {
        self.add(html! { h2 class=[tone.map(Tone::class)] { (name(title)) } });
    }

    /// Adds a section with a table; nothing if the table has no rows.
    pub(crate) fn table(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            self.section(title, None);
            self.rows(table);
        }
    }

    /// Adds a table. Of many rows the first ones are shown.
    pub(crate) fn rows(&mut self, table: &Table) {
        self.add(table);
        self.left_out(table.len());
    }

    /// Says how many of all lines are left out, if there are.
    fn left_out(&mut self, all: usize) {
        let left = all.saturating_sub(MOST_LINES);
        if left > 0 {
            let (left, all) = (thousands(left as u64), thousands(all as u64));
            self.explain(&match self.language {
                Language::En => format!("The first {MOST_LINES} of {all} are shown; the other {left} are in the JSON."),
                Language::Zh => format!("共 {all} 条，仅展示前 {MOST_LINES} 条，其余 {left} 条见 JSON。"),
            });
        }
    }

    /// Adds a section with a list; nothing if the list is empty. Of many items the first ones are shown.
    pub(crate) fn list<'a>(&mut self, title: &str, remarks: impl IntoIterator<Item = Remark<'a>>) {
        let remarks: Vec<Remark<'_>> = remarks.into_iter().collect();
        if remarks.is_empty() {
            return;
        }
        self.section(title, None);
        let language = self.language;
        self.add(html! {
            ul {
                @for Remark { tone, subject, text } in remarks.iter().take(MOST_LINES) {
                    li class=(tone.class()) {
                        (tone.word(language)) (language.say(": ", "："))
                        @if let Some(subject) = *subject { b { (name(subject)) } (language.say(": ", "：")) }
                        (sentence(text))
                    }
                }
            }
        });
        self.left_out(remarks.len());
    }

    /// The complete page.
    pub(crate) fn finish(self) -> String {
        let Page { language, title, body } = self;
        let page: Markup = html! {
            (DOCTYPE)
            html lang=(language.code()) {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body { main { (PreEscaped(body)) } }
            }
        };
        page.into_string() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_it_is_given() {
        let mut page = Page::new(Language::En, "a & b");
        page.paragraph("1 < 2");
        page.section("broken", Some(Tone::Broken));
        page.list("Findings", [Remark { tone: Tone::Note, subject: Some("<x>"), text: "it's" }]);
        page.list("Nothing", []);
        let mut table = Table::new(["name", "kind", "rows"], 2);
        page.table("Empty", &table);
        table.row(["<a>".to_owned(), "b".to_owned(), "1".to_owned()]);
        page.table("Files", &table);
        let html = page.finish();
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv="));
        assert!(html.contains("<title>a &amp; b</title>"));
        let (_, body) = html.split_once("<main>").unwrap();
        assert_eq!(
            body,
            "<h1>a &amp; b</h1>\n<p>1 &lt; 2</p>\n<h2 class=\"broken\">broken</h2>\n<h2>Findings</h2>\n\
             <ul><li class=\"note\">note: <b>&lt;x&gt;</b>: it's</li></ul>\n<h2>Files</h2>\n\
             <div class=\"wide\"><table><thead><tr><th scope=\"col\" class=\"l\">name</th>\
             <th scope=\"col\" class=\"l\">kind</th><th scope=\"col\">rows</th></tr></thead>\
             <tbody><tr><th scope=\"row\" class=\"l\">&lt;a&gt;</th><td class=\"l\">b</td><td>1</td></tr></tbody>\
             </table></div>\n</main></body></html>\n"
        );
    }

    /// Of two colors as `#rrggbb`, as WCAG 2.2 defines it.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |color: &str| {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_in_light_and_dark() {
        let themes: Vec<&str> = STYLE.split(":root{").skip(1).take(2).collect();
        assert_eq!(themes.len(), 2);
        for theme in themes {
            let color = |name: &str| {
                let (_, rest) = theme.split_once(&format!("--{name}:")).unwrap();
                rest[..7].to_owned()
            };
            for (text, behind) in [
                ("ink", "paper"),
                ("ink", "card"),
                ("soft", "paper"),
                ("soft", "card"),
                ("warn", "paper"),
                ("ink", "up1"),
                ("ink", "up2"),
                ("ink", "down1"),
                ("ink", "down2"),
                ("paper", "up4"),
                ("paper", "down4"),
            ] {
                let found = contrast(&color(text), &color(behind));
                assert!(found >= 4.5, "{text} on {behind}: {found:.2}");
            }
            for behind in ["up3", "down3"] {
                let found = contrast("#ffffff", &color(behind));
                assert!(found >= 4.5, "white on {behind}: {found:.2}");
            }
        }
    }
}
