//! `cargo xtask assets`: man pages and completions, kept in `assets/`, and files for monitoring
//! systems, kept in `deploy/`, so that whoever packages ephtrace needs no build for them. `cargo
//! xtask lint` tells when they are not current.
//!
//! The files come out of the definitions of the command line and of the metrics
//! (`ephtrace/examples/assets`), so a new command has its page and its completions without a word
//! here.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{process, say::result, setup, workspace};

/// Folders that are written, both in the checkout and for a check.
const FOLDERS: [&str; 4] =
    ["assets/man", "assets/completions", "deploy/grafana", "deploy/prometheus"];

/// Write the man pages and completions to `assets/`, dashboard and rules to `deploy/`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tell whether they are current
    #[arg(long)]
    check: bool,
}

/// Writes or checks the files.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    setup::ensure()?;
    if args.check {
        check()?;
    } else {
        write()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write() -> Result<()> {
    let root = workspace::root();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        // The folder is removed, so that a removed command leaves no page.
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    generate(&root)?;
    let n: usize =
        FOLDERS.iter().map(|folder| files(&root.join(folder)).map_or(0, |all| all.len())).sum();
    result(format_args!("{n} files in {}", FOLDERS.join(", ")));
    Ok(())
}

/// Fails with the name of each file that differs from what would be written now.
pub(crate) fn check() -> Result<()> {
    let fresh = workspace::target().join("assets");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    generate(&fresh)?;
    let root = workspace::root();
    let mut stale = Vec::new();
    for folder in FOLDERS {
        stale.extend(differing(&files(&root.join(folder))?, &files(&fresh.join(folder))?));
    }
    if !stale.is_empty() {
        bail!("not current: {}; run `cargo xtask assets`", stale.join(", "));
    }
    Ok(())
}

fn generate(folder: &Path) -> Result<()> {
    let mut cargo = Command::new(process::cargo());
    cargo
        .current_dir(workspace::root())
        .args(["run", "--quiet", "-p", "ephtrace", "--example", "assets", "--"])
        .arg(folder);
    process::run_aside(&mut cargo)
}

/// Returns the names and texts of the files in `folder`; none if it does not exist.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let failed = || format!("cannot read {}", folder.display());
    if !folder.exists() {
        return Ok(BTreeMap::new());
    }
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let text = fs::read(&path).with_context(failed)?;
        files.insert(path.file_name().map_or_else(PathBuf::new, PathBuf::from), text);
    }
    Ok(files)
}

/// Returns the names of files that only one side has, or that differ.
fn differing(kept: &BTreeMap<PathBuf, Vec<u8>>, fresh: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let names = kept.keys().chain(fresh.keys().filter(|name| !kept.contains_key(*name)));
    names
        .filter(|name| kept.get(*name) != fresh.get(*name))
        .map(|name| name.display().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_missing_superfluous_or_changed() {
        let files = |all: &[(&str, &str)]| {
            all.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect()
        };
        let kept = files(&[("same", "1"), ("changed", "1"), ("gone", "1")]);
        let fresh = files(&[("same", "1"), ("changed", "2"), ("new", "1")]);
        assert_eq!(differing(&kept, &fresh), ["changed", "gone", "new"]);
        assert!(differing(&kept, &kept).is_empty());
    }
}
