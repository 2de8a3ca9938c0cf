//! Judge of one stream of ports of a single origin.

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
    /// Creates a classifier that has seen nothing.
    pub fn new() -> Self {
        Self { ensemble: Ensemble::new() }
    }

    /// Adds the next event.
    pub fn observe(&mut self, event: &Observation) {
        let resting = attention::next(&self.ensemble);
        self.ensemble.observe(event, resting);
    }

    /// Resumes after a gap: the counter of each destination is no longer known.
    pub(super) fn resume(&mut self) {
        self.ensemble.resume();
    }

    /// Returns the verdict on the events so far.
    pub fn verdict(&self) -> Verdict {
        conclusion::verdict(&self.ensemble, None)
    }

    /// Returns the verdict for ports that are known to be assigned by the rule `known`.
    pub(super) fn verdict_knowing(&self, known: Algorithm) -> Verdict {
        conclusion::verdict(&self.ensemble, Some(known))
    }

    /// Number of events.
    pub fn len(&self) -> u64 {
        self.ensemble.counts.events
    }

    /// Returns whether no event was added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
