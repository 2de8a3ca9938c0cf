//! Data behind the charts of a page: a whole recording, event by event while events are few, and as
//! counts in two dimensions however many they are.
//!
//! The module collects and does not judge, as [`PlotData`](super::picture::PlotData) does for the
//! terminal. One pass, at most some 20 MiB: grids of fixed size whose cells grow ([`Axis`]), no
//! sampling.

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

/// Number of events up to which each is drawn with its own tooltip; of more, the density is drawn,
/// and the last ones one by one. A page with five charts of this many marks has about 1.5 MB.
pub const MAX_MARKS: usize = 1500;

/// Columns of a grid. At least half of them are in use, so that a column is three to six pixels on
/// a wide screen and one to two on a phone.
pub const COLUMNS: usize = 320;

/// Rows of a grid, and columns of the return map.
pub const ROWS: usize = 256;

/// Changes of the hash secret that are kept: ten minutes. If there are more, none is drawn: the
/// rules would hide the chart.
pub const MAX_EPOCHS: usize = 60;

/// Number of errors that are counted apart. A port search has three or four ways to fail.
pub const MAX_ERRORS: usize = 8;

/// Columns of the failures over time, wide enough for bars.
const FAILURE_COLUMNS: usize = 96;

/// Bins of [`magnitude`] per doubling; each is 9 % wide.
const PER_DOUBLING: f64 = 8.0;

/// Number of ports.
const PORTS: usize = 1 << 16;

/// One event, as far as it can be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Number of the event in the recording, from 1 on.
    pub number: u64,
    /// Time, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Number of the event's lane in the [`LaneIds`].
    pub id: Id,
    /// Lane of the event.
    pub lane: LaneKey,
    /// Assigned port; `None` if the assignment failed, or if the program named the port itself.
    pub port: Option<u16>,
    /// Previous port in the same lane.
    pub before: Option<u16>,
    /// Step from the previous port.
    pub step: Option<i32>,
    /// Errno of a failed assignment.
    pub errno: Option<u16>,
    /// Port search latency, in nanoseconds.
    pub latency_ns: Option<u64>,
    /// Number of candidates that the search tried.
    pub tried: Option<u32>,
    /// Process id.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<Comm>,
}

/// A change of the hash secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Number of the first event with the new secret.
    pub number: u64,
    /// Time of that event, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
}

/// Number of assignments of each port.
#[derive(Clone, Debug, PartialEq)]
pub struct Occupancy {
    counts: Box<[u64]>,
    /// Lowest and highest end of all ranges in force.
    range: Option<PortRange>,
}

impl Occupancy {
    /// Number of assignments of `port`.
    pub fn count(&self, port: u16) -> u64 {
        self.counts[usize::from(port)]
    }

    /// Lowest and highest end of all ranges that were in force, where known.
    pub fn range(&self) -> Option<PortRange> {
        self.range
    }

    /// Returns the lowest and the highest port that was assigned.
    pub fn used(&self) -> Option<PortRange> {
        let mut used = PortRange::ALL.ports().filter(|&port| self.count(port) > 0);
        let lowest = used.next()?;
        Some(PortRange::new(lowest, used.next_back().unwrap_or(lowest)))
    }
}

/// Collects the data behind the charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Charts {
    events: u64,
    /// The last [`MAX_MARKS`] events.
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
    /// Last port of each lane, by the lane's number.
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
    /// Adds one assignment, its `step` set.
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

    /// Returns the last port of lane `id`, and records `port` as the new one; `None` for lanes
    /// without a number.
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

    /// Returns the row of an error. The last row is shared by all errors that came after the others
    /// were filled.
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

    /// Number of events observed, failed ones included.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns every event, if there are at most [`MAX_MARKS`].
    pub fn marks(&self) -> Option<&VecDeque<Mark>> {
        (self.events <= MAX_MARKS as u64).then_some(&self.marks)
    }

    /// The last events, at most [`MAX_MARKS`], in order.
    pub fn last(&self) -> &VecDeque<Mark> {
        &self.marks
    }

    /// Numbers of the lanes.
    pub fn lane_ids(&self) -> &LaneIds {
        &self.lane_ids
    }

    /// Ports that the kernel chose, by number of the event.
    pub fn by_number(&self) -> &Grid {
        &self.by_number
    }

    /// Ports that the kernel chose, by time in nanoseconds since the Unix epoch.
    pub fn by_time(&self) -> &Grid {
        &self.by_time
    }

    /// Port (rows) by the previous port in the same lane (columns).
    pub fn returns(&self) -> &Grid {
        &self.returns
    }

    /// [`magnitude`] of the port search latency in nanoseconds, by number of the event.
    pub fn latency(&self) -> &Grid {
        &self.latency
    }

    /// [`magnitude`] of the number of candidates tried, by number of the event.
    pub fn tried(&self) -> &Grid {
        &self.tried
    }

    /// Shortest and longest port search latency, in nanoseconds.
    pub fn latency_ends(&self) -> Option<[u64; 2]> {
        self.latency_ends
    }

    /// Lowest and highest number of candidates tried.
    pub fn tried_ends(&self) -> Option<[u64; 2]> {
        self.tried_ends
    }

    /// Failed assignments by time; the rows are [`Charts::errors`], the last row is all other
    /// errors.
    pub fn failures(&self) -> &Grid {
        &self.failures
    }

    /// The first errors that occurred, at most [`MAX_ERRORS`] less one; `None` for an unknown one.
    pub fn errors(&self) -> &[Option<u16>] {
        &self.errors
    }

    /// Number of assignments of each port.
    pub fn occupancy(&self) -> &Occupancy {
        &self.occupancy
    }

    /// Steps from each port to the next one assigned to anybody.
    pub fn any_steps(&self) -> &StepHistogram {
        &self.any_steps
    }

    /// Changes of the hash secret; `None` if there were more than [`MAX_EPOCHS`].
    pub fn epochs(&self) -> Option<&[Epoch]> {
        (self.epoch_count == self.epochs.len() as u64).then_some(&self.epochs)
    }
}

fn widen(ends: &mut Option<[u64; 2]>, value: u64) {
    let [lowest, highest] = ends.unwrap_or([value; 2]);
    *ends = Some([lowest.min(value), highest.max(value)]);
}

/// Returns the bin of `value` on a scale with eight bins per doubling; 0 for 0 and 1.
pub fn magnitude(value: u64) -> u64 {
    let doublings = as_f64(value.max(1)).log2();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 512")]
    let bin = (doublings * PER_DOUBLING) as u64;
    bin
}

/// Returns the lowest value of a [`magnitude`].
pub fn least(magnitude: u64) -> f64 {
    (as_f64(magnitude) / PER_DOUBLING).exp2()
}

#[cfg(test)]
mod tests;
