//! The last assignments that failed, one by one.

use std::collections::VecDeque;

use crate::{
    analyse::lanes::Lane,
    event::{Assignment, Comm},
};

/// How many are kept: some screens full. All are counted elsewhere.
const KEPT: usize = 256;

/// One that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// When, in nanoseconds since the Unix epoch.
    pub(super) ts_ns: u64,
    /// Whose.
    pub(super) pid: Option<u32>,
    /// Its name.
    pub(super) comm: Option<Comm>,
    /// Where to.
    pub(super) lane: Lane,
    /// Why.
    pub(super) errno: Option<u16>,
    /// How long the search took, in nanoseconds.
    pub(super) latency_ns: Option<u64>,
}

/// The last ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    kept: VecDeque<Failure>,
}

impl Failures {
    /// Keeps `assignment` if it failed.
    pub(super) fn observe(&mut self, assignment: &Assignment) {
        if !assignment.is_failed() {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_back();
        }
        let Assignment { ts_ns, pid, comm, errno, latency_ns, .. } = *assignment;
        let lane = Lane::of(assignment);
        self.kept.push_front(Failure { ts_ns, pid, comm, lane, errno, latency_ns });
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.kept.iter()
    }
}
