//! `cargo xtask bench build`: figures that must not grow without a reason: crates, bytes, time to
//! build.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

use super::document::{self, grouped};
use crate::{
    process,
    say::{result, say},
    workspace,
};

/// What `bench build` takes.
#[derive(clap::Args)]
pub(super) struct BuildArgs {
    /// Leave out the build from nothing, which takes minutes
    #[arg(long)]
    no_build: bool,
    /// Put the table in docs/performance.md
    #[arg(long)]
    write: bool,
}

/// Document with the table.
const DOCUMENT: &str = "docs/performance.md";
const LINES: (&str, &str) =
    ("<!-- printed by `cargo xtask bench build --write` -->", "<!-- end of ratchets -->");

pub(super) fn main(args: &BuildArgs) -> Result<()> {
    let mut rows = vec![("crates linked", crates_linked()?.to_string())];
    if !args.no_build {
        let built = build()?;
        rows.push(("size of a release, bytes", grouped(built.bytes)));
        rows.push(("building it from nothing, seconds", built.wall.as_secs().to_string()));
        rows.push(("the same, processor time", built.processor.as_secs().to_string()));
    }
    let mut table = String::from("| | today |\n|---|--:|\n");
    for (what, figure) in rows {
        writeln!(table, "| {what} | {figure} |")?;
    }
    result(&table);
    if args.write {
        document::replace(DOCUMENT, LINES, &table)?;
    }
    Ok(())
}

/// Counts other crates whose code is in the binary: those of macros and build scripts are not.
fn crates_linked() -> Result<usize> {
    let mut tree = Command::new(process::cargo());
    tree.current_dir(workspace::root())
        .args(["tree", "--package", "ephtrace", "--edges", "normal,no-proc-macro"])
        .args(["--prefix", "none", "--no-dedupe", "--locked"]);
    Ok(names(&process::output(&mut tree)?).len())
}

/// Returns names and versions; the first one, ephtrace itself, is left out.
fn names(tree: &str) -> BTreeSet<&str> {
    let lines = tree.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(|line| line.split(" (").next().unwrap_or(line)).collect()
}

struct Built {
    bytes: u64,
    wall: Duration,
    processor: Duration,
}

/// Builds a release in a separate folder, which is removed afterwards.
fn build() -> Result<Built> {
    let folder = workspace::target().join("clean");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove the build before")?;
    }
    say("building a release from nothing");
    let mut cargo = Command::new(process::cargo());
    cargo.current_dir(workspace::root());
    cargo.args(["build", "--release", "--package", "ephtrace", "--bin", "ephtrace", "--locked"]);
    cargo.arg("--target-dir").arg(&folder);
    let (start, before) = (Instant::now(), processor_time()?);
    process::run_aside(&mut cargo)?;
    let (wall, processor) = (start.elapsed(), processor_time()?.saturating_sub(before));
    let file = fs::metadata(folder.join("release/ephtrace")).context("cargo built no ephtrace")?;
    fs::remove_dir_all(&folder).context("cannot remove the build")?;
    Ok(Built { bytes: file.len(), wall, processor })
}

/// Returns the processor time of all programs that this one has waited for.
fn processor_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(time.num_microseconds())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_lines() {
        assert!(document::has(DOCUMENT, LINES));
    }

    #[test]
    fn crates_are_counted_once_and_by_version() {
        let tree = "ephtrace v0.1.0 (/src)\na v1.0.0\nb v1.0.0 (*)\na v1.0.0\na v2.0.0\n\n";
        assert_eq!(names(tree).len(), 3);
    }
}
