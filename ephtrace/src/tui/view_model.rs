//! Data of the view: everything that a frozen picture must keep.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::{
    alerts::Alerts,
    failures::Failures,
    marks::Marks,
    rows::{InUse, Row},
    timeline::Timeline,
};
use crate::{
    analyse::{
        destinations::MAX_DESTINATIONS,
        heavy_hitters::HeavyHitters,
        lanes::LaneKey,
        number::as_f64,
        summary::{DestinationSummary, Summary},
    },
    model::{Assignment, FlowKey, losses::Losses},
};

/// Period of rates, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

/// Snapshot of the tally, taken about once a second.
#[derive(Clone, Debug)]
pub struct TallySnapshot {
    /// Time, in nanoseconds since the Unix epoch.
    pub now_ns: u64,
    /// Summary of the whole; it need not list any destination.
    pub summary: Summary,
    /// Each destination that [`State::wanted`](super::state::State::wanted) named.
    pub destinations: Vec<(LaneKey, DestinationSummary)>,
}

/// Assignments and failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Assignments, failed ones included.
    pub(crate) assignments: u64,
    /// Failed assignments.
    pub(crate) failures: u64,
    /// Error of the last failure.
    pub(crate) last_errno: Option<u16>,
}

/// Everything seen so far.
#[derive(Clone)]
pub(crate) struct ViewModel {
    pub(crate) now_ns: u64,
    pub(crate) started_ns: Option<u64>,
    pub(crate) rows: HeavyHitters<LaneKey, Row>,
    pub(crate) timeline: Timeline,
    pub(crate) failures: Failures,
    pub(crate) marks: Marks,
    pub(crate) losses: Losses,
    pub(crate) summary: Option<Summary>,
    /// Assignments and failures so far: as current as the rows, unlike the summary.
    pub(crate) counts: Counts,
    /// Assignments per second of each listed process, by its number and name.
    pub(crate) process_rates: HashMap<(u32, Option<String>), f64>,
    /// Share of one processor that this process used in the last second, 0 to 1 and more.
    pub(crate) own_cost: Option<f64>,
    pub(crate) in_use: HashMap<FlowKey, InUse, FxBuildHasher>,
    pub(crate) alerts: Alerts,
    glanced_ns: u64,
    rolled_ns: u64,
}

impl ViewModel {
    pub(crate) fn new(now_ns: u64, started_ns: Option<u64>) -> Self {
        Self {
            now_ns,
            started_ns,
            rows: HeavyHitters::with_limit(MAX_DESTINATIONS),
            timeline: Timeline::default(),
            failures: Failures::default(),
            marks: Marks::default(),
            losses: Losses::default(),
            summary: None,
            counts: Counts::default(),
            process_rates: HashMap::new(),
            own_cost: None,
            in_use: HashMap::default(),
            alerts: Alerts::default(),
            glanced_ns: now_ns,
            rolled_ns: now_ns,
        }
    }

    pub(crate) fn observe(&mut self, assignment: &Assignment) {
        self.counts.assignments += 1;
        if assignment.is_failed() {
            self.counts.failures += 1;
            self.counts.last_errno = assignment.errno;
        }
        let entry = self.rows.see(LaneKey::of(assignment));
        entry.value.observe(assignment);
        self.timeline.observe(assignment.ts_ns, entry.serial, assignment.sport);
        self.failures.observe(assignment);
        if self.started_ns.is_none() {
            (self.started_ns, self.rolled_ns) = (Some(assignment.ts_ns), assignment.ts_ns);
        }
        self.now_ns = self.now_ns.max(assignment.ts_ns);
    }

