//! Cargo builds for other places than this terminal: static binaries, and their paths.
//!
//! One build serves the guests, the kernel tests on the host and releases, in a separate target
//! folder (`target/static`) so that everyday builds are not affected.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{process, say::say, workspace};

/// Target of static binaries: glibc's, because it comes with every toolchain. Guests and released
/// binaries are for this architecture only.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Executables by the name of their cargo target.
pub(crate) struct Executables(HashMap<String, PathBuf>);

impl Executables {
    /// Returns the path of a requested executable.
    pub(crate) fn path(&self, name: &str) -> Result<&PathBuf> {
        self.0.get(name).with_context(|| format!("cargo built no executable {name}"))
    }
}

/// Builds `ephtrace` for this machine.
pub(crate) fn ephtrace() -> Result<Executables> {
    say("building ephtrace");
    build(cargo("build --release -p ephtrace --bin ephtrace"))
}

/// Builds the programs of benchmarks: `ephtrace`, and the program that makes the kernel assign
/// ports.
pub(crate) fn bench_programs() -> Result<Executables> {
    say("building ephtrace for benchmarks");
    build(cargo("build --release -p ephtrace --bin ephtrace --example assign"))
}

/// Builds the measured program, as released, and the programs that measure it.
pub(crate) fn measured_programs() -> Result<Executables> {
    say("building ephtrace and what measures it");
    let words = "build --release -p ephtrace -p xtask --bin ephtrace --bin guest-init";
    let mut cargo =
        static_cargo(&format!("{words} --bin guest-meter --example assign --example floor"));
    // callgrind assigns instructions to stages by the files of their lines. The code stays the
    // same.
    cargo.args(["--config", r#"profile.release.package.ephtrace.debug="line-tables-only""#]);
    build(cargo)
}

/// Builds `ephtrace` for any host.
pub(crate) fn static_ephtrace() -> Result<Executables> {
    say("building ephtrace as a static binary");
    build_static("build --release -p ephtrace --bin ephtrace")
}

/// Builds PID 1 of the guests.
pub(crate) fn guest_init() -> Result<Executables> {
    say("building the guests' init");
    build_static("build --profile guest -p xtask --bin guest-init")
}

/// Builds `ephtrace`, the program that makes the kernel assign ports, and the programs that run
/// them in guests.
pub(crate) fn programs() -> Result<Executables> {
    say("building the guests' programs");
    let words = "build --profile guest -p ephtrace -p xtask";
    let programs = "--bin ephtrace --example assign --bin guest-init --bin guest-meter";
    build_static(&format!("{words} {programs}"))
}

/// Builds the test binary of `ephtrace/tests/kernel`.
pub(crate) fn kernel_tests() -> Result<Executables> {
    say("building the kernel tests");
    // Built with xtask, so that both builds use the same features of shared crates.
    build_static("test --no-run --profile guest -p ephtrace -p xtask --test kernel")
}

fn cargo(words: &str) -> Command {
    let mut cargo = Command::new(process::cargo());
    cargo.current_dir(workspace::root()).args(words.split(' '));
    cargo
}

fn build_static(words: &str) -> Result<Executables> {
    build(static_cargo(words))
}

fn static_cargo(words: &str) -> Command {
    let mut cargo = cargo(words);
    cargo
        .args(["--target", TARGET, "--target-dir"])
        .arg(workspace::target().join("static"))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    cargo
}

fn build(mut cargo: Command) -> Result<Executables> {
    cargo
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{} failed: {}", process::spell(&cargo), output.status);
    }
    Ok(Executables(executables(&String::from_utf8_lossy(&output.stdout))))
}

/// Parses cargo's messages, one JSON object a line, of which only finished executables matter.
fn executables(messages: &str) -> HashMap<String, PathBuf> {
    let finished = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let path = message.get("executable")?.as_str()?;
        let name = message.get("target")?.get("name")?.as_str()?;
        Some((name.to_owned(), PathBuf::from(path)))
    });
    finished.collect()
}

#[cfg(test)]
mod tests {
    use super::executables;

    #[test]
    fn only_executables_are_kept() {
        let found = executables(concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"ephtrace"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"kernel"},"#,
            r#""executable":"/t/kernel-1"}"#,
            "\nno JSON\n",
            r#"{"reason":"build-finished","success":true}"#,
        ));
        assert_eq!(found.len(), 1);
        assert_eq!(found["kernel"].to_str(), Some("/t/kernel-1"));
    }
}
