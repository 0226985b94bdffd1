//! HTML under construction: tags come from the program, text from anywhere.

use crate::text::shown;

/// A piece of HTML. Tags and classes are literals; everything else passes through [`text`](Self::text).
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Appends literal markup.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends text, escaped.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// Appends an opening tag, with a class unless it is empty.
    pub(super) fn open(&mut self, tag: &'static str, class: &'static str) -> &mut Self {
        self.markup("<").markup(tag);
        if !class.is_empty() {
            self.markup(" class=\"").markup(class).markup("\"");
        }
        self.markup(">")
    }

    /// Appends a closing tag.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.markup("</").markup(tag).markup(">")
    }

    /// Appends an element that holds text.
    pub(super) fn element(&mut self, tag: &'static str, class: &'static str, text: &str) -> &mut Self {
        self.open(tag, class).text(text).close(tag)
    }

    /// The HTML as a string.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Appends text as HTML, for use between tags or in a quoted attribute. Characters that are unsafe in a terminal are
/// shown as `\u{1b}` here too.
fn escape(text: &str, out: &mut String) {
    for c in shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut html = Html::default();
        html.element("p", "n", "<script>alert(\"1\" & '2')</script>\u{1b}");
        assert_eq!(
            html.into_string(),
            "<p class=\"n\">&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;\\u{1b}</p>"
        );
    }
}
