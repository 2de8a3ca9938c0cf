//! Events that were only counted, in words.

use std::io::{self, Write};

use crate::{
    analyse::{
        overflow::{LossesByProcess, Overflow, ProcessLosses},
        storm::{Interval, Numbers},
    },
    output::{escape::escape_for_terminal, tables::storm::place},
};

/// Number of listed rows and processes.
const LISTED: usize = 5;

/// Writes the counts that the kernel half made when the reader could not keep up.
pub(super) fn write(out: &mut impl Write, overflow: Option<&Overflow>) -> io::Result<()> {
    let Some(Overflow { interval, by_process }) = overflow else { return Ok(()) };
    let Interval { all, rows, other, .. } = interval;
    let (assignments, failed) = (all.assignments, all.failed);
    writeln!(
        out,
        "the ring buffer was full: {assignments} more assignments ({failed} failed) were only \
         counted:"
    )?;
    writeln!(out, "{:>9} {:>7}  ORIGIN  PROCESS and DESTINATION", "COUNT", "FAILED")?;
    for row in rows.iter().take(LISTED) {
        let Numbers { assignments, failed, .. } = row.numbers;
        writeln!(out, "{assignments:>9} {failed:>7}  {}", place(row))?;
    }
    let rest = rows.iter().skip(LISTED).map(|row| row.numbers.assignments);
    let others = rest.sum::<u64>() + other.as_ref().map_or(0, |other| other.assignments);
    if others > 0 {
        writeln!(out, "{others:>9} others")?;
    }
    losses_by_process(out, by_process)?;
    writeln!(out, "for a storm like this, use `ephtrace storm`")
}

fn losses_by_process(out: &mut impl Write, losses: &LossesByProcess) -> io::Result<()> {
    writeln!(out, "{:>9}  PROCESS", "LOST")?;
    let (listed, more) = losses.busiest.split_at(losses.busiest.len().min(LISTED));
    for ProcessLosses { pid, comm, container, lost } in listed {
        write!(out, "{lost:>9}  {}", escape_for_terminal(comm))?;
        match pid {
            Some(pid) => write!(out, " ({pid})")?,
            None => write!(out, " (outside this PID namespace)")?,
        }
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

#[cfg(test)]
mod tests {
    use ephtrace_common::totals::{Totals, TotalsKey};
    use zerocopy::FromZeros as _;

    use super::*;
    use crate::{analyse::storm::Period, model::task_names::Membership};

    fn row(pid: u32, comm: [u8; 16], assignments: u64) -> (TotalsKey, Totals) {
        let key = TotalsKey { pid, protocol: 17, family: 4, origin: 4, ..TotalsKey::new_zeroed() };
        (key, Totals { assignments, comm, ..Totals::new_zeroed() })
    }

    #[test]
    fn who_lost_how_much() {
        let flood = *b"flood\x1b[2J\0\0\0\0\0\0\0";
        let mut rows: Vec<_> = (1..=7).map(|pid| row(pid, flood, 1000 * u64::from(pid))).collect();
        rows.push(row(8, *b"curl\0\0\0\0\0\0\0\0\0\0\0\0", 3));
        let other = row(0, [0; 16], 5).1;
        let period = Period { end_ns: 0, duration_ns: 0, processors: 1 };
        let of = |key: &TotalsKey, _: &Totals| {
            let container = (key.pid == 7).then(|| "pod".into());
            Some(Membership { container, names: None })
        };
        let overflow = Overflow::new(period, &rows, Some(&other), of);
        let mut out = Vec::new();
        write(&mut out, Some(&overflow)).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        the ring buffer was full: 28008 more assignments (0 failed) were only counted:
            COUNT  FAILED  ORIGIN  PROCESS and DESTINATION
            21000       0  udp     flood\u{1b}[2J (6 processes)  ::
             7000       0  udp     flood\u{1b}[2J (7) in pod  ::
                3       0  udp     curl (8)  ::
                5 others
             LOST  PROCESS
             7000  flood\u{1b}[2J (7) in pod
             6000  flood\u{1b}[2J (6)
             5000  flood\u{1b}[2J (5)
             4000  flood\u{1b}[2J (4)
             3000  flood\u{1b}[2J (3)
             3008  others
        for a storm like this, use `ephtrace storm`
        "#);
    }
}
