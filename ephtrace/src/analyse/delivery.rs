//! Share of a stream that arrived, and arrived in order: both bound the confidence of a verdict.

use super::{
    number::as_f64,
    pattern::{Algorithm, Named, Pattern, Predictable, Verdict},
};

/// Share of lost assignments that a judge's models allow for by themselves.
const LOST_ALLOWED: f64 = 0.01;

/// Doubt per unit of loss: with half of all assignments lost, no confidence above 90 % is left.
const LOST_DOUBT: f64 = 0.2;

/// Doubt per unit of disorder. A counter whose ports are shuffled looks random; two assignments in
/// a hundred out of order leave no confidence above 90 %.
const DISORDERED_DOUBT: f64 = 5.0;

/// Shares of a stream's assignments that were lost or out of order, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delivery {
    /// Share lost on the way.
    pub lost: f64,
    /// Share passed on after a later assignment, because they came too late to be sorted.
    pub disordered: f64,
}

impl Delivery {
    /// Creates the delivery of a stream of which `assignments` arrived.
    pub fn new(assignments: u64, lost: u64, disordered: u64) -> Self {
        let share = |part: u64, all: u64| as_f64(part) / as_f64(all.max(1));
        Self {
            lost: share(lost, assignments.saturating_add(lost)),
            disordered: share(disordered.min(assignments), assignments),
        }
    }

    /// Probability that a verdict says nothing, because the stream is not the sequence that was
    /// assigned.
    pub fn doubt(self) -> f64 {
        let lost = (self.lost - LOST_ALLOWED).max(0.0) * LOST_DOUBT;
        (lost + self.disordered * DISORDERED_DOUBT).clamp(0.0, 1.0)
    }

    /// Returns true if nothing is known of the order.
    pub fn is_unordered(self) -> bool {
        self.disordered >= 1.0
    }

    /// Returns true if too much is out of order for anything that depends on the order.
    pub fn is_shuffled(self) -> bool {
        self.disordered * DISORDERED_DOUBT >= 0.1
    }

    /// Subtracts the doubt from the confidence of `verdict`, and withholds the verdict if too
    /// little is left. A verdict that the kernel's own state confirms stays.
    pub fn temper(self, verdict: &mut Verdict) {
        let doubt = self.doubt();
        if doubt <= 0.0 || verdict.n == 0 || verdict.confirmed_by_kernel == Some(true) {
            return;
        }
        soften(&mut verdict.patterns, doubt);
        soften(&mut verdict.algorithms, doubt);
        // A verdict withheld for another reason stays withheld.
        let (pattern, algorithm) = (verdict.pattern, verdict.algorithm);
        let predictable = verdict.predictable;
        verdict.decide();
        if pattern == Pattern::Undetermined {
            verdict.pattern = pattern;
        }
        if algorithm == Algorithm::Undetermined {
            verdict.algorithm = algorithm;
        }
        if predictable == Predictable::Unknown {
            verdict.predictable = predictable;
        }
        if self.is_unordered() {
            verdict.evidence.clear();
            verdict.next_port_bits = None;
        }
        verdict.evidence.extend(self.sentence());
    }

    fn sentence(self) -> Option<String> {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        if self.is_unordered() {
            return Some("not judged, because the order of the assignments is not known".into());
        }
        match (self.lost > LOST_ALLOWED, self.disordered > 0.0) {
            (true, true) => Some(format!(
                "confidence lowered: {} of the events were lost and {} came out of order",
                percent(self.lost),
                percent(self.disordered)
            )),
            (true, false) => {
                Some(format!("confidence lowered: {} of the events were lost", percent(self.lost)))
            }
            (false, true) => Some(format!(
                "confidence lowered: {} of the events came out of order",
                percent(self.disordered)
            )),
            (false, false) => None,
        }
    }
}

/// Mixes each probability with the uniform one. The order stays.
fn soften<T>(list: &mut [Named<T>], doubt: f64) {
    let even = 1.0 / as_f64(list.len().max(1) as u64);
    for one in list {
        one.probability = (1.0 - doubt) * one.probability + doubt * even;
    }
}
