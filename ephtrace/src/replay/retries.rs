//! Connects that are retried from the same port: one assignment, however many rows it has.
//!
//! Windows sends a refused SYN three times, half a second apart, from one port. A flow log has a
//! row for each, a capture a packet for each. Packets in between show that two rows are no retries;
//! then the reader says so, and only a row of another recording may be the same assignment.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use crate::model::Assignment;

/// Maximum pause between two attempts, in nanoseconds: a SYN is retransmitted after up to eight
/// seconds in its first quarter of a minute, and no system is known to assign a port to the same
/// destination again this soon while it has others.
pub const PAUSE_NS: u64 = 10_000_000_000;

/// Number of remembered connections, in 1.5 MiB. Two that share a slot evict each other, so that a
/// repeat may be missed, but nothing else is taken for one.
const SLOTS: usize = 1 << 16;

/// The last attempts.
#[derive(Default)]
pub struct Retries {
    /// The last attempt of each connection; empty before the first one.
    slots: Vec<Attempt>,
    repeated: u64,
}

#[derive(Clone, Copy, Default)]
struct Attempt {
    /// Hash of the connection; zero in an empty slot.
    hash: u64,
    ts_ns: u64,
    /// Recording with the first attempt.
    recording: u32,
}

impl Retries {
    /// Returns whether `assignment` repeats an earlier one, and counts it then. Only assignments
    /// with neither origin nor range are checked: a tracer reports them, and its rows are
    /// assignments.
    pub fn is_repeat(&mut self, assignment: &Assignment) -> bool {
        let Assignment { origin: None, hook: None, range: None, sport: Some(sport), .. } =
            *assignment
        else {
            return false;
        };
        let mut hasher = FxHasher::default();
        (assignment.flow, sport, assignment.protocol).hash(&mut hasher);
        let hash = hasher.finish() | 1;
        if self.slots.is_empty() {
            self.slots = vec![Attempt::default(); SLOTS];
        }
        let index = usize::try_from(hash >> 32).unwrap_or(0) % SLOTS;
        let Some(slot) = self.slots.get_mut(index) else { return false };
        let Assignment { ts_ns, recording, is_another, .. } = *assignment;
        let is_repeat = slot.hash == hash
            && ts_ns.abs_diff(slot.ts_ns) <= PAUSE_NS
            && !(is_another && slot.recording == recording);
        let recording = if is_repeat { slot.recording } else { recording };
        *slot = Attempt { hash, ts_ns, recording };
        self.repeated += u64::from(is_repeat);
        is_repeat
    }

    /// Number of repeats so far.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Origin, RangeInForce};

    const SECOND_NS: u64 = 1_000_000_000;

    fn tried(ts_ns: u64, sport: u16) -> Assignment {
        Assignment { ts_ns, sport: Some(sport), ..Assignment::default() }
    }

    #[test]
    fn three_attempts_from_one_port_are_one_assignment() {
        let mut retries = Retries::default();
        let attempts = (0..3).map(|n| tried(100 * SECOND_NS + n * SECOND_NS / 2, 50_000));
        let repeats: Vec<bool> = attempts.map(|one| retries.is_repeat(&one)).collect();
        assert_eq!(repeats, [false, true, true]);
        assert_eq!(retries.repeated(), 2);
    }

    #[test]
    fn another_port_and_a_port_much_later_are_assignments() {
        let mut retries = Retries::default();
        let rows =
            [tried(SECOND_NS, 50_000), tried(SECOND_NS, 50_001), tried(60 * SECOND_NS, 50_000)];
        assert!(rows.iter().all(|one| !retries.is_repeat(one)));
    }

    #[test]
    fn what_one_recording_tells_apart_counts_once_in_each_of_several() {
        let again = |ts_ns, recording, is_another| {
            let row = tried(ts_ns * SECOND_NS, 50_000);
            Assignment { recording, is_another, ..row }
        };
        let rows = [
            again(100, 0, false),
            again(100, 1, false),
            again(101, 0, true),
            again(101, 1, true),
            // Clocks differ.
            again(102, 1, true),
            again(102, 0, true),
            again(103, 0, false),
        ];
        let mut retries = Retries::default();
        let repeats = rows.map(|one| retries.is_repeat(&one));
        assert_eq!(repeats, [false, true, false, true, true, false, true]);
    }

    #[test]
    fn what_a_tracer_saw_is_an_assignment() {
        let traced = [
            Assignment { origin: Some(Origin::Connect), ..tried(SECOND_NS, 50_000) },
            Assignment {
                range: Some(RangeInForce::of_netns(50_000, 50_001)),
                ..tried(SECOND_NS, 50_000)
            },
            Assignment { sport: None, ..tried(SECOND_NS, 0) },
        ];
        for one in traced {
            let mut retries = Retries::default();
            assert!(!retries.is_repeat(&one) && !retries.is_repeat(&one), "{one:?}");
        }
    }
}
