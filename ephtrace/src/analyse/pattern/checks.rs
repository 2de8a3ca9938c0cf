//! Check of an overall verdict against the verdicts on its busiest destinations. If they contradict
//! it, it is withheld, and its evidence says so. `kernel_rules` has the rules that the kernel is
//! known to follow.

use super::{
    kernel_rules::Found,
    names::{Algorithm, Pattern, Predictable},
    verdict::{CONFIDENT, Verdict, hedged},
};

/// One contradicting destination in this many is enough.
const FEW: usize = 3;

impl Verdict {
    /// Withholds an answer that a third or more of the destinations with a verdict contradict.
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
            "withheld: {} of the {} busiest destinations with a verdict contradict it, for \
             example with {}",
            against.len(),
            given.len(),
            first.algorithm
        );
        let doubted = against.iter().any(|one| {
            one.predictable != Predictable::Unknown && one.predictable != self.predictable
        });
        self.withhold(said, doubted);
    }

    /// Withholds answers that the whole stream contradicts, of which this verdict judges a part,
    /// and which was `found` to follow one rule. One part's view of a shared counter looks like
    /// another rule.
    pub(super) fn check_whole(&mut self, found: Found) {
        // The parts of a mixture may be pure.
        if found.pattern == Pattern::Mixed {
            return;
        }
        let by_pattern = found.pattern != Pattern::Undetermined
            && self.pattern != Pattern::Undetermined
            && self.pattern != found.pattern;
        let by_algorithm = found.algorithm != Algorithm::Undetermined
            && self.algorithm != Algorithm::Undetermined
            && self.algorithm != found.algorithm;
        if by_pattern {
            let Found { pattern, .. } = found;
            let why = format!(
                "withheld: these ports look {}, but all assignments together look {pattern}",
                self.pattern
            );
            self.withhold(why, (self.pattern == Pattern::Random) != (pattern == Pattern::Random));
        } else if by_algorithm {
            let Found { algorithm, .. } = found;
            let why = format!(
                "withheld: these ports fit {}, but all assignments together follow {algorithm}",
                self.algorithm
            );
            self.algorithms = hedged(std::mem::take(&mut self.algorithms), 0.9 * CONFIDENT);
            self.decide();
            self.evidence.insert(0, why);
        }
    }

    fn is_contradicted_by(&self, one: &Self) -> bool {
        use Algorithm as A;
        // One destination's view of a counter that all share looks like many things.
        let is_shared = matches!(
            self.algorithm,
            A::SeqGlobal | A::Alg5RandInc | A::Alg3Hash | A::LinuxHintEven
        );
        let is_random = |pattern: Pattern| pattern == Pattern::Random;
        let is_counter =
            |pattern: Pattern| matches!(pattern, Pattern::Sequential | Pattern::PerDestination);
        let by_pattern = is_random(self.pattern) && is_counter(one.pattern)
            || is_counter(self.pattern) && is_random(one.pattern);
        // One destination can't show whether a counter by one is shared.
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

    /// Lowers the certainty until no answer is left; if `doubted`, not even on whether the next
    /// port can be predicted.
    pub(super) fn withhold(&mut self, why: String, doubted: bool) {
        // Most of the patterns are predictable, so certainty spread over all of them adds to it.
        let sure = if doubted { 0.7 * CONFIDENT } else { 0.9 * CONFIDENT };
        self.patterns = hedged(std::mem::take(&mut self.patterns), sure);
        self.algorithms = hedged(std::mem::take(&mut self.algorithms), sure);
        self.decide();
        self.next_port_bits = None;
        self.evidence.retain(|sentence| !sentence.starts_with("predictable"));
        self.evidence.insert(0, why);
    }
}
