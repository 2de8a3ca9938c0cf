//! Two policies in one stream: a counter and a random one.
//!
//! The policies alternate either by chance (connect and bind to port 0 side by side) or in
//! stretches (`FreeBSD` before 10 turns from random to sequential under load: RFC 6056, appendix
//! A.1).

use super::score::Score;

/// Share of ports that a program named.
const STRAY: f64 = 0.02;
/// Probability that the next event is of the same policy, if policies alternate in stretches.
const STAY: f64 = 0.96;

/// Minimum share and number of events that either policy explains alone, besides its first one.
const LEAST_SHARE: f64 = 0.14;
const LEAST: f64 = 3.0;
/// Cost of lacking all of them.
const LACKING: f64 = 25.0;
/// Likelihood ratio from which on one policy explains an event alone.
const CLEARLY: f64 = 8.0;

/// One mixture and its score so far.
#[derive(Clone, Copy)]
pub(super) struct Mixture {
    /// Probability that the next event is of the first policy.
    first: f64,
    counts: [f64; 2],
    /// Events that one policy explains and the other does not.
    only: [u32; 2],
    sticky: bool,
    score: Score,
}

impl Mixture {
    pub(super) const fn by_chance() -> Self {
        Self { first: 0.5, counts: [1.5, 1.5], only: [0; 2], sticky: false, score: Score::new() }
    }

    pub(super) const fn in_stretches() -> Self {
        Self { sticky: true, ..Self::by_chance() }
    }

    /// Evidence for two policies rather than one with disturbances: each explains events that the
    /// other does not, and more of them than named ports and lost events would account for.
    pub(super) fn evidence(&self, n: f64) -> f64 {
        let lesser = f64::from(self.only[0].min(self.only[1]));
        let enough = (LEAST_SHARE * n - 1.0).max(LEAST);
        let lacking = ((enough - lesser) / enough).max(0.0);
        self.score.log(n) - LACKING * lacking
    }

    /// Scores an event with the densities of the two policies.
    pub(super) fn observe(&mut self, one: f64, two: f64, noise: f64) {
        self.only[0] += u32::from(one > CLEARLY * two);
        self.only[1] += u32::from(two > CLEARLY * one);
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
