//! Writes what is shipped beside the binary to a folder: manual pages and completions, from the
//! definition of the command line, and what a monitoring system takes, from the definitions of the
//! metrics. `cargo xtask assets` runs it.

mod completions;
mod manual;
mod monitoring;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("name a folder to write to")?;
    let folder = PathBuf::from(folder);
    completions::write(&made(folder.join("assets/completions"))?)?;
    manual::write(&made(folder.join("assets/man"))?)?;
    monitoring::write(&folder.join("deploy"))
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    Ok(folder)
}
