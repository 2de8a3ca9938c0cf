//! Two policies in one stream.

use super::{named, stream};
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

#[test]
fn a_counter_that_falls_is_not_mixed_by_itself() {
    let mut counter = 20_000;
    let events = stream(256, 4, |_, _| {
        counter -= 1;
        counter
    });
    assert_eq!(named(events), (Pattern::Sequential, Algorithm::SeqGlobal));
}
