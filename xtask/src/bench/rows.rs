//! `cargo xtask bench rows`: recordings of ten million rows in bounded memory.
//!
//! The bounds are in the tests, which are too long for each run of all tests. Each test gets a
//! process of its own, since the peak memory of a process is measured.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    process,
    say::{result, say},
    workspace,
};

/// Names of the tests.
const TESTS: [&str; 2] =
    ["ten_million_rows_take_bounded_memory", "ten_million_rows_make_a_page_of_bounded_size"];

pub(super) fn main() -> Result<()> {
    for test in TESTS {
        say(format_args!("running {test}"));
        let mut cargo = Command::new(process::cargo());
        cargo.current_dir(workspace::root());
        cargo.args(["test", "--release", "--package", "ephtrace", "--lib", test]);
        let output = process::output(cargo.args(["--", "--ignored"]))?;
        // A renamed test would pass for one that holds.
        if !output.contains("test result: ok. 1 passed;") {
            bail!("there is not one test {test}:\n{output}");
        }
        result(format_args!("{test}: its bounds hold"));
    }
    Ok(())
}
