//! Accuracy of verdicts on patterns, and the tables of it in the documentation.

use anyhow::Result;

use super::{cargo::bench, document};
use crate::process;

/// Document with the tables.
const DOCUMENT: &str = "docs/patterns.md";

/// Lines around the output of the benchmark in the document.
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
    document::replace(DOCUMENT, (BEGIN, END), &tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_lines() {
        assert!(document::has(DOCUMENT, (BEGIN, END)));
    }
}
