//! Texts from outside, made harmless to read: what they hold as markup is escaped by maud, always.

use crate::sink::printable;

/// `text` with control characters and those that turn the direction of reading spelled out.
pub(super) fn shown(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    printable(&mut bytes, text);
    String::from_utf8_lossy(&bytes).into_owned()
}
