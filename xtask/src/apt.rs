//! The machine's own package manager, if it is apt: look up, choose, install.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{process, say::say};

/// Returns whether this machine has apt.
pub(crate) fn is_here() -> bool {
    process::find("apt-get").is_some()
}

/// Returns whether a package is installed.
pub(crate) fn has(package: &str) -> bool {
    let mut dpkg = Command::new("dpkg-query");
    let status = dpkg.args(["--show", "--showformat=${db:Status-Status}", package]);
    process::output(status).is_ok_and(|status| status == "installed")
}

/// Returns the version that would be installed, without Debian's epoch; `None` if there is no such
/// package.
pub(crate) fn candidate(package: &str) -> Option<String> {
    let policy = process::output(Command::new("apt-cache").args(["policy", package])).ok()?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    (version != "(none)").then(|| version.to_owned())
}

/// Refreshes the package lists.
pub(crate) fn update(why: &str) -> Result<()> {
    say(format_args!("apt-get update: {why}"));
    process::output(process::as_root("apt-get").args(["update", "-q"]))
        .map(drop)
        .context("cannot read the package lists")
}

/// Looks up a choice, and once more with new lists if it is not available: lists may be missing
/// (fresh machine) or too old to contain it.
pub(crate) fn choose<T>(what: &str, look_up: impl Fn() -> Option<T>) -> Result<Option<T>> {
    if let Some(found) = look_up() {
        return Ok(Some(found));
    }
    update(&format!("the lists here know no {what}"))?;
    Ok(look_up())
}

/// Installs those of the packages that are missing.
pub(crate) fn install(why: &str, packages: &[&str]) -> Result<()> {
    let missing: Vec<_> = packages.iter().copied().filter(|package| !has(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    for package in &missing {
        if choose(package, || candidate(package))?.is_none() {
            bail!("apt has no package {package}, needed for {why}");
        }
    }
    say(format_args!("installing {names}: {why}"));
    if try_install(&missing).is_err() {
        // Outdated lists name files that no longer exist.
        update("a package could not be fetched")?;
        try_install(&missing).with_context(|| format!("cannot install {names} for {why}"))?;
    }
    Ok(())
}

/// Installs packages, or reports what to install if there is no apt.
pub(crate) fn require(why: &str, packages: &[&str]) -> Result<()> {
    if is_here() {
        return install(why, packages);
    }
    bail!("{why} needs what Debian calls {}: install it", packages.join(", "))
}

/// Installs the newest version of a package.
pub(crate) fn upgrade(package: &str) -> Result<()> {
    update(&format!("for the newest {package}"))?;
    try_install(&[package])
}

fn try_install(packages: &[&str]) -> Result<()> {
    let mut apt = process::as_root("env");
    apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q"])
        .arg("--no-install-recommends")
        .args(packages);
    process::output(&mut apt).map(drop)
}
