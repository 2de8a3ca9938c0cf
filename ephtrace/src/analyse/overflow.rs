//! Assignments that found no room in the ring buffer and were only counted.

use std::{cmp::Reverse, collections::HashMap};

use ephtrace_common::{
    id_here,
    totals::{Totals, TotalsKey},
};
use serde::Serialize;

use super::storm::{Interval, Period};
use crate::model::{Comm, grouping::By, task_names::Membership};

/// Maximum number of listed processes.
const LISTED: usize = 20;

/// Assignments that were lost because the ring buffer was full.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Overflow {
    /// Lost assignments by process name, destination and origin.
    #[serde(flatten)]
    pub interval: Interval,
    /// Lost assignments by process; the sum covers all of them.
    pub by_process: LossesByProcess,
}

/// Number of lost assignments of each process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LossesByProcess {
    /// Processes that lost most, most first: up to 20.
    pub busiest: Vec<ProcessLosses>,
    /// Number of processes that are not listed.
    pub other_processes: u64,
    /// Assignments of these processes, and of processes that did not fit into the totals.
    pub other_lost: u64,
}

/// Number of lost assignments of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessLosses {
    /// Process id; null if it is outside ephtrace's PID namespace.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: String,
    /// Container of the process, if it is in one.
    pub container: Option<String>,
    /// Assignments that were lost.
    pub lost: u64,
}

impl Overflow {
    /// Creates the account from the kernel's rows, as [`Interval::new`] does.
    pub fn new(
        period: Period,
        rows: &[(TotalsKey, Totals)],
        other: Option<&Totals>,
        mut membership: impl FnMut(&TotalsKey, &Totals) -> Option<Membership>,
    ) -> Self {
        let by_process = LossesByProcess::new(rows, other, &mut membership);
        let interval = Interval::new(period, rows, other, By::Process, membership);
        Self { interval, by_process }
    }
}

/// A process in the kernel's rows.
struct Process<'rows> {
    /// One of its rows, for the names.
    row: &'rows (TotalsKey, Totals),
    /// Lost assignments in all of its rows.
    lost: u64,
}

impl LossesByProcess {
    fn new(
        rows: &[(TotalsKey, Totals)],
        other: Option<&Totals>,
        mut membership: impl FnMut(&TotalsKey, &Totals) -> Option<Membership>,
    ) -> Self {
        // A process may change its name, and its id may be reused.
        let mut processes: HashMap<_, Process<'_>> = HashMap::new();
        for row @ (key, totals) in rows {
            let process =
                processes.entry((key.pid, totals.comm)).or_insert(Process { row, lost: 0 });
            process.lost += totals.assignments;
        }
        let mut all: Vec<_> = processes.into_values().collect();
        all.sort_unstable_by_key(|Process { row: (key, totals), lost }| {
            (Reverse(*lost), key.pid, totals.comm)
        });
        let rest = all.split_off(all.len().min(LISTED));
        let busiest = all.into_iter().map(|Process { row: (key, totals), lost }| ProcessLosses {
            pid: id_here(key.pid),
            comm: Comm::from_kernel(totals.comm).as_str().to_owned(),
            container: membership(key, totals)
                .and_then(|of| of.container.as_deref().map(str::to_owned)),
            lost,
        });
        Self {
            busiest: busiest.collect(),
            other_processes: rest.len() as u64,
            other_lost: rest.iter().map(|process| process.lost).sum::<u64>()
                + other.map_or(0, |other| other.assignments),
        }
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;

    fn row(pid: u32, dport: u16, assignments: u64) -> (TotalsKey, Totals) {
        let key = TotalsKey { pid, dport, ..TotalsKey::new_zeroed() };
        let comm = *b"flood\0\0\0\0\0\0\0\0\0\0\0";
        (key, Totals { assignments, comm, ..Totals::new_zeroed() })
    }

    #[test]
    fn each_loss_is_some_process_s() {
        let rows: Vec<_> =
            (1..=30).flat_map(|pid| [row(pid, 80, 1), row(pid, 443, pid.into())]).collect();
        let other = row(0, 0, 1000).1;
        let all: u64 = rows.iter().map(|(_, totals)| totals.assignments).sum();
        let of = |_: &TotalsKey, _: &Totals| {
            Some(Membership { container: Some("pod".into()), names: None })
        };
        let losses = LossesByProcess::new(&rows, Some(&other), of);
        let listed: u64 = losses.busiest.iter().map(|one| one.lost).sum();
        assert_eq!(listed + losses.other_lost, all + 1000);
        assert_eq!((losses.busiest.len(), losses.other_processes), (20, 10));
        let first = ProcessLosses {
            pid: Some(30),
            comm: "flood".to_owned(),
            container: Some("pod".to_owned()),
            lost: 31,
        };
        assert_eq!(losses.busiest[0], first);
    }

    #[test]
    fn an_id_that_came_back_under_another_name_is_another_process() {
        let mut rows = [row(7, 80, 2), row(7, 443, 3)];
        rows[1].1.comm[0] = b'b';
        let losses = LossesByProcess::new(&rows, None, |_, _| None);
        let lost: Vec<_> = losses.busiest.iter().map(|one| (&*one.comm, one.lost)).collect();
        assert_eq!(lost, [("blood", 3), ("flood", 2)]);
    }
}
