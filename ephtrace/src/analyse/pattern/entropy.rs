//! Entropy of the next port of a destination.

use super::{ensemble::Ensemble, names::Algorithm, verdict::Verdict};
use crate::analyse::number::as_f64;

/// Entropy in bits of the next port of a destination whose last port (and, for a shared counter,
/// whose counter) is known; `None` if no algorithm is certain enough.
pub(super) fn next_port(c: &Ensemble, verdict: &Verdict) -> Option<f64> {
    let n = as_f64(c.counts.events);
    let size = c.counts.sizes / n.max(1.0);
    let bits = match verdict.algorithm {
        Algorithm::SeqGlobal
        | Algorithm::Alg3Hash
        | Algorithm::LinuxHintEven
        | Algorithm::Alg4Dhash
        | Algorithm::Fixed => 0.0,
        Algorithm::Alg5RandInc => c.host.random_up.n().log2(),
        Algorithm::RandomUniform => seen(c, c.random.uniform(n), size.log2()),
        Algorithm::RandomOdd => seen(c, c.random.odd(n), size.log2() - 1.0),
        // 15/16 of one step, 1/16 of another.
        Algorithm::LinuxDhash256 => 0.337,
        Algorithm::LinuxDhash64k | Algorithm::LinuxLpr => 3.0,
        Algorithm::Mixed | Algorithm::Other | Algorithm::Undetermined => return None,
    };
    Some(bits)
}

/// Mean surprise of the ports seen: with `SO_REUSEADDR` only half of the range is in use, and the
/// range itself may be a guess.
fn seen(c: &Ensemble, log: f64, most: f64) -> f64 {
    let surprise = -log / (as_f64(c.counts.events.max(1)) * std::f64::consts::LN_2);
    surprise.clamp(0.0, most)
}
