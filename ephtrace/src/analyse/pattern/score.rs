//! Running log-likelihoods and component shares, cheap enough for every event and model.

use crate::analyse::number::as_f64;

/// Sum of the logarithms of densities. The logarithm is taken only once in a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    product: f64,
    log: f64,
    events: u64,
}

/// Threshold below which the product is folded into the logarithm: far from underflow, since a
/// single density is at least [`FLOOR`].
const FOLD: f64 = 1e-200;

/// Minimum density, so that one impossible event can't decide.
const FLOOR: f64 = 1e-9;

impl Score {
    pub(super) const fn new() -> Self {
        Self { product: 1.0, log: 0.0, events: 0 }
    }

    pub(super) fn add(&mut self, density: f64) {
        self.product *= density.max(FLOOR);
        self.events += 1;
        if self.product < FOLD {
            self.log += self.product.ln();
            self.product = 1.0;
        }
    }

    /// Returns the sum over `n` events, extrapolated from the mean of the scored ones: a model that
    /// is far behind rests most of the time (see `attention`).
    pub(super) fn log(&self, n: f64) -> f64 {
        if self.events == 0 {
            return 0.0;
        }
        (self.log + self.product.ln()) * n / as_f64(self.events)
    }
}

/// Logarithm of the sum of exponentials.
pub(super) fn log_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + logs.map(|log| (log - top).exp()).sum::<f64>().ln()
}

/// Shares of the kinds of event under one policy. They are learned as events pass (each prediction
/// uses earlier events only), within bounds that keep one policy from explaining everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    counts: [f64; 5],
    total: f64,
    caps: [f64; 5],
}

/// The law itself.
pub(super) const CLEAN: usize = 0;
/// The law after lost events or occupied ports.
pub(super) const SKIP: usize = 1;
/// An event that was overtaken by a later one.
pub(super) const LATE: usize = 2;
/// A new start inside the range.
pub(super) const JUMP: usize = 3;
/// A port that a program named.
pub(super) const NOISE: usize = 4;

impl Shares {
    /// Creates shares with maxima for skips and for new starts.
    pub(super) const fn new(skip: f64, jump: f64) -> Self {
        Self { counts: [9.4, 1.0, 0.3, 0.4, 0.4], total: 11.5, caps: [1.0, skip, 0.25, jump, 0.10] }
    }

    /// Returns the shares for the next event; they sum to one.
    pub(super) fn now(&self) -> [f64; 5] {
        let mut shares = [0.0; 5];
        let mut rest = 1.0;
        for part in [SKIP, LATE, JUMP, NOISE] {
            shares[part] = (self.counts[part] / self.total).min(self.caps[part]);
            rest -= shares[part];
        }
        shares[CLEAN] = rest;
        shares
    }

    /// Credits the event to its parts; `parts` sum to `density`, or to less.
    pub(super) fn learn(&mut self, parts: [f64; 5], density: f64) {
        let scale = 1.0 / density.max(FLOOR);
        for (count, part) in self.counts.iter_mut().zip(parts) {
            *count += part * scale;
            self.total += part * scale;
        }
    }
}
