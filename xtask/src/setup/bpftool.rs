//! Another reader of the kernel's types, which ephtrace's own is compared with.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{apt, process};

/// Where Debian puts it, which is not in everybody's path.
const DEBIAN: &str = "/usr/sbin/bpftool";

/// The program; installed unless it is there. ephtrace itself needs none of this.
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
