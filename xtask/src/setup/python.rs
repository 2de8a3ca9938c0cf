//! Other readers of ephtrace's output, used by tests: DuckDB, Polars and pyarrow, and a validator
//! of JSON Schema, from `PyPI`, in a separate virtual environment in the cache.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{apt, process, say::say, workspace};

const READERS: [&str; 4] = ["duckdb", "polars", "pyarrow", "jsonschema"];

/// Returns the interpreter that has them; creates the environment if needed. ephtrace itself does
/// not need it.
pub(crate) fn ensure() -> Result<PathBuf> {
    let home = workspace::cache()?.join("python");
    let (python, whole) = (home.join("bin/python"), home.join("whole"));
    let wanted = READERS.join(" ");
    // An environment with an older list of readers is created anew.
    if fs::read_to_string(&whole).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    if !has_venv() {
        apt::require("other readers of what ephtrace writes", &["python3-venv"])?;
    }
    say(format_args!(
        "installing {} from PyPI, to try what ephtrace writes with",
        READERS.join(", ")
    ));
    process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    process::output(pip.args(READERS))?;
    fs::write(&whole, wanted).with_context(|| format!("cannot write {}", whole.display()))?;
    Ok(python)
}

/// Returns whether venv works: Debian packages the source of its pip separately.
fn has_venv() -> bool {
    process::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}
