//! The verdict as data.

use serde::{Serialize, Serializer};

use super::names::{Algorithm, Pattern};

/// Below this a verdict is withheld.
pub const CONFIDENT: f64 = 0.9;
/// Fewer informative pairs than this carry no verdict.
pub const FEWEST_PAIRS: u64 = 3;

/// What a sequence of ports says about the rule behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The coarse verdict; `undetermined` below [`CONFIDENT`].
    pub pattern: Pattern,
    /// Probability of the likeliest pattern.
    #[serde(serialize_with = "rounded")]
    pub pattern_confidence: f64,
    /// The fine verdict; `undetermined` below [`CONFIDENT`].
    pub algorithm: Algorithm,
    /// Probability of the likeliest algorithm.
    #[serde(serialize_with = "rounded")]
    pub algorithm_confidence: f64,
    /// Number of assignments that it was judged by.
    pub n: u64,
    /// Pairs that say something: returns to a destination with the hash secret unchanged; for a
    /// sequential pattern, assignments after another one.
    pub informative_pairs: u64,
    /// The few numbers that carry it, in words.
    pub evidence: Vec<String>,
    /// All patterns, best first.
    pub patterns: Vec<Named<Pattern>>,
    /// All algorithms, best first.
    pub algorithms: Vec<Named<Algorithm>>,
    /// Whether the kernel's own search state agrees; `None` where it was not seen.
    pub confirmed_by_kernel: Option<bool>,
    /// How much there is to guess about the next port of a destination, in bits.
    #[serde(serialize_with = "rounded_if_any")]
    pub next_port_bits: Option<f64>,
}

/// A name with its probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Named<T> {
    /// The name.
    pub name: T,
    /// Its probability; those of a list sum to one.
    #[serde(serialize_with = "rounded")]
    pub probability: f64,
}

impl Verdict {
    pub(super) fn withhold(&mut self) {
        let few = self.informative_pairs < FEWEST_PAIRS;
        if few || self.pattern_confidence < CONFIDENT {
            self.pattern = Pattern::Undetermined;
        }
        if few || self.algorithm_confidence < CONFIDENT {
            self.algorithm = Algorithm::Undetermined;
        }
    }
}

pub(super) fn ranked<T: Copy>(names: &[T], probability: impl Fn(T) -> f64) -> Vec<Named<T>> {
    let mut ranked: Vec<Named<T>> =
        names.iter().map(|&name| Named { name, probability: probability(name) }).collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    ranked
}

/// To six digits: nothing is known more exactly.
// The signature is serde's.
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
