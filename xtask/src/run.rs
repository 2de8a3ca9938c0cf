//! `cargo xtask run -- ARGS`: builds ephtrace and becomes it, as root.

use std::{os::unix::process::CommandExt as _, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{artifacts, process, setup};

/// Build ephtrace and run it as root.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What ephtrace gets
    #[arg(last = true, value_name = "ARGS")]
    words: Vec<String>,
}

/// Does not return on success: signals and the exit code are then ephtrace's own.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    setup::ensure()?;
    let built = artifacts::ephtrace()?;
    let mut command = process::as_root(built.path("ephtrace")?);
    let error = command.args(&args.words).exec();
    Err(error).with_context(|| format!("cannot run {}", process::spell(&command)))
}
