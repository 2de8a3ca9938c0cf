//! `cargo xtask lint`: checks that must pass before anything is tested. A warning is an error here.
//!
//! The eBPF half has its own compiler (see [`crate::setup::compiler`]), so clippy checks it in a
//! separate run, with the clippy that belongs to that compiler.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Result, bail};

use crate::{assets, process, say, say::say, setup, workspace};

const BPF: &str = "bpfel-unknown-none";

/// Runs every check, also after a failed one.
pub(crate) fn main() -> Result<ExitCode> {
    let (compiler, typos) = setup::ensure_lint()?;
    let checks = [
        ("format", cargo("fmt --all --check")),
        ("clippy", cargo("clippy --workspace --exclude ephtrace-ebpf --all-targets -- -Dwarnings")),
        ("clippy, eBPF half", clippy_for_ebpf(&compiler)),
        ("documentation", cargo("doc --workspace --exclude ephtrace-ebpf --no-deps")),
        ("spelling", spelling(&typos)),
    ];
    let mut failed = Vec::new();
    for (what, mut check) in checks {
        say(what);
        if let Err(error) = process::run_aside(&mut check) {
            say::error(&error);
            failed.push(what);
        }
    }
    say("written files");
    if let Err(error) = assets::check() {
        say::error(&error);
        failed.push("written files");
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn cargo(words: &str) -> Command {
    let mut cargo = Command::new(process::cargo());
    cargo.current_dir(workspace::root()).args(words.split(' ')).env("RUSTDOCFLAGS", "-Dwarnings");
    cargo
}

/// Misspelt words in every file that git does not ignore; names and hidden files included.
fn spelling(typos: &Path) -> Command {
    let mut command = Command::new(typos);
    command.current_dir(workspace::root()).args(["--hidden", "--format", "brief"]);
    command
}

fn clippy_for_ebpf(compiler: &setup::compiler::Compiler) -> Command {
    // Clippy must be the compiler's own: it reads the metadata of that compiler's core library.
    let beside = compiler.rustc.with_file_name("cargo-clippy");
    let clippy = if beside.is_file() { beside.as_path() } else { Path::new("cargo-clippy") };
    let mut command = Command::new(clippy);
    command
        .current_dir(workspace::root())
        .args(["clippy", "--package", "ephtrace-ebpf", "--profile", "bpf", "--target", BPF])
        .arg("--target-dir")
        .arg(workspace::target().join("lint-ebpf"))
        .env("RUSTC", &compiler.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg=bpf_target_arch=\"x86_64\"");
    if compiler.builds_core() {
        command.arg("-Zbuild-std=core");
    }
    command.args(["--", "-Dwarnings"]);
    command
}
