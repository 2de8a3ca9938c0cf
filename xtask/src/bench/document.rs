//! Parts of documents that benchmarks generate.

use std::fs;

use anyhow::{Context as _, Result};

use crate::{say::result, workspace};

/// Replaces the text between two lines of a document in the repository.
pub(super) fn replace(document: &str, (begin, end): (&str, &str), text: &str) -> Result<()> {
    let path = workspace::root().join(document);
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    let new = replaced(&old, (begin, end), text)
        .with_context(|| format!("{document} lacks the lines {begin:?} and {end:?}"))?;
    fs::write(&path, new).with_context(|| format!("cannot write {document}"))?;
    result(format_args!("{document} has the tables"));
    Ok(())
}

fn replaced(document: &str, (begin, end): (&str, &str), text: &str) -> Option<String> {
    let (before, rest) = document.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

/// Formats `+1,234`.
pub(super) fn signed(number: i64) -> String {
    let sign = if number < 0 { '-' } else { '+' };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// Formats `1,234`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns whether a document has the two lines.
#[cfg(test)]
pub(super) fn has(document: &str, lines: (&str, &str)) -> bool {
    let text = fs::read_to_string(workspace::root().join(document)).unwrap_or_default();
    replaced(&text, lines, "").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_printed_is_replaced() {
        let lines = ("<begin>", "<end>");
        let new = replaced("a\n<begin>\nold\n<end>\nb\n", lines, "\nnew\n").unwrap();
        assert_eq!(new, "a\n<begin>\n\nnew\n\n<end>\nb\n");
        assert_eq!(replaced(&new, lines, "new").unwrap(), new);
        assert_eq!(replaced("a\nb", lines, "new"), None);
    }

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 12, 123, 1_234, 1_234_567].map(grouped);
        assert_eq!(numbers.join(" "), "0 12 123 1,234 1,234,567");
        assert_eq!(signed(-1_500), "-1,500");
        assert_eq!(signed(0), "+0");
    }
}
