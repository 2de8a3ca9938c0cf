//! Width of a text on a terminal: Chinese, Japanese and Korean characters take two columns each,
//! combining marks none.

use std::fmt::{self, Display, Formatter};

use unicode_width::UnicodeWidthStr as _;

/// Returns the columns that `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Returns the columns that `text` takes if it is UTF-8; for other bytes, their number.
pub(crate) fn width_of_bytes(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    std::str::from_utf8(text).map_or(text.len(), width)
}

/// A text followed by spaces up to the width of a column. (The padding of `format!` counts
/// characters.)
pub(crate) struct Left<'a>(pub(crate) &'a str, pub(crate) usize);

/// A text preceded by spaces up to the width of a column.
pub(crate) struct Right<'a>(pub(crate) &'a str, pub(crate) usize);

impl Display for Left<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(text, columns) = *self;
        write!(f, "{text}{:padding$}", "", padding = columns.saturating_sub(width(text)))
    }
}

impl Display for Right<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(text, columns) = *self;
        write!(f, "{:padding$}{text}", "", padding = columns.saturating_sub(width(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!([width("curl"), width("日本"), width("e\u{301}")], [4, 4, 1]);
        assert_eq!(width_of_bytes("日本".as_bytes()), 4);
        assert_eq!(format!("{}|", Left("日本", 6)), "日本  |");
        assert_eq!(format!("{}|", Right("日本", 6)), "  日本|");
        assert_eq!(format!("{}|", Left("日本", 3)), "日本|");
    }
}
