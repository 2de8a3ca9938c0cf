//! Two policies in one stream: a counter and a random one.
//!
//! Either by chance (connect and bind to port 0 side by side) or in stretches (`FreeBSD` before 10
//! turns from random to sequential under load: RFC 6056, appendix A.1).

use super::score::Score;

/// Share of ports that a program named.
const STRAY: f64 = 0.02;
/// Probability that the next event is of the same policy, where they come in stretches.
const STAY: f64 = 0.96;

/// Least share of either policy. Stretches can't be named ports that come by chance.
const LEAST_BY_CHANCE: f64 = 0.14;
const LEAST_IN_STRETCHES: f64 = 0.08;

/// One mixture and how well it has done.
#[derive(Clone, Copy)]
pub(super) struct Mixture {
    /// Probability that the next event is of the first policy.
    first: f64,
    counts: [f64; 2],
    sticky: bool,
    score: Score,
}

impl Mixture {
    pub(super) const fn by_chance() -> Self {
        Self { first: 0.5, counts: [1.5, 1.5], sticky: false, score: Score::new() }
    }

    pub(super) const fn in_stretches() -> Self {
        Self { sticky: true, ..Self::by_chance() }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    /// Whether the less common policy has enough of the events not to be a trouble of the other.
    pub(super) fn is_mixed(&self) -> bool {
        self.lesser_share() >= if self.sticky { LEAST_IN_STRETCHES } else { LEAST_BY_CHANCE }
    }

    /// Share of events that the less common policy explains.
    pub(super) fn lesser_share(&self) -> f64 {
        let total = self.counts[0] + self.counts[1] - 3.0;
        let lesser = (self.counts[0] - 1.5).min(self.counts[1] - 1.5);
        if total > 0.0 { lesser / total } else { 0.0 }
    }

    /// Scores an event with the densities of the two policies.
    pub(super) fn observe(&mut self, one: f64, two: f64, noise: f64) {
        let (one, two) = (self.first * one, (1.0 - self.first) * two);
        let both = one + two;
        self.score.add((1.0 - STRAY) * both + STRAY * noise);
        if both <= 0.0 {
            return;
        }
        let first = one / both;
        self.counts[0] += first;
        self.counts[1] += 1.0 - first;
        self.first = if self.sticky {
            STAY * first + (1.0 - STAY) * (1.0 - first)
        } else {
            self.counts[0] / (self.counts[0] + self.counts[1])
        };
    }
}
