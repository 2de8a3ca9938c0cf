//! Which models still have a chance: in a long stream the hopeless ones rest most of the time.
//!
//! A model that is half a nat per event behind after thousands of events can't win any more unless
//! the policy changes, and a change shows in the probes: at the beginning of each cycle all models
//! take part. What a resting model misses is counted at its own mean.

use super::{
    classifier::Classifier,
    facts::real,
    names::{Algorithm, Pattern},
    posterior::{self, Member},
};

/// All models take part in this many events first.
const FIRST: u64 = 2048;
/// Length of a cycle.
const CYCLE: u64 = 1024;
/// Events at its beginning in which all models take part.
const PROBE: u64 = 128;
/// A model further behind the best than this, per event, rests.
const HOPELESS: f64 = 0.5;

/// Which groups of models rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each group rests by itself")]
pub(super) struct Attention {
    pub(super) host_rests: bool,
    pub(super) lanes_rest: bool,
    pub(super) hashes_rest: bool,
    pub(super) random_rests: bool,
    pub(super) mixtures_rest: bool,
}

impl Attention {
    /// What rests during the next event.
    pub(super) fn next(c: &Classifier) -> Self {
        let events = c.facts.events;
        if events < FIRST || events % CYCLE < PROBE {
            Self::default()
        } else if events % CYCLE == PROBE {
            Self::decide(c)
        } else {
            c.attention
        }
    }

    fn decide(c: &Classifier) -> Self {
        let n = real(c.facts.events);
        let members = posterior::members(c);
        let best = members.iter().map(|m| m.log).fold(f64::NEG_INFINITY, f64::max);
        let hopeless = |group: fn(&Member) -> bool| {
            members.iter().filter(|m| group(m)).all(|m| m.log < best - HOPELESS * n)
        };
        let mixtures_rest = hopeless(|m| m.algorithm == Algorithm::Mixed);
        Self {
            // The parts of a mixture work while it does.
            mixtures_rest,
            host_rests: mixtures_rest && hopeless(|m| m.pattern == Pattern::Sequential),
            hashes_rest: mixtures_rest && hopeless(is_simple_hash),
            lanes_rest: mixtures_rest
                && hopeless(|m| m.pattern == Pattern::PerDestination && !is_simple_hash(m)),
            random_rests: mixtures_rest && hopeless(|m| m.pattern == Pattern::Random),
        }
    }
}

fn is_simple_hash(member: &Member) -> bool {
    matches!(member.algorithm, Algorithm::Alg3Hash | Algorithm::LinuxHintEven)
}
