//! One law out of two: which one a counter follows is learned as events pass.

/// Minimum weight of either law: a counter may be replaced by another one.
const LEAST: f64 = 0.02;

/// Belief in the second of two laws.
#[derive(Clone, Copy, Debug)]
pub(super) struct Either {
    second: f64,
}

impl Either {
    /// Creates a belief with the prior probability of the `second` law.
    pub(super) const fn new(second: f64) -> Self {
        Self { second }
    }

    /// Scores an event with its densities under the two laws; returns its density under either. The
    /// weights are those from before the event.
    pub(super) fn observe(&mut self, first: f64, second: f64) -> f64 {
        let second = self.second * second;
        let both = (1.0 - self.second) * first + second;
        if both > 0.0 {
            self.second = (second / both).clamp(LEAST, 1.0 - LEAST);
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_that_fits_is_learned_and_unlearned() {
        let mut either = Either::new(0.2);
        assert!((either.observe(0.5, 0.5) - 0.5).abs() < 1e-9, "what fits both tells nothing");
        for _ in 0..3 {
            either.observe(1e-5, 0.9);
        }
        assert!(either.observe(1e-5, 0.9) > 0.85);
        for _ in 0..3 {
            either.observe(0.9, 1e-5);
        }
        assert!(either.observe(0.9, 1e-5) > 0.85);
    }
}
