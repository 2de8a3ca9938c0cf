//! Assignments sorted by time, within a bounded window.
//!
//! Flow logs are written when a connection ends, and captures of several interfaces are merged:
//! rows of a recording may be far from the order of assignment, and out of order a counter looks
//! random. Therefore up to twice [`WINDOW`] assignments wait, are sorted, and the earlier half is
//! passed on. An assignment preceded by at most [`WINDOW`] later ones comes out in its place; one
//! that is further behind is counted.

use std::{collections::VecDeque, mem};

use crate::model::Assignment;

/// Maximum number of later assignments before an assignment that can still be sorted: 16 s of a log
/// that is written at the end of 1000 connections a second. Twice as many wait, in 9 MiB.
pub const WINDOW: usize = 1 << 14;

/// Sorts assignments.
pub struct Order {
    /// Waiting assignments; sorted, unless `is_sorted` is false for the latest ones.
    waiting: VecDeque<Assignment>,
    is_sorted: bool,
    /// Number of the first ones that can be passed on: no earlier ones are expected.
    released: usize,
    window: usize,
    /// Time of the latest assignment passed on.
    handed_ns: u64,
    disordered: u64,
}

impl Default for Order {
    fn default() -> Self {
        Self::with_window(WINDOW)
    }
}

impl Order {
    /// Creates a sorter within `window` assignments, at least one.
    pub fn with_window(window: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            is_sorted: true,
            released: 0,
            window: window.max(1),
            handed_ns: 0,
            disordered: 0,
        }
    }

    /// Adds the next assignment of the recording. Everything that [`Order::next_with`] offers has
    /// to be taken before.
    pub fn push(&mut self, assignment: Assignment) {
        self.is_sorted &= self.waiting.back().is_none_or(|last| last.ts_ns <= assignment.ts_ns);
        self.waiting.push_back(assignment);
        if self.waiting.len() >= 2 * self.window {
            self.sort();
            self.released = self.window;
        }
    }

    /// Returns the time of the assignment that [`Order::next_with`] would pass, in nanoseconds
    /// since the Unix epoch.
    pub fn next_ns(&self) -> Option<u64> {
        if self.released == 0 { None } else { self.waiting.front().map(|first| first.ts_ns) }
    }

    /// Passes the next assignment in order to `take`, once enough others were read to know it, and
    /// removes it. The assignment stays in place: it takes 300 bytes, and copies are noticeable.
    pub fn next_with<R>(&mut self, take: impl FnOnce(&mut Assignment) -> R) -> Option<R> {
        self.released = self.released.checked_sub(1)?;
        let first = self.waiting.front_mut()?;
        self.disordered += u64::from(first.ts_ns < self.handed_ns);
        self.handed_ns = self.handed_ns.max(first.ts_ns);
        let taken = take(first);
        self.waiting.pop_front();
        Some(taken)
    }

    /// Releases all waiting assignments, in order: nothing earlier is expected any more.
    pub fn release(&mut self) {
        self.sort();
        self.released = self.waiting.len();
    }

    /// Returns whether the next push releases some.
    pub fn is_about_to_release(&self) -> bool {
        self.waiting.len() + 1 >= 2 * self.window
    }

    /// Returns the maximum distance of a waiting assignment behind its place.
    pub fn farthest(&self) -> usize {
        if self.is_sorted {
            return 0;
        }
        let waiting = self.waiting.iter().enumerate();
        let mut places: Vec<(u64, usize)> = waiting.map(|(at, one)| (one.ts_ns, at)).collect();
        places.sort_unstable();
        let behind = places.iter().enumerate().map(|(place, (_, at))| at.saturating_sub(place));
        behind.max().unwrap_or(0)
    }

    /// Returns all waiting assignments, in their original order.
    pub fn take_all(&mut self) -> VecDeque<Assignment> {
        (self.is_sorted, self.released) = (true, 0);
        mem::take(&mut self.waiting)
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of assignments passed on after a later one.
    pub fn disordered(&self) -> u64 {
        self.disordered
    }

    /// Sorts stably: of two at the same time, the first one of the recording stays the first.
    fn sort(&mut self) {
        if !self.is_sorted {
            self.waiting.make_contiguous().sort_by_key(|assignment| assignment.ts_ns);
            self.is_sorted = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ts_ns: u64) -> Assignment {
        Assignment { ts_ns, ..Assignment::default() }
    }

    /// Returns the output of a window, and the number that were too late.
    fn ordered(times: &[u64], window: usize) -> (Vec<u64>, u64) {
        let (mut order, mut out) = (Order::with_window(window), Vec::new());
        for &ts_ns in times {
            order.push(at(ts_ns));
            out.extend(std::iter::from_fn(|| order.next_with(|one| one.ts_ns)));
        }
        order.release();
        out.extend(std::iter::from_fn(|| order.next_with(|one| one.ts_ns)));
        (out, order.disordered())
    }

    #[test]
    fn one_that_is_too_late_is_counted_and_handed_on() {
        let times: Vec<u64> = (100..120).chain([1]).chain(120..130).collect();
        let (out, disordered) = ordered(&times, 4);
        assert_eq!(disordered, 1);
        assert_eq!(out.len(), times.len());
        assert!(out.contains(&1));
        assert_eq!(ordered(&times, 20).1, 0);
    }

    #[test]
    fn of_two_at_the_same_time_the_first_stays_the_first() {
        let mut order = Order::with_window(8);
        for (ts_ns, sport) in [(7, 1), (7, 2), (3, 3), (7, 4)] {
            order.push(Assignment { sport: Some(sport), ..at(ts_ns) });
        }
        order.release();
        let ports: Vec<_> = std::iter::from_fn(|| order.next_with(|one| one.sport)).collect();
        assert_eq!(ports, [Some(3), Some(1), Some(2), Some(4)]);
    }

    proptest! {
        /// A shuffle is undone as long as no assignment is preceded by more than a window of later
        /// ones.
        #[test]
        fn any_shuffle_within_the_window_comes_out_in_order(
            window in 1_usize..40,
            delays in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
        ) {
            let mut rows: Vec<(usize, u64)> = delays
                .iter()
                .enumerate()
                .map(|(n, delay)| (n + delay.index(window + 1), n as u64))
                .collect();
            rows.sort_by_key(|(place, ts_ns)| (*place, std::cmp::Reverse(*ts_ns)));
            let shuffled: Vec<u64> = rows.iter().map(|(_, ts_ns)| *ts_ns).collect();
            let sorted: Vec<u64> = (0..shuffled.len() as u64).collect();
            prop_assert_eq!(ordered(&shuffled, window), (sorted, 0));
        }

        /// No assignment is lost, and those that come out after a later one are counted.
        #[test]
        fn disorder_is_counted(
            times in prop::collection::vec(0_u64..50, 0..200),
            window in 1_usize..20,
        ) {
            let (out, disordered) = ordered(&times, window);
            let mut latest = 0;
            let late = out.iter().filter(|&&ts_ns| {
                let is_late = ts_ns < latest;
                latest = latest.max(ts_ns);
                is_late
            });
            prop_assert_eq!(late.count() as u64, disordered);
            let sorted = |mut times: Vec<u64>| { times.sort_unstable(); times };
            prop_assert_eq!(sorted(out), sorted(times));
        }
    }
}
