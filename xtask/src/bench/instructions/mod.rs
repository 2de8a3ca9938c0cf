//! `cargo xtask bench --instructions`: cost of one connect, to the instruction.
//!
//! An emulated guest scatters in time, but not in instructions. If QEMU makes each instruction take
//! a nanosecond and no time pass while everything waits, the guest's own clock counts instructions:
//! the same figure again and again, however busy the host is. Therefore CI can compare figures with
//! committed ones.
//!
//! runs → order → guests (`guest-meter` runs tracer and `assign cost`) → figures → table, or
//! limits.

mod evidence;
mod figures;
mod guests;
mod limits;
mod runs;
mod table;
mod wire;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use self::figures::{Committed, Figures};
use super::document;
use crate::{
    artifacts,
    say::{result, say},
    tally::Tally,
};

/// Kernel series of the committed figures, which depend on the kernel.
const KERNEL: &str = "6.12";

/// Number of repeated measurements of a row that seems to have grown: whether two or three of the
/// totals of `storm` fall into a run is chance, and one is a tenth of its cost. Growth stays.
const ONCE_MORE: usize = 2;

/// What `bench --instructions` takes.
#[derive(clap::Args)]
pub(super) struct InstructionsArgs {
    /// Only what CI compares: one destination, the modes that are used most
    #[arg(long)]
    reduced: bool,
    /// Compare these with the committed figures, and fail where something has grown too much
    #[arg(long, conflicts_with_all = ["write", "kernel", "load"])]
    check: bool,
    /// Commit what was measured: docs/instructions.json, and the tables of docs/performance.md
    #[arg(long)]
    write: bool,
    /// The guests' kernel: 5.10, 6.1, 6.12, newest, or the path of a bzImage
    #[arg(long, value_name = "KERNEL", default_value = KERNEL)]
    kernel: String,
    /// Only runs under loads whose name has this in it, as `IPv6`; the figures of others stay
    #[arg(long, value_name = "TEXT")]
    load: Option<String>,
}

pub(super) fn main(args: &InstructionsArgs) -> Result<ExitCode> {
    if args.check {
        let tests = check()?;
        tests.tell();
        return Ok(tests.exit_code());
    }
    let mut guests = if args.reduced { runs::reduced() } else { runs::full(&guests::peers()) };
    if let Some(text) = &args.load {
        for runs in &mut guests {
            runs.retain(|run| run.load.contains(text));
        }
        guests.retain(|runs| !runs.is_empty());
    }
    let programs =
        if args.reduced { artifacts::programs()? } else { artifacts::measured_programs()? };
    let figures = guests::measure(&programs, &args.kernel, guests)?;
    result(table::render(&figures)?);
    if args.write {
        commit(figures, args)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares the reduced runs with the committed figures, in a test for each. A row that seems to
/// have grown is measured again, and the minimum counts.
pub(crate) fn check() -> Result<Tally> {
    let committed = Committed::read()?.reduced.context("no committed figures to compare with")?;
    let programs = artifacts::programs()?;
    let mut measured = guests::measure(&programs, KERNEL, runs::reduced())?;
    for _ in 0..ONCE_MORE {
        let grown = limits::grown(&measured, &committed);
        if grown.is_empty() {
            break;
        }
        say(format_args!("measuring once more: {}", grown.join("; ")));
        let runs = runs::only(runs::reduced(), &grown);
        measured.take_less(&guests::measure(&programs, KERNEL, runs)?);
    }
    Ok(limits::compare(&measured, &committed))
}

fn commit(figures: Figures, args: &InstructionsArgs) -> Result<()> {
    let mut committed = Committed::read()?;
    let place = if args.reduced { &mut committed.reduced } else { &mut committed.full };
    match place {
        Some(old) if args.load.is_some() => old.replace(figures)?,
        place => *place = Some(figures),
    }
    committed.write()?;
    result(format_args!("{} has the figures", figures::FILE));
    match &committed.full {
        Some(full) if !args.reduced => {
            document::replace(table::DOCUMENT, (table::BEGIN, table::END), &table::render(full)?)
        }
        _ => Ok(()),
    }
}
