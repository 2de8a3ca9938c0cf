//! From the models to the verdict.

use super::{
    ensemble::Ensemble,
    entropy, evidence,
    names::{Algorithm, Pattern},
    posterior::{self, Member},
    verdict::{Named, Verdict, ranked},
};
use crate::analyse::real as as_f64;

/// The verdict on what the models have seen so far.
pub(super) fn verdict(c: &Ensemble) -> Verdict {
    let members = posterior::members(c);
    let probabilities = posterior::probabilities(&members, as_f64(c.counts.events));
    let patterns = patterns(c, &members, &probabilities);
    let algorithms = algorithms(&members, &probabilities);
    let mut verdict = Verdict {
        pattern: patterns[0].name,
        pattern_confidence: patterns[0].probability,
        algorithm: algorithms[0].name,
        algorithm_confidence: algorithms[0].probability,
        n: c.counts.events,
        informative_pairs: informative_pairs(c, patterns[0].name, algorithms[0].name),
        evidence: Vec::new(),
        patterns,
        algorithms,
        confirmed_by_kernel: None,
        next_port_bits: None,
    };
    verdict.withhold();
    verdict.confirmed_by_kernel = confirmed(c, &verdict);
    verdict.next_port_bits = entropy::next_port(c, &verdict);
    verdict.evidence = evidence::sentences(c, &verdict);
    verdict
}

fn confirmed(c: &Ensemble, verdict: &Verdict) -> Option<bool> {
    let truth = c.kernel.algorithm()?;
    (verdict.algorithm != Algorithm::Undetermined).then_some(verdict.algorithm == truth)
}

fn informative_pairs(c: &Ensemble, pattern: Pattern, algorithm: Algorithm) -> u64 {
    let salted =
        matches!(algorithm, Algorithm::LinuxDhash64k | Algorithm::LinuxLpr | Algorithm::Mixed);
    match pattern {
        Pattern::Sequential => c.counts.pairs,
        // Its counters survive the epochs, or it has none.
        _ if !salted => c.counts.returns + c.counts.resalted,
        _ => c.counts.returns,
    }
}

fn patterns(c: &Ensemble, members: &[Member], probabilities: &[f64]) -> Vec<Named<Pattern>> {
    let single = c.counts.single_destination();
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
