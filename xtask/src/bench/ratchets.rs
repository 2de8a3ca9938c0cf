//! `cargo xtask bench build`: what must not grow without a reason: crates, bytes, time to build.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

use super::document::grouped;
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
}

pub(super) fn main(args: &BuildArgs) -> Result<()> {
    result(format_args!("crates linked: {}", crates_linked()?));
    if args.no_build {
        return Ok(());
    }
    let folder = workspace::target().join("clean");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove the build before")?;
    }
    say("building a release from nothing");
    let built = build(&folder)?;
    let size = fs::metadata(folder.join("release/ephtrace")).context("cargo built no ephtrace")?;
    result(format_args!("size of the release: {} bytes", grouped(size.len())));
    result(format_args!(
        "build from nothing: {} s, {} s of processor time",
        built.wall.as_secs(),
        built.processor.as_secs()
    ));
    fs::remove_dir_all(&folder).context("cannot remove the build")
}

/// Other crates whose code is in the binary: those of macros and build scripts are not.
fn crates_linked() -> Result<usize> {
    let mut tree = Command::new(process::cargo());
    tree.current_dir(workspace::root())
        .args(["tree", "--package", "ephtrace", "--edges", "normal,no-proc-macro"])
        .args(["--prefix", "none", "--no-dedupe", "--locked"]);
    Ok(names(&process::output(&mut tree)?).len())
}

/// Names and versions, of which the first is ephtrace itself.
fn names(tree: &str) -> BTreeSet<&str> {
    let lines = tree.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(|line| line.split(" (").next().unwrap_or(line)).collect()
}

struct Built {
    wall: Duration,
    processor: Duration,
}

fn build(folder: &Path) -> Result<Built> {
    let mut cargo = Command::new(process::cargo());
    cargo.current_dir(workspace::root());
    cargo.args(["build", "--release", "--package", "ephtrace", "--bin", "ephtrace", "--locked"]);
    cargo.arg("--target-dir").arg(folder);
    let (start, before) = (Instant::now(), processor_time()?);
    process::run_aside(&mut cargo)?;
    Ok(Built { wall: start.elapsed(), processor: processor_time()?.saturating_sub(before) })
}

/// Processor time of all programs that this one has waited for.
fn processor_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(time.num_microseconds())?))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn crates_are_counted_once_and_by_version() {
        let tree = "ephtrace v0.1.0 (/src)\na v1.0.0\nb v1.0.0 (*)\na v1.0.0\na v2.0.0\n\n";
        assert_eq!(names(tree).len(), 3);
    }
}
