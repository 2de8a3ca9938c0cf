//! Other readers of ephtrace's output, used by tests: DuckDB, Polars and pyarrow, and a validator
//! of JSON Schema, from `PyPI`, in a separate virtual environment in the cache.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{apt, process, say::say, workspace};

const READERS: [&str; 4] = ["duckdb", "polars", "pyarrow", "jsonschema"];

/// Returns the interpreter that has them; creates the environment if needed. ephtrace itself does
/// not need it.
pub(crate) fn ensure() -> Result<PathBuf> {
    let home = workspace::cache()?.join("python");
    environment(&home, &READERS, "to try what ephtrace writes with")?;
    Ok(home.join("bin/python"))
}

/// Makes a virtual environment with these packages, unless it is there.
pub(super) fn environment(home: &Path, packages: &[&str], why: &str) -> Result<()> {
    let whole = home.join("whole");
    let wanted = packages.join(" ");
    // One that was made for another list is made anew.
    if fs::read_to_string(&whole).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    if !has_venv() {
        apt::require(&format!("installing {wanted}"), &["python3-venv"])?;
    }
    say(format_args!("installing {wanted} from PyPI, {why}"));
    process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home))?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    process::output(pip.args(packages))?;
    fs::write(&whole, wanted).with_context(|| format!("cannot write {}", whole.display()))
}

/// Returns whether venv works: Debian packages the source of its pip separately.
fn has_venv() -> bool {
    process::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}
