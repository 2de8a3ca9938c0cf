//! Texts from outside, made harmless to read: what they hold as markup is escaped by maud, always.

use crate::sink::printable;

/// `text` with control characters and those that turn the direction of reading spelled out.
pub(super) fn shown(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    printable(&mut bytes, text);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A sentence begins with a capital letter.
pub(super) fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
