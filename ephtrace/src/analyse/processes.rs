//! Each process and its verdict.

use std::sync::Arc;

use ephtrace_common::{OUTSIDE, id_here};

use super::{
    heavy_hitters::{Entry, HeavyHitters},
    pattern::{KernelRules, Observation, Stream},
    ranges::{Judges, Ranges},
    summary::ProcessSummary,
};
use crate::model::{Assignment, Comm, task_names::Names};

/// Maximum number of processes kept; each judge of one takes about 1 MiB if the process talks to
/// thousands of destinations. Beyond it, quieter processes are evicted, and counted.
pub const MAX_PROCESSES: usize = 16;

/// Number of initial assignments of a process that are all judged: fewer than of a host, since the
/// host's judge sees the same assignments, so that each is judged twice.
const FIRST: u64 = 1 << 11;

/// Maximum number of judges that follow a process to its end, one for each range of ports; ranges
/// without one are judged by their first assignments.
const MAX_JUDGES: usize = 24;

/// The busiest processes.
pub(super) struct Processes {
    known: HeavyHitters<(u32, Name), Known>,
    judges: Judges,
}

/// Name that sorts by its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name(Option<Comm>);

#[derive(Default)]
struct Known {
    failures: u64,
    container: Option<Arc<str>>,
    names: Option<Arc<Names>>,
    ranges: Ranges<FIRST>,
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text().cmp(&other.text())
    }
}

impl Name {
    fn text(&self) -> Option<&str> {
        self.0.as_ref().map(Comm::as_str)
    }
}

/// Returns the id that identifies a process: its own, or that on the host with the bit [`OUTSIDE`].
fn id_of(assignment: &Assignment) -> Option<u32> {
    assignment.pid.or(assignment.host_pid.map(|pid| pid | OUTSIDE))
}

impl Processes {
    pub(super) fn new() -> Self {
        Self {
            known: HeavyHitters::with_limit(MAX_PROCESSES),
            judges: Judges::with_limit(MAX_JUDGES),
        }
    }

    /// Adds one assignment; `event` is `None` for a failed one.
    pub(super) fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let Some(id) = id_of(assignment) else { return };
        let known = &mut self.known.see((id, Name(assignment.comm))).value;
        if known.container.is_none() {
            known.container.clone_from(&assignment.container);
        }
        // Names become known later, and may change.
        if assignment.names.is_some() {
            known.names.clone_from(&assignment.names);
        }
        let Some(event) = event else {
            known.failures += 1;
            return;
        };
        // The program named the port, so that it shows no rule.
        if Stream::of(event).is_none() {
            return;
        }
        if known.ranges.observe(event, self.judges.is_one_left()) {
            self.judges.appoint();
        }
        let at_work = || self.known.iter().map(|(_, entry)| entry.value.ranges.judges()).sum();
        self.judges.recount(self.known.evicted(), at_work);
    }

    pub(super) fn evicted(&self) -> u64 {
        self.known.evicted()
    }

    /// Returns the summaries, busiest first, for a kernel that is known to have these `rules`.
    pub(super) fn summaries(&self, rules: KernelRules) -> Vec<ProcessSummary> {
        let summary = |((id, name), entry): (&(u32, Name), &Entry<Known>)| {
            let names = entry.value.names.as_deref().cloned().unwrap_or_default();
            let text = |name: Option<Arc<str>>| name.map(|name| name.to_string());
            ProcessSummary {
                pid: id_here(*id),
                comm: name.text().map(str::to_owned),
                container: entry.value.container.as_deref().map(str::to_owned),
                container_name: text(names.container_name),
                pod: text(names.pod),
                pod_namespace: text(names.pod_namespace),
                unit: text(names.unit),
                assignments: entry.count,
                complete: entry.complete,
                failures: entry.value.failures,
                verdict: entry.value.ranges.said(rules).verdict,
            }
        };
        self.known.ranked().into_iter().map(summary).collect()
    }
}
