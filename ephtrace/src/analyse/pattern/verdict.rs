//! The verdict as data.

use serde::{Serialize, Serializer};

use super::{
    classifier::Classifier,
    evidence,
    facts::real,
    names::{Algorithm, Pattern},
    posterior::{self, Member},
};

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
    pub(super) fn of(c: &Classifier) -> Self {
        let members = c.members();
        let probabilities = posterior::probabilities(&members, real(c.facts.events));
        let patterns = patterns(c, &members, &probabilities);
        let algorithms = algorithms(&members, &probabilities);
        let mut verdict = Self {
            pattern: patterns[0].name,
            pattern_confidence: patterns[0].probability,
            algorithm: algorithms[0].name,
            algorithm_confidence: algorithms[0].probability,
            n: c.facts.events,
            informative_pairs: informative_pairs(c, patterns[0].name, algorithms[0].name),
            evidence: Vec::new(),
            patterns,
            algorithms,
            confirmed_by_kernel: None,
            next_port_bits: None,
        };
        verdict.withhold();
        verdict.confirmed_by_kernel = verdict.confirmed(c);
        verdict.next_port_bits = super::bits::next_port(c, &verdict);
        verdict.evidence = evidence::sentences(c, &verdict);
        verdict
    }

    pub(super) fn withhold(&mut self) {
        let few = self.informative_pairs < FEWEST_PAIRS;
        if few || self.pattern_confidence < CONFIDENT {
            self.pattern = Pattern::Undetermined;
        }
        if few || self.algorithm_confidence < CONFIDENT {
            self.algorithm = Algorithm::Undetermined;
        }
    }

    fn confirmed(&self, c: &Classifier) -> Option<bool> {
        let truth = c.kernel.algorithm()?;
        (self.algorithm != Algorithm::Undetermined).then_some(self.algorithm == truth)
    }
}

fn informative_pairs(c: &Classifier, pattern: Pattern, algorithm: Algorithm) -> u64 {
    let salted =
        matches!(algorithm, Algorithm::LinuxDhash64k | Algorithm::LinuxLpr | Algorithm::Mixed);
    match pattern {
        Pattern::Sequential => c.facts.pairs,
        // Its counters survive the epochs, or it has none.
        _ if !salted => c.facts.returns + c.facts.resalted,
        _ => c.facts.returns,
    }
}

fn patterns(c: &Classifier, members: &[Member], probabilities: &[f64]) -> Vec<Named<Pattern>> {
    let single = c.facts.single_destination();
    ranked(&Pattern::ALL, |pattern| {
        members
            .iter()
            .zip(probabilities)
            .filter(|(member, _)| merged(member, single) == pattern)
            .map(|(_, probability)| probability)
            .sum()
    })
}

/// With one destination, a counter for everybody and one for each destination are the same thing:
/// the pattern is then the one that was seen.
fn merged(member: &Member, single: bool) -> Pattern {
    match member.algorithm {
        Algorithm::Alg3Hash | Algorithm::Alg4Dhash if single => Pattern::Sequential,
        _ => member.pattern,
    }
}

fn algorithms(members: &[Member], probabilities: &[f64]) -> Vec<Named<Algorithm>> {
    ranked(&Algorithm::ALL, |algorithm| {
        members
            .iter()
            .zip(probabilities)
            .filter(|(member, _)| member.algorithm == algorithm)
            .map(|(_, probability)| probability)
            .sum()
    })
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
