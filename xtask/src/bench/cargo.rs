//! ephtrace's own benchmarks.

use std::{ffi::OsStr, process::Command};

use crate::process;

/// Returns `cargo bench` for one of them.
pub(super) fn bench(name: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(process::cargo());
    command.args(["bench", "--package", "ephtrace", "--bench", name, "--"]).args(args);
    command
}
