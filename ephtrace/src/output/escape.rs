//! JSON from outside, made safe for a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

pub(crate) use crate::model::escape::{escape_for_terminal, is_unsafe, printable};

/// Writes `value` as JSON that is safe on a terminal: unsafe characters in its strings are written
/// as `\u…`, which readers decode to the same.
pub(crate) fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Printable)).map_err(io::Error::from)
}

/// Writes JSON as `serde_json` does, except for unsafe characters in strings.
struct Printable;

impl Formatter for Printable {
    /// Of the unsafe characters, only those below a blank have been escaped before.
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        write_json(&mut out, &text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_shows_nothing_unsafe() {
        assert_eq!(json("a\u{1b}[31m\u{7f}\u{202e}é\"\\"), r#""a\u001b[31m\u007f\u202eé\"\\""#);
    }

    proptest! {
        #[test]
        fn json_is_read_back_and_shows_nothing_unsafe(
            text in "\\PC*|[\\x00-\\x7f\u{202a}-\u{202e}]*"
        ) {
            let written = json(&text);
            prop_assert!(!written.chars().any(is_unsafe), "{written:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
