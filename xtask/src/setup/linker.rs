//! bpf-linker, built on an LLVM that can read the compiler's output.
//!
//! One in the cache or on PATH is used, as by `ephtrace/build.rs`; else one is built into the
//! cache, on the LLVM of the machine's packages.

use std::{
    fmt::{Display, Formatter},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::version::Version;
use crate::{apt, process, say::say, workspace};

/// Release to build, and the LLVMs that it can be built on.
const RELEASE: &str = "0.13.0";
const LLVMS: [u32; 3] = [21, 22, 23];

/// A suitable bpf-linker.
pub(super) struct Linker {
    path: PathBuf,
    /// Version of LLVM; unknown if it is linked statically.
    llvm: Option<u32>,
}

impl Display for Linker {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}", self.path.display())?;
        self.llvm.map_or(Ok(()), |llvm| write!(to, ", LLVM {llvm}"))
    }
}

/// Returns the available linker, or the one that it builds.
pub(super) fn ensure(compilers_llvm: Version) -> Result<Linker> {
    if let Some(linker) = find(compilers_llvm)? {
        return Ok(linker);
    }
    say("no bpf-linker here for this compiler: building one");
    build(compilers_llvm)?;
    find(compilers_llvm)?.context("bpf-linker was built, and yet is not found")
}

fn tools() -> Result<PathBuf> {
    Ok(workspace::cache()?.join("tools"))
}

fn find(compilers_llvm: Version) -> Result<Option<Linker>> {
    let ours = tools()?.join("bin/bpf-linker");
    // build.rs takes the first of these; the cached one is the one that can be replaced here.
    let Some(path) =
        Some(ours.clone()).filter(|path| path.is_file()).or_else(|| process::find("bpf-linker"))
    else {
        return Ok(None);
    };
    if process::output(Command::new(&path).arg("--version")).is_err() {
        say(format_args!("{} does not run here", path.display()));
        return Ok(None);
    }
    let llvm = shared_llvm(&path);
    if llvm.is_some_and(|llvm| llvm < compilers_llvm.major) {
        say(format_args!("{} is older than the compiler's LLVM {compilers_llvm}", path.display()));
        return Ok(None);
    }
    Ok(Some(Linker { path, llvm }))
}

/// Returns the major version of the LLVM library that a program loads.
fn shared_llvm(program: &Path) -> Option<u32> {
    let libraries = process::output(Command::new("ldd").arg(program)).ok()?;
    let (_, version) = libraries.split_once("libLLVM")?;
    // `libLLVM.so.22.1` or `libLLVM-22.so`
    let version = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    Version::parse(version).map(|version| version.major)
}

fn build(compilers_llvm: Version) -> Result<()> {
    let (llvm, prefix) = if apt::is_here() {
        packaged_llvm(compilers_llvm)?
    } else if process::find("cargo-binstall").is_some() {
        return install_prebuilt();
    } else {
        other_llvm(compilers_llvm)?
    };
    let root = tools()?;
    let why = "it takes a minute, once";
    say(format_args!(
        "building bpf-linker {RELEASE} on LLVM {llvm} into {}: {why}",
        root.display()
    ));
    let mut cargo = Command::new(process::cargo());
    cargo
        .args(["install", "bpf-linker", "--version", RELEASE, "--locked", "--force"])
        .args(["--no-default-features", "--features", &format!("llvm-{llvm}"), "--root"])
        .arg(root)
        .current_dir(workspace::root())
        .env("LLVM_PREFIX", prefix)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run_aside(&mut cargo).context("cannot build bpf-linker")
}

/// Returns the oldest packaged LLVM that is not older than the compiler's.
fn packaged_llvm(compilers_llvm: Version) -> Result<(u32, PathBuf)> {
    let fitting = || {
        LLVMS.into_iter().find_map(|llvm| {
            let version = Version::parse(&apt::candidate(&format!("llvm-{llvm}-dev"))?)?;
            (version >= compilers_llvm).then_some((llvm, version))
        })
    };
    let wanted = format!("LLVM {compilers_llvm} or newer");
    let Some((llvm, version)) = apt::choose(&wanted, fitting)? else {
        bail!(
            "the packages have no {wanted} that bpf-linker {RELEASE} can be built on ({LLVMS:?}): \
             use an older rustc (EPHTRACE_BPF_RUSTC=path), or put a bpf-linker on PATH"
        );
    };
    say(format_args!("LLVM for bpf-linker: {version}, the compiler has {compilers_llvm}"));
    let (development, polly) = (format!("llvm-{llvm}-dev"), format!("libpolly-{llvm}-dev"));
    let packages = [development.as_str(), polly.as_str(), "gcc", "g++", "libc6-dev"];
    apt::require("building bpf-linker", &packages)?;
    Ok((llvm, PathBuf::from(format!("/usr/lib/llvm-{llvm}"))))
}

/// Returns, without apt, the LLVM whose llvm-config is on PATH.
fn other_llvm(compilers_llvm: Version) -> Result<(u32, PathBuf)> {
    let ask = |what| process::output(Command::new("llvm-config").arg(what));
    let found = ask("--version").ok().and_then(|text| Version::parse(&text));
    match found {
        Some(llvm) if llvm >= compilers_llvm && LLVMS.contains(&llvm.major) => {
            Ok((llvm.major, PathBuf::from(ask("--prefix")?.trim())))
        }
        _ => bail!(
            "no bpf-linker, and no LLVM of {compilers_llvm} or newer to build it on: install \
             LLVM's development files so that llvm-config is on PATH, or cargo-binstall"
        ),
    }
}

/// Installs upstream's own binary, which contains its LLVM.
fn install_prebuilt() -> Result<()> {
    let root = tools()?;
    say(format_args!("cargo binstall bpf-linker {RELEASE} into {}", root.display()));
    let mut cargo = Command::new(process::cargo());
    cargo
        .args(["binstall", "bpf-linker", "--version", RELEASE, "--no-confirm", "--root"])
        .arg(root);
    process::run_aside(&mut cargo).context("cannot install bpf-linker")
}
