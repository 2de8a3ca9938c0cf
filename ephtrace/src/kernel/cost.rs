//! What the attached programs cost, measured by the kernel itself for a small part of the time.
//!
//! The kernel's own measurement (`kernel.bpf_stats_enabled`) costs more than the programs it
//! measures, so it is on for a window of each interval only.

use std::{os::fd::OwnedFd, time::Duration};

use aya::sys::{Stats, enable_stats};

/// Run time and number of runs of the attached programs, while they were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time spent in them, in nanoseconds.
    pub run_time_ns: u64,
    /// How often they ran.
    pub runs: u64,
}

impl Cost {
    pub(super) fn add(self, run_time: Duration, runs: u64) -> Self {
        let run_time_ns = u64::try_from(run_time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            run_time_ns: self.run_time_ns.saturating_add(run_time_ns),
            runs: self.runs.saturating_add(runs),
        }
    }
}

/// Switches the measurement on for as long as it lives.
#[derive(Debug)]
pub struct Window {
    _stats: OwnedFd,
}

impl Window {
    /// `None` where the kernel does not allow it; the cost is unknown then.
    pub fn open() -> Option<Self> {
        enable_stats(Stats::RunTime).ok().map(|stats| Self { _stats: stats })
    }
}
