//! Waits for the program that started this one.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

/// When to begin.
#[derive(clap::Args)]
pub(crate) struct Gate {
    /// Begin when standard input ends, so that a tracer can be told our process id first
    #[arg(long)]
    wait: bool,
    /// Before that wait, say so in a line of its own on standard output
    #[arg(long, requires = "wait")]
    ready: bool,
}

impl Gate {
    /// Waits, if asked to.
    pub(crate) fn wait(&self) -> Result<()> {
        if self.ready {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "ready").and_then(|()| stdout.flush()).context("saying ready")?;
        }
        if self.wait { end_of_input() } else { Ok(()) }
    }
}

/// Waits for the end of standard input.
pub(crate) fn end_of_input() -> Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of stdin")?;
    Ok(())
}
