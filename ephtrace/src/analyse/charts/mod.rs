//! What the charts of a page are drawn from: a whole recording, event by event while there are few,
//! and as counts in two dimensions however many there are.
//!
//! It collects and does not judge, as [`PlotData`](super::picture::PlotData) does for the terminal.
//! One pass, some 20 MiB at most: grids of fixed size whose cells grow ([`Axis`]), no sampling.

mod axis;
mod grid;
mod lane_ids;

use std::collections::VecDeque;

pub use self::{
    axis::Axis,
    grid::{Cell, Grid, Id},
    lane_ids::{LaneIds, MAX_LANES, OTHERS},
};
use super::{
    lanes::{self, LaneKey},
    number::as_f64,
    picture::StepHistogram,
};
use crate::model::{Assignment, Comm, Origin, PortRange};

/// So many events are drawn one by one, each with its own tooltip; of more, the density is drawn,
/// and the last ones one by one. A page with five charts of so many marks has about 1.5 MB.
pub const MAX_MARKS: usize = 1500;

/// Columns of a grid: at least half of them are in use, so that a column is some three to six
/// pixels of a wide screen and one to two of a phone.
pub const COLUMNS: usize = 320;

/// Rows of a grid, and columns of the return map.
pub const ROWS: usize = 256;

/// Changes of the hash secret that are kept: ten minutes. More rules than that hide what they are
/// to explain, so none is drawn then.
pub const MAX_EPOCHS: usize = 60;

/// Errors that are told apart. A search for a port has three or four ways to fail.
pub const MAX_ERRORS: usize = 8;

/// Columns of the failures over time, wide enough for bars.
const FAILURE_COLUMNS: usize = 96;

/// Bins of [`magnitude`] for each doubling: 9 % wide.
const PER_DOUBLING: f64 = 8.0;

/// How many ports there are.
const PORTS: usize = 1 << 16;

/// One event, as far as it can be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Its number in the recording, from 1 on.
    pub number: u64,
    /// Time, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Its lane in the [`LaneIds`].
    pub id: Id,
    /// Its lane.
    pub lane: LaneKey,
    /// The port; `None` if it failed, or if the program named the port itself.
    pub port: Option<u16>,
    /// The port before it in the same lane.
    pub before: Option<u16>,
    /// The step from there.
    pub step: Option<i32>,
    /// The errno of a failed one.
    pub errno: Option<u16>,
    /// Time of the search, in nanoseconds.
    pub latency_ns: Option<u64>,
    /// Candidates that the search looked at.
    pub tried: Option<u32>,
    /// Process id.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<Comm>,
}

/// Where the hash secret changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Number of the first event with the new secret.
    pub number: u64,
    /// Its time, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
}

/// How often each port was assigned.
#[derive(Clone, Debug, PartialEq)]
pub struct Occupancy {
    counts: Box<[u64]>,
    /// Lowest and highest end of all ranges in force.
    range: Option<PortRange>,
}

impl Occupancy {
    /// How often `port` was assigned.
    pub fn count(&self, port: u16) -> u64 {
        self.counts[usize::from(port)]
    }

    /// Lowest and highest end of all ranges that were in force, where known.
    pub fn range(&self) -> Option<PortRange> {
        self.range
    }

    /// Lowest and highest port that was assigned.
    pub fn used(&self) -> Option<PortRange> {
        let mut used = PortRange::ALL.ports().filter(|&port| self.count(port) > 0);
        let lowest = used.next()?;
        Some(PortRange::new(lowest, used.next_back().unwrap_or(lowest)))
    }
}

/// Collects what charts are drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Charts {
    events: u64,
    /// The last [`MAX_MARKS`].
    marks: VecDeque<Mark>,
    lane_ids: LaneIds,
    by_number: Grid,
    by_time: Grid,
    returns: Grid,
    latency: Grid,
    tried: Grid,
    latency_ends: Option<[u64; 2]>,
    tried_ends: Option<[u64; 2]>,
    failures: Grid,
    errors: Vec<Option<u16>>,
    occupancy: Occupancy,
    any_steps: StepHistogram,
    /// The last port of each lane, by number.
    last_ports: Vec<Option<u16>>,
    last_port: Option<u16>,
    epochs: Vec<Epoch>,
    epoch_count: u64,
    latest_epoch: Option<u64>,
}

