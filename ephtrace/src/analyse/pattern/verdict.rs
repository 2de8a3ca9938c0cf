//! The verdict as data.

use serde::{Serialize, Serializer};

use super::names::{Algorithm, Pattern, Predictable};
use crate::analyse::number::as_f64;

/// Confidence below which a verdict is withheld.
pub const CONFIDENT: f64 = 0.9;
/// Minimum number of informative pairs for a verdict.
pub const FEWEST_PAIRS: u64 = 3;

/// Verdict on the rule behind a sequence of ports.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Predictability of the next port; `unknown` below [`CONFIDENT`].
    pub predictable: Predictable,
    /// Probability of the likelier answer to `predictable`.
    #[serde(serialize_with = "rounded")]
    pub predictable_confidence: f64,
    /// Coarse verdict; `undetermined` below [`CONFIDENT`].
    pub pattern: Pattern,
    /// Probability of the likeliest pattern.
    #[serde(serialize_with = "rounded")]
    pub pattern_confidence: f64,
    /// Fine verdict; `undetermined` below [`CONFIDENT`].
    pub algorithm: Algorithm,
    /// Probability of the likeliest algorithm.
    #[serde(serialize_with = "rounded")]
    pub algorithm_confidence: f64,
    /// Number of assignments that the verdict is based on.
    pub n: u64,
    /// Informative pairs: repeat assignments to a destination with an unchanged hash secret; for a
    /// sequential pattern, assignments after another one.
    pub informative_pairs: u64,
    /// The main evidence, in words.
    pub evidence: Vec<String>,
    /// All patterns, best first.
    pub patterns: Vec<Named<Pattern>>,
    /// All algorithms, best first.
    pub algorithms: Vec<Named<Algorithm>>,
    /// True if the kernel's own search state agrees; `None` if it was not seen.
    pub confirmed_by_kernel: Option<bool>,
    /// Entropy of the next port of a destination, in bits: an attacker needs about two to that
    /// power guesses.
    #[serde(serialize_with = "rounded_if_any")]
    pub next_port_bits: Option<f64>,
}

/// A name with its probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Named{T}"))]
pub struct Named<T> {
    /// Name of a pattern or an algorithm.
    pub name: T,
    /// Probability of the name; those of a list sum to one.
    #[serde(serialize_with = "rounded")]
    pub probability: f64,
}

impl Verdict {
    /// Sets the answers and their confidences from the lists, so that the numbers shown are those
    /// that decided.
    pub(in crate::analyse) fn decide(&mut self) {
        let (yes, no) = self.predictability();
        self.predictable = if yes >= CONFIDENT {
            Predictable::Yes
        } else if no >= CONFIDENT {
            Predictable::No
        } else {
            Predictable::Unknown
        };
        self.predictable_confidence = yes.max(no);
        self.pattern_confidence = self.patterns[0].probability;
        self.algorithm_confidence = self.algorithms[0].probability;
        let given = |confidence: f64| confidence >= CONFIDENT;
        self.pattern = if given(self.pattern_confidence) {
            self.patterns[0].name
        } else {
            Pattern::Undetermined
        };
        self.algorithm = if given(self.algorithm_confidence) {
            self.algorithms[0].name
        } else {
            Algorithm::Undetermined
        };
    }

    /// Returns the probabilities that the next port can be predicted, and that it can't: of a
    /// mixture, a part can.
    fn predictability(&self) -> (f64, f64) {
        let sum = |names: &[Pattern]| -> f64 {
            let of = self.patterns.iter().filter(|named| names.contains(&named.name));
            of.map(|named| named.probability).sum()
        };
        let yes = sum(&[Pattern::Sequential, Pattern::PerDestination, Pattern::Fixed]);
        (yes, sum(&[Pattern::Random]))
    }
}

pub(super) fn ranked<T: Copy>(names: &[T], probability: impl Fn(T) -> f64) -> Vec<Named<T>> {
    let mut ranked: Vec<Named<T>> =
        names.iter().map(|&name| Named { name, probability: probability(name) }).collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    ranked
}

/// Returns the list with a part of the probability spread evenly over all names.
pub(super) fn hedged<T>(mut list: Vec<Named<T>>, sure: f64) -> Vec<Named<T>> {
    let each = (1.0 - sure) / as_f64(u64::try_from(list.len()).unwrap_or(1).max(1));
    for named in &mut list {
        named.probability = named.probability * sure + each;
    }
    list
}

/// Serializes with six digits: no number is known more exactly.
// Serde requires this signature.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn rounded<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    six_digits(*number).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn rounded_if_any<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    number.map(six_digits).serialize(serializer)
}

fn six_digits(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
