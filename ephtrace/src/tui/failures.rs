//! The last assignments that failed, one by one.

use std::collections::VecDeque;

use crate::{
    analyse::lanes::LaneKey,
    model::{Assignment, Comm},
};

/// How many are kept: some screens full. All are counted elsewhere.
const KEPT: usize = 256;

/// One that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// Time, in nanoseconds since the Unix epoch.
    pub(crate) ts_ns: u64,
    /// Whose.
    pub(crate) pid: Option<u32>,
    /// Its name.
    pub(crate) comm: Option<Comm>,
    /// Where to.
    pub(crate) lane: LaneKey,
    /// Why.
    pub(crate) errno: Option<u16>,
    /// How long the search took, in nanoseconds.
    pub(crate) latency_ns: Option<u64>,
}

/// The last ones.
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

    /// The newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.kept.iter()
    }
}
