//! Derivation of the verdict from the models.

use super::{
    ensemble::Ensemble,
    entropy, evidence,
    names::{Algorithm, Pattern, Predictable},
    posterior::{self, Member},
    verdict::{FEWEST_PAIRS, Verdict, hedged, ranked},
};
use crate::analyse::number::as_f64;

/// Share of events out of order that costs no confidence.
const ORDERLY: f64 = 0.02;
/// Cost of each further share of events out of order.
const DISORDER: f64 = 3.0;

/// Remaining certainty if a counter is known to be behind ports that look random.
const HIDDEN: f64 = 0.7;

/// Share of skips from which on they hide the law.
const MANY_SKIPS: f64 = 0.2;
/// Number of ports in a range below which a search often skips occupied ones.
const NARROW: f64 = 1024.0;

/// Returns the verdict on the events so far; `known` is the rule by which the kernel assigns the
/// ports, if it is known beforehand.
pub(super) fn verdict(c: &Ensemble, known: Option<Algorithm>) -> Verdict {
    let mut members = posterior::members(c);
    if let Some(known) = known {
        posterior::inform(c, &mut members, known);
    }
    let probabilities = posterior::probabilities(&members, as_f64(c.counts.events));
    let sum = |test: &dyn Fn(&Member) -> bool| -> f64 {
        members.iter().zip(&probabilities).filter(|(m, _)| test(m)).map(|(_, p)| p).sum()
    };
    let patterns = ranked(&Pattern::ALL, |pattern| sum(&|m| m.pattern == pattern));
    let algorithms = ranked(&Algorithm::ALL, |algorithm| sum(&|m| m.algorithm == algorithm));
    let pairs = informative_pairs(c, patterns[0].name, algorithms[0].name);
    let is_hidden = posterior::is_hidden(c, &members);
    let sure = certainty(c, pairs) * if is_hidden { HIDDEN } else { 1.0 };
    // A known law need not be read from the ports.
    let is_known = known == Some(algorithms[0].name);
    let legible = if is_known { 1.0 } else { legibility(c, algorithms[0].name) };
    let mut verdict = Verdict {
        predictable: Predictable::Unknown,
        predictable_confidence: 0.0,
        pattern: patterns[0].name,
        pattern_confidence: 0.0,
        algorithm: algorithms[0].name,
        algorithm_confidence: 0.0,
        n: c.counts.events,
        informative_pairs: pairs,
        evidence: Vec::new(),
        patterns: hedged(patterns, sure),
        algorithms: hedged(algorithms, sure * legible),
        confirmed_by_kernel: None,
        next_port_bits: None,
    };
    verdict.decide();
    verdict.confirmed_by_kernel = confirmed(c, &verdict);
    verdict.next_port_bits = entropy::next_port(c, &verdict);
    verdict.evidence = evidence::sentences(c, &verdict);
    if is_hidden {
        verdict.evidence.push(evidence::HIDDEN.into());
    }
    verdict
}

/// Returns the part of the models' own certainty that stands: they know nothing of unseen events.
fn certainty(c: &Ensemble, pairs: u64) -> f64 {
    let enough = (as_f64(pairs + 1) / as_f64(FEWEST_PAIRS + 1)).min(1.0);
    let disorder = as_f64(c.counts.backwards) / as_f64(c.counts.events.max(1));
    let orderly = 1.0 - DISORDER * (disorder - ORDERLY).max(0.0);
    enough * orderly.max(0.0)
}

/// Returns how clearly the law itself shows: one counter by two that has to skip many occupied
/// ports also makes steps of +2 and now and then +4.
fn legibility(c: &Ensemble, algorithm: Algorithm) -> f64 {
    let skips = match algorithm {
        Algorithm::LinuxDhash256 => c.lanes.noisy_two.skips(),
        Algorithm::LinuxHintEven => {
            let own = c.namespaces.as_ref().map(|own| own.hashes[1].skips());
            own.unwrap_or(1.0).min(c.hashes[1].skips())
        }
        // Ports that others took from the same counter look like skips, too, and hide no random
        // step.
        _ => return 1.0,
    };
    // Without returns after other destinations, one counter and several look alike.
    let is_hidden = skips > MANY_SKIPS || c.counts.mean_size() < NARROW || c.counts.crossings == 0;
    if is_hidden { 0.85 } else { 1.0 }
}

fn confirmed(c: &Ensemble, verdict: &Verdict) -> Option<bool> {
    let truth = c.kernel.algorithm()?;
    (verdict.algorithm != Algorithm::Undetermined).then_some(verdict.algorithm == truth)
}

fn informative_pairs(c: &Ensemble, pattern: Pattern, algorithm: Algorithm) -> u64 {
    let salted =
        matches!(algorithm, Algorithm::LinuxDhash64k | Algorithm::LinuxLpr | Algorithm::Mixed);
    match pattern {
        Pattern::Sequential | Pattern::Fixed => c.counts.pairs,
        // The counters survive the epochs, or there are none.
        _ if !salted => c.counts.returns + c.counts.resalted,
        _ => c.counts.returns,
    }
}

#[cfg(test)]
mod tests;
