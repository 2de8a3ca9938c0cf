//! The few numbers that carry most of a verdict, counted for its sentences.

use super::{
    frame::Frame,
    models::{HostDensities, LaneDensities, NEAR},
    observation::{Clock, Observation},
};
use crate::analyse::number::as_f64;
use crate::model::Origin;

/// Time by which an event must precede the previous one to be out of order, in nanoseconds; a
/// tracer's own buffers delay by less.
const DISORDER_NS: u64 = 1_000_000;

/// Plain counts over one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Assignments.
    pub(super) events: u64,
    /// First visits to a destination.
    pub(super) destinations: u64,
    /// Returns to a destination with the hash secret unchanged.
    pub(super) returns: u64,
    /// Returns with assignments to others in between.
    pub(super) interleaved: u64,
    /// … to other destinations, not only to the same one from another range.
    pub(super) crossings: u64,
    /// Assignments to another destination than the last one, whatever the namespace.
    pub(super) changes: u64,
    /// Returns that moved by 1 to [`NEAR`].
    pub(super) near_returns: u64,
    /// Expected number of returns that are near by chance.
    pub(super) near_by_chance: f64,
    /// Smallest and largest step of the near returns.
    pub(super) near_steps: Option<(i32, i32)>,
    /// Returns with a new hash secret in between, by time.
    pub(super) resalted: u64,
    /// … that did not move by 1 to [`NEAR`].
    pub(super) resalted_far: u64,
    /// Assignments after another one.
    pub(super) pairs: u64,
    /// … that moved by 1 to [`NEAR`] from it, up or down.
    pub(super) near_pairs: u64,
    /// First visits to a destination after an assignment to another.
    pub(super) entries: u64,
    /// … that moved by 1 to [`NEAR`] from it.
    pub(super) near_entries: u64,
    /// Assignments after one to another destination of the same namespace.
    pub(super) switches: u64,
    /// … that moved by at most [`NEAR`] from one of the positions that a shared counter may have
    /// reached.
    pub(super) near_switches: u64,
    /// Assignments after one to another address.
    pub(super) peer_switches: u64,
    /// … that are ahead of it.
    pub(super) ahead: u64,
    /// Assignments with the port and the destination of the last one there: the same connect,
    /// retried. They are not judged.
    pub(super) retries: u64,
    /// Assignments whose time precedes that of the previous one.
    pub(super) backwards: u64,
    /// Time of the last assignment, in nanoseconds since the Unix epoch; 0 if unknown.
    pub(super) last_ns: u64,
    /// The latest time so far, likewise.
    pub(super) latest_ns: u64,
    /// Ports on the parity of the low end.
    pub(super) low_parity: u64,
    /// Assignments from a range with an odd low end.
    pub(super) odd_low_ends: u64,
    /// Interleaved returns whose port Algorithm 3 predicted exactly, by one and by two.
    pub(super) predicted: [u64; 2],
    /// Sum of the sizes of the range, for computing chances.
    pub(super) sizes: f64,
    /// Assignments whose range was known.
    pub(super) ranged: u64,
    /// … and is not a default range of any system.
    pub(super) custom: u64,
    /// Assignments that came through ephtrace's own hooks.
    pub(super) linux: u64,
    /// Assignments whose origin is known to be connect.
    pub(super) connects: u64,
    /// … and ping sockets.
    pub(super) pings: u64,
    /// For the current event, the number of assignments since the last one to the same destination.
    pub(super) gap: Option<u64>,
    /// For the current event, whether other destinations came in between.
    pub(super) crossed: bool,
    /// Destination of the last assignment.
    last_key: Option<u64>,
    /// For the current event, the residuals of Algorithm 3.
    pub(super) residuals: [Option<i32>; 2],
}