impl Default for Charts {
    fn default() -> Self {
        let wide = || Grid::new(COLUMNS, ROWS);
        Self {
            events: 0,
            marks: VecDeque::new(),
            lane_ids: LaneIds::default(),
            by_number: wide(),
            by_time: wide(),
            returns: Grid::new(ROWS, ROWS),
            latency: wide(),
            tried: wide(),
            latency_ends: None,
            tried_ends: None,
            failures: Grid::new(FAILURE_COLUMNS, MAX_ERRORS),
            errors: Vec::new(),
            occupancy: Occupancy { counts: vec![0; PORTS].into(), range: None },
            any_steps: StepHistogram::default(),
            last_ports: Vec::new(),
            last_port: None,
            epochs: Vec::new(),
            epoch_count: 0,
            latest_epoch: None,
        }
    }
}

impl Charts {
    /// Takes note of one assignment, its `step` set.
    pub fn observe(&mut self, assignment: &Assignment) {
        self.events += 1;
        let lane = LaneKey::of(assignment);
        let id = self.lane_ids.count(lane);
        self.follow_epoch(assignment);
        if let Some(ns) = assignment.latency_ns {
            self.latency.add(self.events, magnitude(ns), id);
            widen(&mut self.latency_ends, ns);
        }
        if let Some(tried) = assignment.tried {
            self.tried.add(self.events, magnitude(u64::from(tried)), id);
            widen(&mut self.tried_ends, u64::from(tried));
        }
        if assignment.is_failed() {
            let slot = self.error_slot(assignment.errno);
            self.failures.add(assignment.ts_ns, slot, id);
        }
        let chosen = assignment.origin != Some(Origin::Explicit);
        let port = assignment.sport.filter(|_| chosen);
        let before = port.and_then(|port| self.replace_last(id, port));
        if let Some(port) = port {
            self.assigned(port, before, assignment, id);
        }
        self.mark(assignment, lane, id, port, before);
    }

    /// The last port of the lane `id`, whose last port is `port` from now on; lanes without a
    /// number have none.
    fn replace_last(&mut self, id: Id, port: u16) -> Option<u16> {
        self.last_ports.resize(self.lane_ids.len(), None);
        self.last_ports.get_mut(usize::from(id))?.replace(port)
    }

    fn assigned(&mut self, port: u16, before: Option<u16>, assignment: &Assignment, id: Id) {
        let range = assignment.ports();
        self.by_number.add(self.events, port.into(), id);
        self.by_time.add(assignment.ts_ns, port.into(), id);
        if let Some(before) = before {
            self.returns.add(before.into(), port.into(), id);
        }
        if let Some(last) = self.last_port.replace(port) {
            self.any_steps.add(lanes::step(last, port, range), range);
        }
        self.occupancy.counts[usize::from(port)] += 1;
        if let Some(range) = range {
            let all = self.occupancy.range.unwrap_or(range);
            self.occupancy.range = Some(all.hull(range));
        }
    }

