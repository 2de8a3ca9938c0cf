//! The last failed assignments, one by one.

use std::collections::VecDeque;

use crate::{
    analyse::lanes::LaneKey,
    model::{Assignment, Comm},
};

/// Number of failures that are kept: a few screens full. Counts elsewhere cover all failures.
const KEPT: usize = 256;

/// A failed assignment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// Time, in nanoseconds since the Unix epoch.
    pub(crate) ts_ns: u64,
    /// Process id.
    pub(crate) pid: Option<u32>,
    /// Name of the process.
    pub(crate) comm: Option<Comm>,
    /// Destination.
    pub(crate) lane: LaneKey,
    /// Error number.
    pub(crate) errno: Option<u16>,
    /// Duration of the search, in nanoseconds.
    pub(crate) latency_ns: Option<u64>,
}

/// The last failures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    kept: VecDeque<Failure>,
}

impl Failures {
    /// Keeps `assignment` if it failed.
    pub(crate) fn observe(&mut self, assignment: &Assignment) {
        if !assignment.is_failed() {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_back();
        }
        let Assignment { ts_ns, pid, comm, errno, latency_ns, .. } = *assignment;
        let lane = LaneKey::of(assignment);
        self.kept.push_front(Failure { ts_ns, pid, comm, lane, errno, latency_ns });
    }

    /// Returns the failures, newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.kept.iter()
    }
}
