//! Waiting for whoever started us.

use std::io;

use anyhow::{Context as _, Result};

/// When to begin.
#[derive(clap::Args)]
pub(crate) struct Gate {
    /// Begin when standard input ends, so that a tracer can be told our process id first
    #[arg(long)]
    wait: bool,
}

impl Gate {
    /// Waits, if asked to.
    pub(crate) fn wait(&self) -> Result<()> {
        if self.wait { end_of_input() } else { Ok(()) }
    }
}

/// Waits for the end of standard input.
pub(crate) fn end_of_input() -> Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of stdin")?;
    Ok(())
}
