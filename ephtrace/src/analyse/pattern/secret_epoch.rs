//! Test whether two moments lie in the same ten-second epoch of Linux's hash secret.
//!
//! `secure_ipv4_port_ephemeral` hashes `jiffies / (10 * HZ)`, so every counter restarts elsewhere
//! at each boundary (Linux 5.18 and later; port-selection.md, 1.2). With a recorded epoch the
//! boundaries are known; with time alone, their phase is learned.

use super::observation::Clock;
use crate::analyse::number::as_f64;

/// Length of an epoch in nanoseconds.
const EPOCH_NS: u64 = 10_000_000_000;
/// Number of parts of an epoch to which the phase of the boundaries is learned.
const CELLS: usize = 40;
const CELL_NS: u64 = 250_000_000;
const _: () = assert!(CELL_NS * CELLS as u64 == EPOCH_NS, "the cells fill the epoch");
/// Certainty of a recorded epoch: an assignment may straddle a boundary.
const SURE: f64 = 0.998;
/// Share of returns within an epoch if nothing shows it.
const BLIND: f64 = 0.93;
/// Minimum weight of a cell: none is given up, so that a clock that is set can be followed.
const CELL_FLOOR: f64 = 1e-4;

impl Clock {
    /// Returns the value to store with a reference.
    pub(super) fn stamp(self) -> u64 {
        match self {
            Self::Epoch(value) | Self::Time(value) => value,
            Self::Unknown => 0,
        }
    }
}

/// Belief in the phase of the boundaries.
#[derive(Clone, Debug)]
pub(super) struct SecretEpoch {
    cells: [f64; CELLS],
    total: f64,
}

/// Part of an epoch between two moments, in cells.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    /// Overlap with the first cell, and with the last one if that is another.
    head: f64,
    tail: f64,
    /// Number of cells after the first.
    more: usize,
}

impl SecretEpoch {
    pub(super) const fn new() -> Self {
        Self { cells: [1.0; CELLS], total: 40.0 }
    }

    /// Probability that a reference of the moment `at` is still valid `now`.
    pub(super) fn same(&self, at: u64, now: Clock) -> f64 {
        match now {
            Clock::Epoch(epoch) if epoch == at => SURE,
            Clock::Epoch(_) => 1.0 - SURE,
            Clock::Unknown => BLIND,
            Clock::Time(time) => match span(at, time) {
                None => 1.0 - SURE,
                Some(span) => {
                    let mut crossed = 0.0;
                    span.each(|cell, overlap| crossed += self.cells[cell] * overlap);
                    (1.0 - crossed / self.total).clamp(1.0 - SURE, SURE)
                }
            },
        }
    }

    /// Learns from the densities of the event with a boundary in between and without one.
    pub(super) fn learn(&mut self, at: u64, now: Clock, crossed: f64, same: f64) {
        let Clock::Time(time) = now else { return };
        let Some(span) = span(at, time) else { return };
        if same <= 0.0 {
            return;
        }
        // Trust in one event is limited: it may be a stray.
        let ratio = (crossed / same).clamp(0.02, 50.0);
        span.each(|cell, overlap| {
            let old = self.cells[cell];
            let new = (old * (1.0 - overlap + overlap * ratio)).max(CELL_FLOOR * self.total);
            self.cells[cell] = new;
            self.total += new - old;
        });
        if self.total > 1e12 || self.total < 1e-6 {
            let scale = 1.0 / self.total;
            self.cells.iter_mut().for_each(|cell| *cell *= scale);
            self.total = self.cells.iter().sum();
        }
    }
}

/// Returns the cells between two moments; `None` if a whole epoch passed.
fn span(at: u64, now: u64) -> Option<Span> {
    let (from, to) = (at.min(now), at.max(now));
    if to - from >= EPOCH_NS {
        return None;
    }
    let phase = from % EPOCH_NS;
    let end = phase + (to - from);
    let more = usize::try_from(end / CELL_NS - phase / CELL_NS).ok()?;
    let first = usize::try_from(phase / CELL_NS).ok()?;
    let (head, tail) = if more == 0 {
        (cell_share(end - phase), 0.0)
    } else {
        (cell_share(CELL_NS - phase % CELL_NS), cell_share(end % CELL_NS))
    };
    Some(Span { first, head, tail, more })
}

impl Span {
    /// Calls `visit` with each cell and the share of it that lies in between.
    fn each(&self, mut visit: impl FnMut(usize, f64)) {
        visit(self.first % CELLS, self.head);
        for i in 1..=self.more {
            let overlap = if i == self.more { self.tail } else { 1.0 };
            visit((self.first + i) % CELLS, overlap);
        }
    }
}

fn cell_share(ns: u64) -> f64 {
    as_f64(ns) / 250e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_recorded_epoch_decides() {
        let secret = SecretEpoch::new();
        assert!(secret.same(7, Clock::Epoch(7)) > 0.99);
        assert!(secret.same(6, Clock::Epoch(7)) < 0.01);
    }

    #[test]
    fn time_alone_gives_a_chance() {
        let secret = SecretEpoch::new();
        let same = secret.same(100 * SECOND, Clock::Time(104 * SECOND));
        assert!((same - 0.6).abs() < 0.03, "{same}");
        assert!(secret.same(100 * SECOND, Clock::Time(111 * SECOND)) < 0.01);
        assert!(secret.same(100 * SECOND, Clock::Time(100 * SECOND + 1000)) > 0.99);
    }

    #[test]
    fn the_phase_is_learned() {
        let mut secret = SecretEpoch::new();
        // Boundaries at 3.1 s: crossing that moment restarts, crossing 7 s does not.
        for epoch in 10..14 {
            let base = epoch * EPOCH_NS;
            secret.learn(base + 3 * SECOND, Clock::Time(base + 3_200_000_000), 1e-4, 1e-6);
            secret.learn(base + 5 * SECOND, Clock::Time(base + 12 * SECOND), 1e-4, 1e-1);
        }
        let base = 20 * EPOCH_NS;
        assert!(secret.same(base + 2 * SECOND, Clock::Time(base + 4 * SECOND)) < 0.1);
        assert!(secret.same(base + 4 * SECOND, Clock::Time(base + 9 * SECOND)) > 0.9);
    }
}
