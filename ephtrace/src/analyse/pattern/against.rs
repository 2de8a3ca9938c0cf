//! Evidence against whose counter it is, in full: there are few such events, however many others
//! there are, and the tempered evidence of all events would drown them.

use super::{
    counts::{Counts, Telling},
    names::Algorithm,
};
use crate::analyse::number::as_f64;

/// Share of switches that follow the last port under one counter for everybody.
const FOLLOWING: f64 = 0.85;
/// Share of returns that follow another counter than their own: destinations may share a word of a
/// small table.
const COINCIDENCE: f64 = 0.05;

/// Factor for first visits that follow the last port of another destination: under a hash, each is
/// a coincidence. Each destination has only one, so that they count in full, besides the tempered
/// evidence.
pub(super) fn lanes(counts: &Counts) -> f64 {
    let (near, all) = (as_f64(counts.near_entries), as_f64(counts.entries));
    let odds = |share: f64| near * share.ln() + (all - near) * (1.0 - share).ln();
    // If the range is hardly wider than a near step, this says nothing.
    let chance = counts.chance_of_pair().clamp(1e-6, FOLLOWING);
    (odds(chance) - odds(FOLLOWING)).min(0.0).exp()
}

/// Factor for switches to another destination that jump: under one counter for everybody, each is a
/// disturbance. They are evidence however many other events there are, so that they count in full,
/// too.
pub(super) fn one(counts: &Counts) -> f64 {
    let (near, all) = (as_f64(counts.near_switches), as_f64(counts.switches));
    let odds = |share: f64| near * share.ln() + (all - near) * (1.0 - share).ln();
    let chance = (3.0 * counts.chance_of_pair()).clamp(1e-6, FOLLOWING);
    (odds(FOLLOWING) - odds(chance)).min(0.0).exp()
}

/// Factor for returns that contradict whose counter it is: with a counter of its own, a destination
/// meets the shared one by a coincidence, and the reverse. Such returns are few, too. Random
/// increments tell by themselves.
pub(super) fn counter(counts: &Counts, algorithm: Algorithm) -> f64 {
    use Algorithm as A;
    let (index, is_shared) = match algorithm {
        A::Alg3Hash => (0, true),
        A::LinuxHintEven => (1, true),
        A::Alg4Dhash => (0, false),
        A::LinuxDhash256 => (1, false),
        _ => return 1.0,
    };
    let Telling { shared, own } = counts.telling[index];
    let (with, against) = if is_shared { (shared, own) } else { (own, shared) };
    let (with, against) = (as_f64(with), as_f64(against));
    let odds = |share: f64| with * share.ln() + against * (1.0 - share).ln();
    (odds(FOLLOWING) - odds(COINCIDENCE)).min(0.0).exp()
}
