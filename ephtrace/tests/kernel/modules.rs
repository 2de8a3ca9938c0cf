//! Modules of the kernel that a guest gives to tests.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
};

/// Where a guest has a folder for each set of modules, named in the order in which they are loaded.
const MODULES: &str = "/modules";

fn folder(set: &str) -> PathBuf {
    Path::new(MODULES).join(set)
}

/// Whether this machine gives the set to tests.
pub(crate) fn are_here(set: &str) -> bool {
    folder(set).exists()
}

/// Loads a set; what is loaded already stays.
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
