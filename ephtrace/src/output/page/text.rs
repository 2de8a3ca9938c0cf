//! Text from outside, made safe to read; maud always escapes markup in it.

pub(super) use crate::output::escape::escape_for_terminal;

/// Returns a sentence with a capital first letter.
pub(super) fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
