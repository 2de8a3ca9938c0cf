//! `cargo xtask bench rows`: recordings of ten million rows, which take bounded memory.
//!
//! The bounds stand in the tests, which are too long for each run of all tests. Each gets a process
//! of its own, as the largest memory of a process is what is measured.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    process,
    say::{result, say},
    workspace,
};

/// The names of the tests.
const TESTS: [&str; 2] =
    ["ten_million_rows_take_bounded_memory", "ten_million_rows_make_a_page_of_bounded_size"];

pub(super) fn main() -> Result<()> {
    for test in TESTS {
        say(format_args!("running {test}"));
        let mut cargo = Command::new(process::cargo());
        cargo.current_dir(workspace::root());
        cargo.args(["test", "--release", "--package", "ephtrace", "--lib", test]);
        let output = process::output(cargo.args(["--", "--ignored"]))?;
        // A test that was renamed would pass for one that holds.
        if !output.contains("test result: ok. 1 passed;") {
            bail!("there is not one test {test}:\n{output}");
        }
        result(format_args!("{test}: its bounds hold"));
    }
    Ok(())
}
