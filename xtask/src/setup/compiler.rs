//! A compiler that can build for `bpfel-unknown-none`: one with a core library for it, or with the
//! standard library's source to build one from.
//!
//! `ephtrace/build.rs` searches the same places in the same order.

use std::{
    fmt::{Display, Formatter},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use super::version::Version;
use crate::{apt, process, say::say, workspace};

/// Where a compiler comes from.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// What is here; else Debian's packages; else rustup
    Auto,
    /// Debian's packages: a compiler of their own, with a core library for eBPF
    Debian,
    /// rustup's component rust-src, for the toolchain in use
    Rustup,
}

/// A suitable compiler.
pub(crate) struct Compiler {
    pub(crate) rustc: PathBuf,
    core: Core,
    release: Version,
    /// Version of its LLVM: that of bpf-linker must not be older.
    pub(crate) llvm: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Core {
    Prebuilt,
    Source,
}

impl Compiler {
    /// Returns whether cargo has to build the core library first.
    pub(crate) fn builds_core(&self) -> bool {
        self.core == Core::Source
    }
}

impl Display for Compiler {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        let core = match self.core {
            Core::Prebuilt => "with a core library for eBPF",
            Core::Source => "with the core library's source",
        };
        let (rustc, release, llvm) = (self.rustc.display(), self.release, self.llvm);
        write!(to, "{rustc}, rustc {release} {core}, LLVM {llvm}")
    }
}

/// Debian's package names for one Rust: compiler, core library for eBPF, linter. `-web` is the
/// newer one that stable releases get for their browsers.
struct Packages {
    rustc: &'static str,
    core: &'static str,
    clippy: &'static str,
}

const PACKAGES: [Packages; 2] = [
    Packages { rustc: "rustc-web", core: "libstd-rust-web-dev-bpf", clippy: "rust-web-clippy" },
    Packages { rustc: "rustc", core: "libstd-rust-dev-bpf", clippy: "rust-clippy" },
];

/// Returns the available compiler, or the one that it installs.
pub(crate) fn ensure(route: Route) -> Result<Compiler> {
    match route {
        Route::Auto => {
            if let Some(compiler) = find() {
                return Ok(compiler);
            }
            install_any()?;
        }
        Route::Debian => install_debian()?,
        Route::Rustup => install_rustup()?,
    }
    find().context("a compiler was installed, and yet none is found that can build for eBPF")
}

/// Searches in build.rs's order: the one named, cargo's own, the system's, rustup's nightly.
fn find() -> Option<Compiler> {
    let named = std::env::var_os("EPHTRACE_BPF_RUSTC").map(PathBuf::from);
    let fixed = [PathBuf::from("rustc"), PathBuf::from(SYSTEM)];
    let known = named.into_iter().chain(fixed).find_map(|rustc| usable(&rustc));
    known.or_else(|| usable(&nightly()?))
}

const SYSTEM: &str = "/usr/bin/rustc";

fn nightly() -> Option<PathBuf> {
    let mut rustup = Command::new("rustup");
    let which = rustup.args(["which", "--toolchain", "nightly", "rustc"]);
    process::output(which).ok().map(|path| PathBuf::from(path.trim()))
}

fn usable(rustc: &Path) -> Option<Compiler> {
    let ask = |words: &[&str]| {
        process::output(Command::new(rustc).args(words).current_dir(workspace::root())).ok()
    };
    let sysroot = ask(&["--print", "sysroot"])?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let core = if libraries.join("bpfel-unknown-none/lib").is_dir() {
        Core::Prebuilt
    } else if libraries.join("src/rust/library/Cargo.lock").is_file() {
        Core::Source
    } else {
        return None;
    };
    let versions = ask(&["-vV"])?;
    let version = |name: &str| {
        let mut lines = versions.lines();
        lines.find_map(|line| Version::parse(line.strip_prefix(name)?))
    };
    let (release, llvm) = (version("release: ")?, version("LLVM version: ")?);
    Some(Compiler { rustc: rustc.to_owned(), core, release, llvm })
}

fn install_any() -> Result<()> {
    say("no compiler here can build for eBPF: it takes a core library for bpfel-unknown-none");
    if apt::is_here() && apt::choose("Rust for eBPF", packages)?.is_some() {
        return install_debian();
    }
    if process::find("rustup").is_some() {
        return install_rustup();
    }
    bail!(
        "no compiler can build for eBPF: install the standard library's source for your rustc \
         (rust-src), and run this again"
    )
}

/// Returns the first of Debian's Rusts that is new enough for this workspace.
fn packages() -> Option<&'static Packages> {
    let needed = Version::parse(env!("CARGO_PKG_RUST_VERSION"));
    PACKAGES.iter().find(|packages| {
        let version = |package| apt::candidate(package).and_then(|text| Version::parse(&text));
        version(packages.core).is_some() && version(packages.rustc) >= needed
    })
}

fn install_debian() -> Result<()> {
    if !apt::is_here() {
        bail!("this machine has no apt, so none of Debian's packages: try --route rustup");
    }
    let packages = apt::choose("Rust for eBPF", packages)?.with_context(|| {
        let needed = env!("CARGO_PKG_RUST_VERSION");
        format!("apt has no Rust for eBPF of version {needed} or newer: try --route rustup")
    })?;
    apt::install("building for eBPF", &[packages.rustc, packages.core])
}

/// Installs into rustup's toolchain, the one that cargo uses in this checkout.
fn install_rustup() -> Result<()> {
    say("rustup component add rust-src: the core library's source, for the toolchain in use");
    let mut rustup = Command::new("rustup");
    process::run_aside(rustup.args(["component", "add", "rust-src"]).current_dir(workspace::root()))
        .context("rustup cannot add rust-src")
}

/// Installs clippy for this compiler: rustup's toolchains bring their own, Debian's is a package.
pub(crate) fn install_clippy(compiler: &Compiler) -> Result<()> {
    if compiler.rustc != Path::new(SYSTEM) {
        return Ok(());
    }
    let packages = PACKAGES.iter().find(|packages| apt::has(packages.core));
    let packages = packages.context("the system's compiler comes from no package known here")?;
    apt::install("checking the eBPF half with clippy", &[packages.clippy])
}
