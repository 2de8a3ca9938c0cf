//! Texts from outside, made harmless to read: what they hold as markup is escaped by maud, always.

pub(super) use crate::output::escape::escape_for_terminal;

/// A sentence begins with a capital letter.
pub(super) fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
