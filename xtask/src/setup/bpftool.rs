//! Another reader of the kernel's types, to compare with ephtrace's own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{apt, process};

/// Debian's path of it, which is not in every user's PATH.
const DEBIAN: &str = "/usr/sbin/bpftool";

/// Returns the program; installs it unless it is available. ephtrace itself does not need it.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(program) = find() {
        return Ok(program);
    }
    apt::require("another reader of the kernel's types", &["bpftool"])?;
    find().context("bpftool was installed, and yet there is none")
}

fn find() -> Option<PathBuf> {
    let debian = || Some(PathBuf::from(DEBIAN)).filter(|file| Path::is_file(file));
    process::find("bpftool").or_else(debian)
}
