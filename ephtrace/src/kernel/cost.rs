//! What the attached programs cost, measured by the kernel itself for a small part of the time.
//!
//! The kernel's own measurement (`kernel.bpf_stats_enabled`) costs more than the programs that it
//! measures, so it is switched on for a window out of each interval only.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};

/// How long a window is at most.
const WINDOW: Duration = Duration::from_millis(40);

/// Searches that are enough for one.
const ENOUGH: u64 = 100;

/// What was measured, in all windows so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time spent in the programs, in nanoseconds.
    pub run_time_ns: u64,
    /// How often they ran.
    pub runs: u64,
    /// Searches that began meanwhile.
    pub searches: u64,
}

impl Cost {
    /// What was added since `earlier`.
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

/// Opens a window now and then, and adds up what it saw.
#[derive(Debug)]
pub struct Meter {
    measures: bool,
    open: Option<Window>,
    total: Cost,
}

#[derive(Debug)]
struct Window {
    /// The kernel measures for as long as this is open.
    _stats: OwnedFd,
    since: Instant,
    before: Cost,
}

impl Meter {
    /// Nothing measured yet. Unless it `measures`, no window is ever opened: the kernel patches its
    /// own code where it begins and ends to measure (`bpf_stats_enabled_key`), which stops all
    /// processors for a moment.
    pub fn new(measures: bool) -> Self {
        Self { measures, open: None, total: Cost::default() }
    }

    /// Begins to measure, if the kernel allows it and it does not already. `now` reads the
    /// programs' own totals.
    pub fn open(&mut self, now: impl FnOnce() -> Cost) {
        if !self.measures || self.open.is_some() {
            return;
        }
        match enable_stats(Stats::RunTime) {
            Ok(stats) => {
                self.open = Some(Window { _stats: stats, since: Instant::now(), before: now() });
            }
            Err(error) => log::debug!("the kernel can't measure its programs: {error}"),
        }
    }

    /// Ends a window that has been open for long enough, or has seen enough. `searches` returns
    /// their number so far.
    pub fn close_if_due(&mut self, searches: impl FnOnce() -> u64, now: impl FnOnce() -> Cost) {
        let is_due = self.open.as_ref().is_some_and(|window| {
            let seen = || searches().saturating_sub(window.before.searches);
            window.since.elapsed() >= WINDOW || seen() >= ENOUGH
        });
        if is_due {
            self.close(now);
        }
    }

    /// Ends the window, if one is open.
    pub fn close(&mut self, now: impl FnOnce() -> Cost) {
        if let Some(window) = self.open.take() {
            self.total = self.total.plus(now().since(window.before));
        }
    }

    /// What was measured so far; `None` if nothing ran meanwhile.
    pub fn total(&self) -> Option<Cost> {
        (self.total.searches > 0 && self.total.runs > 0).then_some(self.total)
    }
}
