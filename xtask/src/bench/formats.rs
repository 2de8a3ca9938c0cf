//! `cargo xtask bench formats`: lines and packets a second, by format, and the table of them in the
//! documentation.

use anyhow::Result;

use super::{cargo::bench, document};
use crate::{process, say::result};

/// Document with the table.
const DOCUMENT: &str = "docs/performance.md";
const LINES: (&str, &str) =
    ("<!-- printed by `cargo xtask bench formats --write` -->", "<!-- end of formats -->");

/// What `bench formats` takes.
#[derive(clap::Args)]
pub(super) struct FormatsArgs {
    /// Put the table in docs/performance.md
    #[arg(long)]
    write: bool,
}

pub(super) fn measure(args: &FormatsArgs) -> Result<()> {
    let table = process::output(&mut bench("formats", [""; 0]))?;
    result(&table);
    if args.write {
        document::replace(DOCUMENT, LINES, &table)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_lines() {
        assert!(document::has(DOCUMENT, LINES));
    }
}
