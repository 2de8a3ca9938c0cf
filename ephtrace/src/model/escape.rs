//! Text from outside, made safe for a terminal and a log.

use std::{
    fmt::{self, Display, Write as _},
    io::Write as _,
    path::Path,
};

/// Returns whether `c` would move the cursor or change the text direction.
pub(crate) fn is_unsafe(c: char) -> bool {
    let marks = ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    c.is_control() || c == '\u{61c}' || marks.iter().any(|range| range.contains(&c))
}

/// Writes `text` with every character escaped that would move the cursor or change the text
/// direction.
pub(crate) fn printable(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        // Writing to memory does not fail.
        let _ =
            if is_unsafe(c) { write!(out, "{}", c.escape_default()) } else { write!(out, "{c}") };
    }
}

/// Returns `text` as [`printable`] writes it.
pub(crate) fn escape_for_terminal(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    printable(&mut bytes, text);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a path for messages: characters that move the cursor or change the text direction are
/// escaped, and so are bytes that are not UTF-8.
pub fn shown(path: &(impl AsRef<Path> + ?Sized)) -> impl Display {
    ShownPath(path.as_ref())
}

struct ShownPath<'a>(&'a Path);

impl Display for ShownPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_os_str().as_encoded_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_unsafe(c) { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use super::*;

    #[test]
    fn a_path_is_shown_as_it_is_but_for_what_a_terminal_takes_as_an_order() {
        assert_eq!(shown("/var/log/über uns.parquet").to_string(), "/var/log/über uns.parquet");
        let bad = OsStr::from_bytes(b"a\x1b]0;x\x07\n\xe2\x80\xae\xff\xc3/b");
        assert_eq!(shown(bad).to_string(), r"a\u{1b}]0;x\u{7}\n\u{202e}\xff\xc3/b");
    }
}
