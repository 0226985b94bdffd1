//! Long values, shortened for display.

use std::borrow::Cow;

/// Characters of a value that are shown.
pub(crate) const LONGEST_SHOWN: usize = 60;

/// The first [`LONGEST_SHOWN`] characters of a text, followed by `...` if there are more.
pub(crate) fn beginning(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
