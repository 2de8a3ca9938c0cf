//! typos, which finds misspelt words in sources and pages. `_typos.toml` has the words that it does
//! not know.
//!
//! The package of `PyPI` has the program as a file, of the same release as that of crates.io, whose
//! building takes minutes.

use std::path::PathBuf;

use anyhow::Result;

use super::python;
use crate::workspace;

/// A newer release may know more misspellings, so that a check that passed would fail.
const PACKAGE: &str = "typos==1.52.0";

/// The program. Installed unless it is there.
pub(crate) fn ensure() -> Result<PathBuf> {
    let home = workspace::cache()?.join("typos");
    python::environment(&home, &[PACKAGE], "to check the spelling")?;
    Ok(home.join("bin/typos"))
}
