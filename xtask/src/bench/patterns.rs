//! How well verdicts tell the patterns, and the tables of it in the documentation.

use std::fs;

use anyhow::{Context as _, Result};

use super::bench;
use crate::{process, say::result, workspace};

/// Where the tables are.
const DOCUMENT: &str = "docs/patterns.md";

/// Between this line and the next one the document holds what the benchmark printed.
const BEGIN: &str = "<!-- printed by `cargo xtask bench patterns --write` -->";
const END: &str = "<!-- end -->";

/// What `bench patterns` takes.
#[derive(clap::Args)]
pub(super) struct PatternsArgs {
    /// Put the tables in docs/patterns.md
    #[arg(long, conflicts_with = "part")]
    write: bool,
    /// Only a part, for tuning: `tune 10 16,64 wrong`; see benches/patterns/main.rs
    #[arg(trailing_var_arg = true)]
    part: Vec<String>,
}

pub(super) fn evaluate(args: &PatternsArgs) -> Result<()> {
    let mut command = bench("patterns", &args.part);
    if !args.write {
        return process::run(&mut command);
    }
    let tables = process::output(&mut command)?;
    let path = workspace::root().join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))?;
    let text = replaced(&text, &tables)
        .with_context(|| format!("{DOCUMENT} lacks the lines {BEGIN:?} and {END:?}"))?;
    fs::write(&path, text).with_context(|| format!("writing {DOCUMENT}"))?;
    result(format_args!("{DOCUMENT} has the tables"));
    Ok(())
}

/// `text` with `tables` between the two lines.
fn replaced(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_printed_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&text, "\nnew\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert_eq!(replaced("a\nb", "new"), None);
    }

    #[test]
    fn the_document_has_the_lines() {
        let text = fs::read_to_string(workspace::root().join(DOCUMENT)).unwrap();
        assert!(replaced(&text, "").is_some());
    }
}
