//! A verdict over all is checked against the verdicts on its busiest destinations. Where they
//! contradict it, it is withheld, and says so. `kernel_rules` has what its kernel is known to do.

use super::{
    names::{Algorithm, Pattern, Predictable},
    verdict::{CONFIDENT, Verdict, hedged},
};

/// One in so many destinations that contradict is enough.
const FEW: usize = 3;

impl Verdict {
    /// Withholds what a third or more of the destinations contradict whose verdicts are given.
    pub fn check_destinations(&mut self, destinations: &[&Self]) {
        let given: Vec<&Self> = destinations
            .iter()
            .copied()
            .filter(|one| one.algorithm != Algorithm::Undetermined)
            .collect();
        let against: Vec<&Self> =
            given.iter().copied().filter(|one| self.is_contradicted_by(one)).collect();
        let Some(first) = against.first() else { return };
        if against.len() * FEW < given.len() {
            return;
        }
        let said = format!(
            "withheld: {} of the {} busiest destinations that were judged say otherwise, such as \
             {}",
            against.len(),
            given.len(),
            first.algorithm
        );
        let doubted = against.iter().any(|one| {
            one.predictable != Predictable::Unknown && one.predictable != self.predictable
        });
        self.withhold(said, doubted);
    }

    fn is_contradicted_by(&self, one: &Self) -> bool {
        use Algorithm as A;
        // What one destination sees of a counter that all share looks like many things.
        let is_shared = matches!(self.algorithm, A::SeqGlobal | A::Alg5RandInc | A::Alg3Hash);
        let is_random = |pattern: Pattern| pattern == Pattern::Random;
        let is_counter =
            |pattern: Pattern| matches!(pattern, Pattern::Sequential | Pattern::PerDestination);
        let by_pattern = is_random(self.pattern) && is_counter(one.pattern)
            || is_counter(self.pattern) && is_random(one.pattern);
        // One destination can't tell whose a counter by one is.
        let tells = |algorithm: A| {
            !matches!(
                algorithm,
                A::Undetermined | A::Mixed | A::Other | A::SeqGlobal | A::Alg3Hash | A::Alg4Dhash
            )
        };
        let differs = self.algorithm != one.algorithm;
        let by_algorithm = tells(self.algorithm) && tells(one.algorithm) && differs;
        by_pattern || by_algorithm && !is_shared
    }

    /// Takes so much of the certainty that nothing is left to answer with, not even whether the
    /// next port can be predicted if that is `doubted`, too.
    pub(super) fn withhold(&mut self, why: String, doubted: bool) {
        // Most of the patterns can be predicted, so that certainty shared out among all adds to it.
        let sure = if doubted { 0.7 * CONFIDENT } else { 0.9 * CONFIDENT };
        self.patterns = hedged(std::mem::take(&mut self.patterns), sure);
        self.algorithms = hedged(std::mem::take(&mut self.algorithms), sure);
        self.decide();
        self.next_port_bits = None;
        self.evidence.retain(|sentence| !sentence.starts_with("predictable"));
        self.evidence.insert(0, why);
    }
}