    fn mark(
        &mut self,
        assignment: &Assignment,
        lane: LaneKey,
        id: Id,
        port: Option<u16>,
        before: Option<u16>,
    ) {
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark {
            number: self.events,
            ts_ns: assignment.ts_ns,
            id,
            lane,
            port,
            before,
            step: assignment.step,
            errno: assignment.errno.filter(|_| assignment.is_failed()),
            latency_ns: assignment.latency_ns,
            tried: assignment.tried,
            pid: assignment.pid,
            comm: assignment.comm,
        });
    }

    fn follow_epoch(&mut self, assignment: &Assignment) {
        let Some(epoch) = assignment.salt_epoch else { return };
        if self.latest_epoch.is_some_and(|latest| epoch > latest) {
            self.epoch_count += 1;
            if self.epochs.len() < MAX_EPOCHS {
                self.epochs.push(Epoch { number: self.events, ts_ns: assignment.ts_ns });
            }
        }
        self.latest_epoch = self.latest_epoch.max(Some(epoch));
    }

    /// The last slot is for all errors that came after the others had filled theirs.
    fn error_slot(&mut self, errno: Option<u16>) -> u64 {
        let known = self.errors.iter().position(|&other| other == errno);
        let slot = known.unwrap_or_else(|| {
            if self.errors.len() < MAX_ERRORS - 1 {
                self.errors.push(errno);
                self.errors.len() - 1
            } else {
                MAX_ERRORS - 1
            }
        });
        slot as u64
    }

    /// How many events were observed, failed ones included.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Each event, if there are at most [`MAX_MARKS`].
    pub fn marks(&self) -> Option<&VecDeque<Mark>> {
        (self.events <= MAX_MARKS as u64).then_some(&self.marks)
    }

    /// The last events, at most [`MAX_MARKS`], in order.
    pub fn last(&self) -> &VecDeque<Mark> {
        &self.marks
    }

    /// The lanes.
    pub fn lane_ids(&self) -> &LaneIds {
        &self.lane_ids
    }

    /// Ports that the kernel chose, by number of the event.
    pub fn by_number(&self) -> &Grid {
        &self.by_number
    }

    /// The same by time, in nanoseconds since the Unix epoch.
    pub fn by_time(&self) -> &Grid {
        &self.by_time
    }

    /// The port (rows) by the port before it in the same lane (columns).
    pub fn returns(&self) -> &Grid {
        &self.returns
    }

    /// The [`magnitude`] of the search's time in nanoseconds, by number of the event.
    pub fn latency(&self) -> &Grid {
        &self.latency
    }

    /// The [`magnitude`] of how many candidates were tried, by number of the event.
    pub fn tried(&self) -> &Grid {
        &self.tried
    }

    /// The shortest and the longest search, in nanoseconds.
    pub fn latency_ends(&self) -> Option<[u64; 2]> {
        self.latency_ends
    }

    /// The fewest and the most candidates that were tried.
    pub fn tried_ends(&self) -> Option<[u64; 2]> {
        self.tried_ends
    }

    /// Failed assignments by time; the rows are [`Charts::errors`], the last one all others.
    pub fn failures(&self) -> &Grid {
        &self.failures
    }

    /// The first errors that occurred, at most [`MAX_ERRORS`] less one; `None` for an unknown one.
    pub fn errors(&self) -> &[Option<u16>] {
        &self.errors
    }

    /// How often each port was assigned.
    pub fn occupancy(&self) -> &Occupancy {
        &self.occupancy
    }

    /// Steps from each port to the next of anybody.
    pub fn any_steps(&self) -> &StepHistogram {
        &self.any_steps
    }

    /// Where the hash secret changed; `None` if more often than [`MAX_EPOCHS`] times.
    pub fn epochs(&self) -> Option<&[Epoch]> {
        (self.epoch_count == self.epochs.len() as u64).then_some(&self.epochs)
    }
}

fn widen(ends: &mut Option<[u64; 2]>, value: u64) {
    let [lowest, highest] = ends.unwrap_or([value; 2]);
    *ends = Some([lowest.min(value), highest.max(value)]);
}

/// The bin of `value` on a scale with eight bins for each doubling; 0 for 0 and 1.
pub fn magnitude(value: u64) -> u64 {
    let doublings = as_f64(value.max(1)).log2();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 512")]
    let bin = (doublings * PER_DOUBLING) as u64;
    bin
}

/// The least value of a [`magnitude`].
pub fn least(magnitude: u64) -> f64 {
    (as_f64(magnitude) / PER_DOUBLING).exp2()
}

#[cfg(test)]
mod tests;
