//! Judges one stream of ports of a single origin.

use super::{
    attention, conclusion, ensemble::Ensemble, names::Algorithm, observation::Observation,
    verdict::Verdict,
};

/// Judges one stream of ports of a single origin, in constant time per event and bounded memory.
pub struct Classifier {
    ensemble: Ensemble,
}

impl Default for Classifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Classifier {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { ensemble: Ensemble::new() }
    }

    /// Takes the next event in.
    pub fn observe(&mut self, event: &Observation) {
        let resting = attention::next(&self.ensemble);
        self.ensemble.observe(event, resting);
    }

    /// Goes on after a gap: where each destination had got to is no longer known.
    pub(super) fn resume(&mut self) {
        self.ensemble.resume();
    }

    /// The verdict on what was seen so far.
    pub fn verdict(&self) -> Verdict {
        conclusion::verdict(&self.ensemble, None)
    }

    /// The verdict where the ports are known to be given by the rule `known`.
    pub(super) fn verdict_knowing(&self, known: Algorithm) -> Verdict {
        conclusion::verdict(&self.ensemble, Some(known))
    }

    /// Number of events.
    pub fn len(&self) -> u64 {
        self.ensemble.counts.events
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
