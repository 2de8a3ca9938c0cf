//! The last minute: ports over time by destination, and the number of assignments.
//!
//! The size is bounded at any rate: time is divided into slots, and each slot keeps one in n of its
//! assignments, by a hash of the assignment, so that the kept part of a storm looks like the whole.
//! Every n-th one would always show the same destination if destinations take turns. The number of
//! omitted assignments is known.

use std::collections::VecDeque;

/// Length of a slot, in nanoseconds: half a column of a plot in 80 columns.
const SLOT_NS: u64 = 250_000_000;

/// Number of slots per second.
const SLOTS_A_SECOND: u64 = 1_000_000_000 / SLOT_NS;

/// Length of the timeline, in seconds.
pub(crate) const SECONDS: u64 = 60;

/// Number of slots that are kept.
const SLOTS: u64 = SECONDS * SLOTS_A_SECOND;

/// Maximum number of assignments in a slot, 16 bytes each: a plot has no more rows of dots.
const KEPT: usize = 64;

/// Maximum stride, which is more than the assignments of any slot.
const MAX_STRIDE: u64 = 1 << 40;

/// One assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dot {
    /// Time, in nanoseconds since the Unix epoch.
    pub(crate) ts_ns: u64,
    /// Port number.
    pub(crate) port: u16,
    /// The row of its destination.
    pub(crate) serial: u32,
}

/// A quarter of a second.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Number of the slot, counted from the Unix epoch.
    number: u64,
    seen: u64,
    failed: u64,
    /// Stride: one in this many assignments is kept, a power of two; 0 stands for 1.
    stride: u64,
    dots: Vec<Dot>,
}

/// The last minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    slots: VecDeque<Slot>,
}

impl Timeline {
    /// Records one assignment; `port` is `None` for a failed one. A late one is shown at its own
    /// time, and counted in the newest slot.
    pub(crate) fn observe(&mut self, ts_ns: u64, serial: u32, port: Option<u16>) {
        let number = ts_ns / SLOT_NS;
        if self.slots.back().is_none_or(|slot| slot.number < number) {
            self.slots.push_back(Slot { number, ..Slot::default() });
            while self.slots.front().is_some_and(|slot| slot.number + SLOTS <= number) {
                self.slots.pop_front();
            }
        }
        if let Some(slot) = self.slots.back_mut() {
            slot.take(port.map(|port| Dot { ts_ns, port, serial }));
        }
    }

    /// Moves all slots by `back_ns`, because the clock was set back: their ages stay the same.
    pub(crate) fn set_back(&mut self, back_ns: u64) {
        for slot in &mut self.slots {
            slot.number = slot.number.saturating_sub(back_ns / SLOT_NS);
            for dot in &mut slot.dots {
                dot.ts_ns = dot.ts_ns.saturating_sub(back_ns);
            }
        }
    }

    /// Returns the kept assignments of the last minute before `now_ns`, oldest slot first.
    pub(crate) fn dots(&self, now_ns: u64) -> impl Iterator<Item = &Dot> {
        let from_ns = now_ns.saturating_sub(SECONDS * 1_000_000_000);
        let dots = self.slots.iter().flat_map(|slot| &slot.dots);
        dots.filter(move |dot| (from_ns..=now_ns).contains(&dot.ts_ns))
    }

    /// Returns the start times of slots with failures, in nanoseconds since the Unix epoch.
    pub(crate) fn failures(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter(|slot| slot.failed > 0).map(|slot| slot.number * SLOT_NS)
    }

    /// Returns the assignments in the last whole second before `now_ns`.
    pub(crate) fn rate(&self, now_ns: u64) -> u64 {
        let now = now_ns / SLOT_NS;
        self.sum(now.saturating_sub(SLOTS_A_SECOND), now)
    }

    /// Returns the assignments in each of the last `seconds` whole seconds before `now_ns`, oldest
    /// first.
    pub(crate) fn rates(&self, now_ns: u64, seconds: u64) -> Vec<u64> {
        let now = now_ns / SLOT_NS;
        let second = |back: u64| {
            let end = now.saturating_sub(back * SLOTS_A_SECOND);
            self.sum(end.saturating_sub(SLOTS_A_SECOND), end)
        };
        (0..seconds).rev().map(second).collect()
    }

