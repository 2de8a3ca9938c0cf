//! Interpretation of the kernel half's counters.

use ephtrace_common::Counter;

use crate::{kernel::tracer::Counts, model::losses::Losses};

/// Returns the kernel half's losses so far.
pub(crate) fn losses(counts: &Counts) -> Losses {
    let count = |counter: Counter| counts[counter as usize];
    Losses {
        ring_full: count(Counter::RingFull),
        in_flight_full: count(Counter::InFlightFull),
        return_missed: count(Counter::ReturnMissed),
        hook_missed: count(Counter::HookMissed),
        ..Losses::default()
    }
}

/// Returns the number of records written to the ring buffer so far.
pub(crate) fn emitted(counts: &Counts) -> u64 {
    counts[Counter::Emitted as usize]
}

/// Returns the number of searches whose end was never seen, once nothing is in flight any more.
pub(crate) fn never_ended(counts: &Counts) -> u64 {
    let count = |counter: Counter| counts[counter as usize];
    let ended = [
        Counter::Filtered,
        Counter::Emitted,
        Counter::Totalled,
        Counter::RingFull,
        Counter::InFlightFull,
        Counter::ReturnMissed,
    ];
    ended
        .into_iter()
        .fold(count(Counter::Seen), |left, counter| left.saturating_sub(count(counter)))
}
