//! Kernel modules that a guest provides for tests.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
};

/// Folder in which a guest has a folder for each set of modules; their names give the load order.
const MODULES: &str = "/modules";

fn folder(set: &str) -> PathBuf {
    Path::new(MODULES).join(set)
}

/// Returns true if this machine provides the set.
pub(crate) fn are_here(set: &str) -> bool {
    folder(set).exists()
}

/// Loads a set; modules that are already loaded stay.
pub(crate) fn load(set: &str) -> Result<()> {
    let entries = fs::read_dir(folder(set))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort_unstable();
    for path in &files {
        let file = File::open(path)?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e).with_context(|| format!("loading {}", path.display())),
        }
    }
    Ok(())
}