    /// Returns the average number of assignments per drawn one.
    pub(crate) fn stride(&self) -> u64 {
        let drawn: usize = self.slots.iter().map(|slot| slot.dots.len()).sum();
        let seen: u64 = self.slots.iter().map(|slot| slot.seen - slot.failed).sum();
        seen.checked_div(drawn as u64).unwrap_or(1).max(1)
    }

    fn sum(&self, from: u64, to: u64) -> u64 {
        let slots = self.slots.iter().rev().skip_while(|slot| slot.number >= to);
        slots.take_while(|slot| slot.number >= from).map(|slot| slot.seen).sum()
    }
}

impl Slot {
    fn take(&mut self, dot: Option<Dot>) {
        self.seen += 1;
        let Some(dot) = dot else {
            self.failed += 1;
            return;
        };
        self.stride = self.stride.max(1);
        while self.dots.len() == KEPT && self.stride < MAX_STRIDE {
            self.stride *= 2;
            let stride = self.stride;
            self.dots.retain(|dot| dot.is_one_of(stride));
        }
        if self.dots.len() < KEPT && dot.is_one_of(self.stride) {
            self.dots.push(dot);
        }
    }
}

impl Dot {
    /// Returns true if the assignment is kept at this stride.
    fn is_one_of(&self, stride: u64) -> bool {
        // The finalizer of SplitMix64: all bits depend on all others.
        let mut bits = self.ts_ns
            ^ u64::from(self.port).rotate_left(48)
            ^ u64::from(self.serial).rotate_left(24);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)).is_multiple_of(stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_NS: u64 = 1_000 * SLOT_NS;

    #[test]
    fn a_storm_is_thinned_evenly() {
        let mut timeline = Timeline::default();
        for n in 0..10_000_u16 {
            timeline.observe(START_NS + u64::from(n) * 20_000, u32::from(n % 4), Some(n));
        }
        let dots: Vec<&Dot> = timeline.dots(START_NS + SLOT_NS).collect();
        assert!((KEPT / 4..=KEPT).contains(&dots.len()), "{}", dots.len());
        for serial in 0..4 {
            assert!(dots.iter().filter(|dot| dot.serial == serial).count() > 2, "{dots:?}");
        }
        assert!(dots.iter().any(|dot| dot.port < 1000), "{dots:?}");
        assert!(dots.iter().any(|dot| dot.port >= 9000), "{dots:?}");
        assert_eq!(timeline.stride(), 10_000 / dots.len() as u64);
    }

    #[test]
    fn many_at_once_are_bounded() {
        let mut timeline = Timeline::default();
        for _ in 0..1000 {
            timeline.observe(START_NS, 1, Some(40_000));
        }
        assert!(timeline.dots(START_NS).count() <= KEPT);
    }

    #[test]
    fn forgets_what_is_older_than_a_minute() {
        let mut timeline = Timeline::default();
        for second in 0..200 {
            timeline.observe(START_NS + second * 1_000_000_000, 1, Some(40_000));
        }
        let now_ns = START_NS + 199 * 1_000_000_000;
        assert_eq!(timeline.dots(now_ns).count(), 60);
        assert!(timeline.slots.len() <= 60, "{}", timeline.slots.len());
    }

    #[test]
    fn counts_whole_seconds() {
        let mut timeline = Timeline::default();
        for (slot, count) in [(0, 5), (1, 1), (4, 2), (7, 3), (8, 100)] {
            for n in 0..count {
                timeline.observe(START_NS + slot * SLOT_NS + n, 1, None);
            }
        }
        let now_ns = START_NS + 8 * SLOT_NS + 7;
        assert_eq!((timeline.rate(now_ns), timeline.rates(now_ns, 3)), (5, vec![0, 6, 5]));
        assert_eq!(timeline.failures().count(), 5);
    }

    #[test]
    fn a_late_one_is_shown_where_it_belongs() {
        let mut timeline = Timeline::default();
        timeline.observe(START_NS + SLOT_NS, 1, Some(2));
        timeline.observe(START_NS, 1, Some(1));
        let times: Vec<u64> = timeline.dots(START_NS + SLOT_NS).map(|dot| dot.ts_ns).collect();
        assert_eq!(times, [START_NS + SLOT_NS, START_NS]);
    }
}
