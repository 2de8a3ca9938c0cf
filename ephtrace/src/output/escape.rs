//! Text from outside, safe to be shown on a terminal.

use std::io::Write as _;

/// Writes `text` with everything escaped that would move the cursor or turn the direction.
pub(crate) fn printable(out: &mut Vec<u8>, text: &str) {
    let turns = ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    let is_unsafe = |c: char| c.is_control() || turns.iter().any(|range| range.contains(&c));
    for c in text.chars() {
        let _ =
            if is_unsafe(c) { write!(out, "{}", c.escape_default()) } else { write!(out, "{c}") };
    }
}

/// `text` as [`printable`] writes it.
pub(crate) fn escape_for_terminal(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    printable(&mut bytes, text);
    String::from_utf8_lossy(&bytes).into_owned()
}
