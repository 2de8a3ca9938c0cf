//! Selection of the models that still have a chance: in a long stream the hopeless ones rest most
//! of the time.
//!
//! A model that is half a nat per event behind after thousands of events can't win any more unless
//! the policy changes. A change shows in the probes: at the beginning of each cycle all models take
//! part. Events that a resting model misses count at its own mean.

use super::{
    ensemble::{Ensemble, Resting},
    names::{Algorithm, Pattern},
    posterior::{self, Member},
};
use crate::analyse::number::as_f64;

/// Number of initial events in which all models take part.
const FIRST: u64 = 2048;
/// Length of a cycle.
const CYCLE: u64 = 1024;
/// Number of events at the beginning of a cycle in which all models take part.
const PROBE: u64 = 128;
/// Deficit to the best model, per event, above which a model rests.
const HOPELESS: f64 = 0.5;

/// Returns the models that rest during the next event.
pub(super) fn next(c: &Ensemble) -> Resting {
    let events = c.counts.events;
    if events < FIRST || events % CYCLE < PROBE {
        Resting::default()
    } else if events % CYCLE == PROBE {
        decide(c)
    } else {
        c.resting
    }
}

fn decide(c: &Ensemble) -> Resting {
    let n = as_f64(c.counts.events);
    let members = posterior::members(c);
    let best = members.iter().map(|m| m.log).fold(f64::NEG_INFINITY, f64::max);
    let hopeless = |group: fn(&Member) -> bool| {
        members.iter().filter(|m| group(m)).all(|m| m.log < best - HOPELESS * n)
    };
    let mixtures = hopeless(|m| m.algorithm == Algorithm::Mixed);
    Resting {
        // The parts of a mixture work while the mixture does.
        mixtures,
        host: mixtures && hopeless(|m| m.pattern == Pattern::Sequential),
        hashes: mixtures && hopeless(is_simple_hash),
        lanes: mixtures && hopeless(|m| m.pattern == Pattern::PerDestination && !is_simple_hash(m)),
        random: mixtures && hopeless(|m| m.pattern == Pattern::Random),
    }
}

fn is_simple_hash(member: &Member) -> bool {
    matches!(member.algorithm, Algorithm::Alg3Hash | Algorithm::LinuxHintEven)
}

#[cfg(test)]
mod tests;
