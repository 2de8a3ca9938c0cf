//! A policy that is a counter: a reference, a law of increment, and possible disturbances.

use super::{
    counter_heads::Match,
    frame::Frame,
    laws::{Densities, Law},
    observation::Clock,
    score::{CLEAN, JUMP, LATE, NOISE, SKIP, Score, Shares},
    secret_epoch::SecretEpoch,
};

/// Start of a counter for a destination that it has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Anywhere in the range.
    Anywhere,
    /// On the parity of the low end.
    LowParity,
}

/// Maximum share of new starts that one policy explains: a change of the range, a block of occupied
/// ports.
const JUMP_CAP: f64 = 0.06;
/// Maximum share of events after lost events or occupied ports.
const SKIP_CAP: f64 = 0.45;
/// Maximum share of new starts if the secret changes every ten seconds and no time was recorded.
const BLIND_JUMP_CAP: f64 = 0.5;
/// Share of new starts within the part of a mixture that follows a law.
const MIXED_JUMP: f64 = 0.04;

/// One counter model and its score so far.
#[derive(Clone)]
pub(super) struct Counter {
    law: &'static Law,
    start: Start,
    secret: Option<SecretEpoch>,
    shares: Shares,
    score: Score,
}

impl Counter {
    pub(super) fn new(law: &'static Law, start: Start) -> Self {
        let shares = Shares::new(SKIP_CAP, JUMP_CAP);
        Self { law, start, secret: None, shares, score: Score::new() }
    }

    /// Creates a counter with a secret that changes every ten seconds.
    pub(super) fn salted(law: &'static Law, start: Start) -> Self {
        Self { secret: Some(SecretEpoch::new()), ..Self::new(law, start) }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    /// Share of steps longer than the law's.
    pub(super) fn skips(&self) -> f64 {
        self.shares.now()[SKIP]
    }

    /// Probability that the reference of `matched` is still valid.
    pub(super) fn same(&self, matched: &Match, clock: Clock) -> f64 {
        self.secret.as_ref().map_or(1.0, |secret| secret.same(matched.at, clock))
    }

    /// Scores one event; returns its density under the law alone, for mixtures.
    pub(super) fn observe(&mut self, frame: &Frame, matched: &Match, clock: Clock) -> f64 {
        let densities = match matched.step {
            Some(step) => self.law.at(step).map(|density| density * matched.weight),
            None => [0.0; 3],
        };
        let fresh = match self.start {
            Start::Anywhere => frame.fresh,
            Start::LowParity => frame.fresh_low,
        };
        let mut shares = self.shares.now();
        if !matched.any {
            let density = (1.0 - shares[NOISE]) * fresh + shares[NOISE] * frame.noise;
            self.score.add(density);
            return fresh;
        }
        if self.secret.is_some() && clock == Clock::Unknown {
            shares = blind(shares);
        }
        let same = self.same(matched, clock);
        let parts = parts(shares, densities, fresh, frame.noise);
        let unbroken: f64 = parts.iter().sum();
        let broken = (1.0 - shares[NOISE]) * fresh + parts[NOISE];
        let density = same * unbroken + (1.0 - same) * broken;
        self.score.add(density);
        self.shares.learn(parts.map(|part| part * same), density);
        if let Some(secret) = &mut self.secret {
            secret.learn(matched.at, clock, broken, unbroken);
        }
        let law = (parts[CLEAN] + parts[SKIP] + parts[LATE])
            / (shares[CLEAN] + shares[SKIP] + shares[LATE]);
        same * ((1.0 - MIXED_JUMP) * law + MIXED_JUMP * fresh) + (1.0 - same) * fresh
    }
}

/// Raises the share of new starts for streams without a clock: the slower the stream, the more of
/// its events follow a new secret.
fn blind(mut shares: [f64; 5]) -> [f64; 5] {
    let more = BLIND_JUMP_CAP.min(shares[JUMP] * 4.0) - shares[JUMP];
    if more > 0.0 && more < shares[CLEAN] {
        shares[JUMP] += more;
        shares[CLEAN] -= more;
    }
    shares
}

/// Returns the density of an event, part by part.
pub(super) fn parts(shares: [f64; 5], law: Densities, fresh: f64, noise: f64) -> [f64; 5] {
    [
        shares[CLEAN] * law[0],
        shares[SKIP] * law[1],
        shares[LATE] * law[2],
        shares[JUMP] * fresh,
        shares[NOISE] * noise,
    ]
}