    /// Advances the time to `now_ns`.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        self.follow_clock(now_ns);
        self.now_ns = self.now_ns.max(now_ns);
        let elapsed_ns = self.now_ns.saturating_sub(self.rolled_ns);
        if elapsed_ns < SECOND_NS {
            return;
        }
        self.rolled_ns = self.now_ns;
        self.rows.values_mut().for_each(|entry| entry.value.roll(elapsed_ns));
        let busy = |rate: Option<f64>| rate.map_or(0, whole);
        let rows: Vec<_> =
            self.rows.iter().map(|(_, entry)| (entry.serial, busy(entry.value.rate))).collect();
        self.marks.update(&rows);
    }

    /// Adapts to a clock that was set back: the ages of all events stay the same.
    fn follow_clock(&mut self, now_ns: u64) {
        let back_ns = self.now_ns.saturating_sub(now_ns);
        if back_ns <= SECOND_NS {
            return;
        }
        self.now_ns = now_ns;
        self.started_ns = self.started_ns.map(|ns| ns.saturating_sub(back_ns));
        self.rolled_ns = self.rolled_ns.saturating_sub(back_ns);
        self.timeline.set_back(back_ns);
    }

    pub(crate) fn snapshot(&mut self, snapshot: TallySnapshot) {
        let TallySnapshot { now_ns, summary, destinations } = snapshot;
        // If the clock was set back in between, the rates stay unchanged this time.
        let elapsed_ns = now_ns.saturating_sub(self.glanced_ns);
        if let Some(before) = self.summary.as_ref().filter(|_| elapsed_ns > 0) {
            self.process_rates = process_rates(before, &summary, elapsed_ns);
            let cpu_ns = |summary: &Summary| summary.cpu.map(|cpu| cpu.user_ns + cpu.system_ns);
            let used_ns = cpu_ns(&summary).zip(cpu_ns(before));
            self.own_cost =
                used_ns.map(|(now, then)| as_f64(now.saturating_sub(then)) / as_f64(elapsed_ns));
        }
        self.glanced_ns = now_ns;
        self.losses = summary.losses;
        (self.counts.assignments, self.counts.failures) = (summary.assignments, summary.failures);
        self.summary = Some(summary);
        for (lane, said) in destinations {
            if let Some(entry) = self.rows.get_mut(&lane) {
                entry.value.said = Some(Box::new(said));
            }
        }
    }

    /// Returns the holder of each mark.
    pub(crate) fn marked(&self) -> Vec<Option<LaneKey>> {
        let lane =
            |holder: u32| self.rows.iter().find(|(_, e)| e.serial == holder).map(|(l, _)| *l);
        self.marks.holders().map(|holder| holder.and_then(lane)).collect()
    }

    /// Returns the ports in use for a destination, if they are known.
    pub(crate) fn in_use(&self, lane: &LaneKey) -> Option<InUse> {
        self.in_use.get(&lane.flow).copied()
    }
}

fn process_rates(
    before: &Summary,
    now: &Summary,
    elapsed_ns: u64,
) -> HashMap<(u32, Option<String>), f64> {
    let then: HashMap<_, _> =
        before.processes.iter().map(|one| ((one.pid, &one.comm), one.assignments)).collect();
    let rate = |one: &crate::analyse::summary::ProcessSummary| {
        let grown = one.assignments.saturating_sub(*then.get(&(one.pid, &one.comm)).unwrap_or(&0));
        Some(((one.pid?, one.comm.clone()), as_f64(grown) * 1e9 / as_f64(elapsed_ns)))
    };
    now.processes.iter().filter_map(rate).collect()
}

/// Returns a rate as a whole number, for ranking.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_NS: u64 = 1_795_000_000 * SECOND_NS;

    /// Feeds ten assignments in each of three seconds from `now_ns` on.
    fn feed(seen: &mut ViewModel, now_ns: u64) {
        for n in 0..30 {
            let ts_ns = now_ns + n * SECOND_NS / 10;
            seen.tick(ts_ns);
            seen.observe(&Assignment { ts_ns, sport: Some(40_000), ..Assignment::default() });
        }
        seen.tick(now_ns + 3 * SECOND_NS);
    }

    #[test]
    fn a_clock_that_is_set_back_changes_no_rate() {
        let mut seen = ViewModel::new(START_NS, Some(START_NS));
        feed(&mut seen, START_NS);
        let back_ns = START_NS - 3600 * SECOND_NS;
        feed(&mut seen, back_ns);
        let now_ns = back_ns + 3 * SECOND_NS;
        assert_eq!(seen.now_ns, now_ns);
        let rates: Vec<_> = seen.rows.iter().map(|(_, entry)| entry.value.rate).collect();
        assert_eq!(rates, [Some(10.0)]);
        assert_eq!(seen.timeline.rate(now_ns), 10);
        assert_eq!(seen.timeline.dots(now_ns).count(), 60);
        assert_eq!(now_ns - seen.started_ns.unwrap(), 6 * SECOND_NS);
    }

    #[test]
    fn an_event_or_a_tick_that_is_a_little_late_sets_nothing_back() {
        let mut seen = ViewModel::new(START_NS, None);
        feed(&mut seen, START_NS);
        let now_ns = START_NS + 3 * SECOND_NS;
        seen.observe(&Assignment { ts_ns: START_NS, ..Assignment::default() });
        seen.tick(now_ns - SECOND_NS);
        assert_eq!(seen.now_ns, now_ns);
    }
}
