//! Other projects' programs that come as Python packages.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::skip::skip;

/// Runs `program`, which prints the values to compare, with its variable `path` set to `path`.
/// Skips the test if `module` is not installed.
///
/// `EPHTRACE_PYTHON` names the interpreter, such as that of the virtual environment that `cargo
/// xtask test` makes.
pub(crate) fn python(module: &str, program: &str, path: &Path) -> Result<String> {
    let python = std::env::var("EPHTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_module = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if !has_module.is_ok_and(|output| output.status.success()) {
        return skip(format!("{python} has no module {module}"));
    }
    let program = format!("import sys, {module}\npath = sys.argv[1]\n{program}");
    let output = Command::new(python).args(["-c", &program]).arg(path).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("no UTF-8")
}
