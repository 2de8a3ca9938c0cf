//! Two policies in one stream.

use fastrand::Rng;

use super::{event, named, port, stream};
use crate::analyse::pattern::{Algorithm, Pattern};

const MIXED: (Pattern, Algorithm) = (Pattern::Mixed, Algorithm::Mixed);

/// `NetBSD` counts downwards.
#[test]
fn a_counter_that_falls_is_told_from_random_ports_beside_it() {
    for n in [40, 64, 256] {
        let mut counter = 20_000;
        let events = stream(n, 4, |_, rng| {
            if rng.bool() {
                return rng.u32(0..28_000);
            }
            counter -= 1;
            counter
        });
        assert_eq!(named(events), MIXED, "{n}");
    }
}

/// A counter that others use, too, moves by gaps. In bursts to one destination, the steps of its
/// own counter are those of a shared one.
#[test]
fn a_counter_with_gaps_is_told_from_counters_of_destinations_after_it() {
    for n in [64, 128, 256] {
        let (mut rng, mut shared) = (Rng::with_seed(7), 5_000);
        let mut own = [1_000, 9_000, 14_000, 21_000, 25_000, 26_500];
        let each = (0..n).map(|nth| {
            let key = nth / 8 % 6;
            let counter = if 2 * nth < n { &mut shared } else { &mut own[key] };
            *counter += if 2 * nth < n { rng.u32(1..=100) } else { 1 };
            event(nth as u64, key as u64, port(*counter))
        });
        assert_eq!(named(each.collect()), MIXED, "{n}");
    }
}

#[test]
fn a_counter_that_falls_is_not_mixed_by_itself() {
    let mut counter = 20_000;
    let events = stream(256, 4, |_, _| {
        counter -= 1;
        counter
    });
    assert_eq!(named(events), (Pattern::Sequential, Algorithm::SeqGlobal));
}
