//! `cargo xtask bench`: what tracing costs, compared in one run. Figures, not verdicts: nothing here
//! passes or fails.

mod storm;
mod tracer;

use std::process::ExitCode;

use anyhow::Result;

/// What `bench` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many pairs of an untraced and a traced storm for each tracer
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// How many connects each storm makes
    #[arg(long, default_value_t = 30_000)]
    connects: u64,
    /// Only tracers whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    storm::compare(args)?;
    Ok(ExitCode::SUCCESS)
}