impl Counts {
    pub(super) fn observe(
        &mut self,
        event: &Observation,
        frame: &Frame,
        host: &HostDensities,
        lane: &LaneDensities,
    ) {
        self.events += 1;
        self.sizes += f64::from(frame.size);
        self.low_parity += u64::from(frame.on_low_parity());
        self.odd_low_ends += u64::from(frame.low % 2 != 0);
        self.linux += u64::from(event.linux);
        self.connects += u64::from(event.origin == Some(Origin::Connect));
        self.ranged += u64::from(event.range.is_some());
        self.custom += u64::from(frame.is_custom());
        self.pings += u64::from(event.origin == Some(Origin::Ping));
        self.count_switch(host);
        if let Some(step) = host.step {
            self.pairs += 1;
            let near = u64::from((1..=NEAR).contains(&step.abs()));
            self.near_pairs += near;
            if lane.step.is_none() {
                self.entries += 1;
                self.near_entries += near;
            }
        }
        match lane.step {
            None => self.destinations += 1,
            Some(_) => self.count_return(frame, lane),
        }
    }

    fn count_switch(&mut self, host: &HostDensities) {
        if host.switched {
            self.switches += 1;
            self.near_switches += u64::from(host.close);
        }
        if host.switched_peer {
            self.peer_switches += 1;
        }
        self.ahead += u64::from(host.step.is_some_and(|step| step > 0));
    }

    /// Records the time of an event, before anything else.
    pub(super) fn observe_time(&mut self, clock: Clock) {
        let Clock::Time(ns) = clock else { return };
        self.backwards += u64::from(ns.saturating_add(DISORDER_NS) < self.last_ns);
        self.last_ns = ns;
        self.latest_ns = self.latest_ns.max(ns);
    }

    /// Records the destination of an event, before its lane is looked up.
    pub(super) fn observe_key(&mut self, key: u64) {
        self.changes += u64::from(self.last_key.replace(key).is_some_and(|last| last != key));
    }

    fn count_return(&mut self, frame: &Frame, lane: &LaneDensities) {
        let interleaved = u64::from(self.gap.is_some_and(|gap| gap > 0));
        self.interleaved += interleaved;
        self.crossings += u64::from(self.crossed);
        if lane.same < 0.5 {
            self.resalted += 1;
            self.resalted_far += u64::from(!is_near(lane.near));
        } else {
            self.returns += 1;
            self.near_returns += u64::from(is_near(lane.near));
            let near = f64::from(NEAR) * as_f64(lane.places);
            self.near_by_chance += (near / f64::from(frame.size.max(1))).min(1.0);
        }
        if is_near(lane.near) {
            let step = lane.near.unwrap_or(0);
            let (low, high) = self.near_steps.unwrap_or((step, step));
            self.near_steps = Some((low.min(step), high.max(step)));
        }
        for (predicted, residual) in self.predicted.iter_mut().zip(self.residuals) {
            *predicted += interleaved * u64::from(residual == Some(0));
        }
    }

    /// Chance that a random port is near the previous one, up or down.
    pub(super) fn chance_of_pair(&self) -> f64 {
        (2.0 * f64::from(NEAR) * as_f64(self.events) / self.sizes.max(1.0)).min(1.0)
    }

    /// Chance that a random port is just ahead of one of the positions of its destination.
    pub(super) fn chance_of_return(&self) -> f64 {
        self.near_by_chance / as_f64(self.returns.max(1))
    }

    /// Returns whether ephtrace's own hooks saw all assignments: Linux 5.10 or later.
    pub(super) fn is_linux(&self) -> bool {
        self.linux > 0 && self.linux == self.events
    }

    /// Returns whether, in addition, all are of connect.
    pub(super) fn is_linux_connect(&self) -> bool {
        self.is_linux() && self.connects == self.events
    }

    /// Mean number of ports in the range.
    pub(super) fn mean_size(&self) -> f64 {
        self.sizes / as_f64(self.events.max(1))
    }

    /// Returns whether the range was known for most assignments.
    pub(super) fn range_is_known(&self) -> bool {
        2 * self.ranged > self.events
    }
}

fn is_near(step: Option<i32>) -> bool {
    step.is_some_and(|step| (1..=NEAR).contains(&step))
}
