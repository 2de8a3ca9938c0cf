//! Cost of the attached programs, measured by the kernel itself for a small part of the time.
//!
//! The kernel's own measurement (`kernel.bpf_stats_enabled`) costs more than the programs that it
//! measures, so it is switched on only for a window in each interval.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};

/// Maximum duration of a window.
const WINDOW: Duration = Duration::from_millis(40);

/// Number of searches that complete a window.
const ENOUGH: u64 = 100;

/// Run time of the attached programs, as far as the kernel measured it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTime {
    /// Time, in nanoseconds.
    pub ns: u64,
    /// Number of runs.
    pub runs: u64,
}

/// Measurements in all windows so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Run time of the programs, in nanoseconds.
    pub run_time_ns: u64,
    /// Number of program runs.
    pub runs: u64,
    /// Number of searches that began meanwhile.
    pub searches: u64,
}

impl Cost {
    fn new(run_time: RunTime, searches: u64) -> Self {
        Self { run_time_ns: run_time.ns, runs: run_time.runs, searches }
    }

    /// Returns the increase since `earlier`.
    fn since(self, earlier: Self) -> Self {
        Self {
            run_time_ns: self.run_time_ns.saturating_sub(earlier.run_time_ns),
            runs: self.runs.saturating_sub(earlier.runs),
            searches: self.searches.saturating_sub(earlier.searches),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            run_time_ns: self.run_time_ns.saturating_add(other.run_time_ns),
            runs: self.runs.saturating_add(other.runs),
            searches: self.searches.saturating_add(other.searches),
        }
    }
}

/// Opens a window now and then, and adds up its measurements.
#[derive(Debug)]
pub struct Meter {
    measures: bool,
    open: Option<Window>,
    total: Cost,
}

#[derive(Debug)]
struct Window {
    /// Handle of the measurement, which lasts while it is open.
    stats: OwnedFd,
    since: Instant,
    before: Cost,
}

impl Meter {
    /// Creates a meter without measurements. Unless it `measures`, no window is ever opened: the
    /// kernel patches its own code when it begins and ends measuring (`bpf_stats_enabled_key`),
    /// which stops all processors for a moment.
    pub fn new(measures: bool) -> Self {
        Self { measures, open: None, total: Cost::default() }
    }

    /// Opens a window, unless one is open or the kernel forbids it. `run_time` reads the programs'
    /// totals, to which nothing is added yet; `searches` returns their number so far.
    pub fn open(&mut self, run_time: impl FnOnce() -> RunTime, searches: impl FnOnce() -> u64) {
        if !self.measures || self.open.is_some() {
            return;
        }
        let run_time = run_time();
        match enable_stats(Stats::RunTime) {
            Ok(stats) => {
                let before = Cost::new(run_time, searches());
                self.open = Some(Window { stats, since: Instant::now(), before });
            }
            Err(error) => log::debug!("the kernel can't measure its programs: {error}"),
        }
    }

    /// Closes a window that has been open for long enough, or has seen enough searches.
    pub fn close_if_due(&mut self, run_time: impl FnOnce() -> RunTime, searches: impl Fn() -> u64) {
        let is_due = self.open.as_ref().is_some_and(|window| {
            let seen = || searches().saturating_sub(window.before.searches);
            window.since.elapsed() >= WINDOW || seen() >= ENOUGH
        });
        if is_due {
            self.close(run_time, searches);
        }
    }

    /// Closes the window, if one is open. The totals are read afterwards, when nothing is added to
    /// them any more: reading them takes longer than many runs.
    pub fn close(&mut self, run_time: impl FnOnce() -> RunTime, searches: impl FnOnce() -> u64) {
        if let Some(window) = self.open.take() {
            let searches = searches();
            drop(window.stats);
            let now = Cost::new(run_time(), searches);
            self.total = self.total.plus(now.since(window.before));
        }
    }

    /// Returns the measurements so far; `None` if nothing ran meanwhile.
    pub fn total(&self) -> Option<Cost> {
        (self.total.searches > 0 && self.total.runs > 0).then_some(self.total)
    }
}
