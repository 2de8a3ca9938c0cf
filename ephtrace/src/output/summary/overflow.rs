//! What was only counted, in words.

use std::io::{self, Write};

use crate::{
    analyse::{
        overflow::{LossesByProcess, Overflow, ProcessLosses},
        storm::{Interval, Numbers},
    },
    output::{escape::escape_for_terminal, tables::storm::place},
};

/// How many rows and processes are listed.
const LISTED: usize = 5;

/// What the kernel half counted when the reader could not keep up.
pub(super) fn write(out: &mut impl Write, overflow: Option<&Overflow>) -> io::Result<()> {
    let Some(Overflow { interval, by_process }) = overflow else { return Ok(()) };
    let Interval { all, rows, other, .. } = interval;
    let (assignments, failed) = (all.assignments, all.failed);
    writeln!(
        out,
        "the ring buffer was full: {assignments} more assignments ({failed} failed) were \
                   only counted:"
    )?;
    writeln!(out, "{:>9} {:>7}  ORIGIN  PROCESS and DESTINATION", "COUNT", "FAILED")?;
    for row in rows.iter().take(LISTED) {
        let Numbers { assignments, failed, .. } = row.numbers;
        writeln!(out, "{assignments:>9} {failed:>7}  {}", place(row))?;
    }
    let rest = rows.iter().skip(LISTED).map(|row| row.numbers.assignments);
    let others = rest.sum::<u64>() + other.as_ref().map_or(0, |other| other.assignments);
    if others > 0 {
        writeln!(out, "{others:>9} of others")?;
    }
    losses_by_process(out, by_process)?;
    writeln!(out, "a storm like this is for `ephtrace storm`")
}

fn losses_by_process(out: &mut impl Write, losses: &LossesByProcess) -> io::Result<()> {
    writeln!(out, "{:>9}  PROCESS", "LOST")?;
    let (listed, more) = losses.busiest.split_at(losses.busiest.len().min(LISTED));
    for ProcessLosses { pid, comm, container, lost } in listed {
        write!(out, "{lost:>9}  {} ({pid})", escape_for_terminal(comm))?;
        match container {
            Some(container) => writeln!(out, " in {container}")?,
            None => writeln!(out)?,
        }
    }
    let others = losses.other_lost + more.iter().map(|one| one.lost).sum::<u64>();
    if others > 0 {
        writeln!(out, "{others:>9}  others")?;
    }
    Ok(())
}
