//! `cargo xtask setup`: prepares a machine with only Rust for building the eBPF half.
//!
//! Two things are needed: a compiler with a core library for `bpfel-unknown-none`, and bpf-linker
//! on an LLVM that is not older than that compiler's. Available ones are used; missing ones come
//! from the machine's packages, or from rustup. A second run finds everything and changes nothing.

pub(crate) mod bpftool;
pub(crate) mod compiler;
mod linker;
pub(crate) mod python;
mod typos;
pub(crate) mod unpacked;
pub(crate) mod version;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use self::compiler::{Compiler, Route};
use crate::say::say;

/// Prepare this machine for building ephtrace.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where a compiler for eBPF comes from when none is here, or in place of the one that is
    #[arg(long, value_enum, default_value_t = Route::Auto)]
    route: Route,
    /// Also what checking needs: clippy for the eBPF half, and typos
    #[arg(long)]
    lint: bool,
    /// Also the programs that tests compare with: bpftool, DuckDB, Polars and pyarrow,
    /// tcpdump, tshark, conntrack, nft, tracers of libbpf-tools, Prometheus, and container runtimes
    #[arg(long)]
    tests: bool,
}

/// Runs `cargo xtask setup`.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let compiler = compiler::ensure(args.route)?;
    say(format_args!("compiler for eBPF: {compiler}"));
    let linker = linker::ensure(compiler.llvm)?;
    say(format_args!("linker for eBPF: {linker}"));
    if args.lint {
        compiler::install_clippy(&compiler)?;
        say(format_args!("reader of the spelling: {}", typos::ensure()?.display()));
    }
    if args.tests {
        say(format_args!("other reader of types: {}", bpftool::ensure()?.display()));
        say(format_args!("other readers of recordings: {}", python::ensure()?.display()));
        let others = [
            ("tools that record", unpacked::packet_tools()),
            ("monitoring system", unpacked::prometheus()),
            ("container runtimes", unpacked::runtimes()),
        ];
        for (what, place) in others {
            match place {
                Ok(place) => say(format_args!("other {what}: {}", place.display())),
                // Its tests are skipped.
                Err(error) => say(format_args!("no other {what}: {error:#}")),
            }
        }
    }
    say("everything is here: cargo build --release");
    Ok(ExitCode::SUCCESS)
}

/// Prepares the machine at the start of the other commands; silent if everything is available.
pub(crate) fn ensure() -> Result<()> {
    let compiler = compiler::ensure(Route::Auto)?;
    linker::ensure(compiler.llvm).map(drop)
}

/// The same for checking; returns the compiler of the eBPF half, and typos.
pub(crate) fn ensure_lint() -> Result<(Compiler, PathBuf)> {
    let compiler = compiler::ensure(Route::Auto)?;
    linker::ensure(compiler.llvm)?;
    compiler::install_clippy(&compiler)?;
    Ok((compiler, typos::ensure()?))
}
