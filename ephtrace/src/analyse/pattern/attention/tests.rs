//! Choice of the models that rest: never the one that explains the ports.

use fastrand::Rng;

use super::*;
use crate::{
    analyse::pattern::observation::{Clock, Observation},
    model::RangeInForce,
};

const RANGE: RangeInForce = RangeInForce::of_netns(32768, 60999);
const MS: u64 = 1_000_000;

fn ensemble(events: u64, resting: Resting) -> Ensemble {
    let mut ensemble = Ensemble::new();
    ensemble.counts.events = events;
    ensemble.resting = resting;
    ensemble
}

#[test]
fn models_rest_between_probes_as_it_was_decided_behind_one() {
    let decided = Resting { host: true, random: true, ..Resting::default() };
    let rests = |events: u64| next(&ensemble(events, decided));
    for all_take_part in [0, FIRST - 1, FIRST, FIRST + PROBE - 1, 3 * CYCLE, 9 * CYCLE + 1] {
        assert_eq!(rests(all_take_part), Resting::default(), "event {all_take_part}");
    }
    for as_decided in [FIRST + PROBE + 1, FIRST + CYCLE - 1, 9 * CYCLE + PROBE + 1] {
        assert_eq!(rests(as_decided), decided, "event {as_decided}");
    }
    // After each probe the decision is made anew: these models have not scored any event yet.
    assert_ne!(rests(FIRST + PROBE), decided);
}

/// Returns the models that rest after the first probe of a stream in which `next` gives the offset
/// of each port.
fn resting(mut next_offset: impl FnMut(u64, u64, &mut Rng) -> u32) -> Resting {
    let (mut ensemble, mut rng) = (Ensemble::new(), Rng::with_seed(7));
    for nth in 0..=FIRST + PROBE {
        let key = rng.u64(0..5);
        let offset = next_offset(nth, key, &mut rng) % RANGE.ports.len();
        let event = Observation {
            port: RANGE.ports.low + u16::try_from(offset).unwrap(),
            key,
            peer: u32::try_from(key).unwrap(),
            netns: 0,
            range: Some(RANGE),
            origin: None,
            protocol: None,
            clock: Clock::Time(1 + nth * MS),
            linux: false,
            search: None,
        };
        let resting = next(&ensemble);
        ensemble.observe(&event, resting);
    }
    ensemble.resting
}

#[test]
fn what_explains_the_stream_does_not_rest() {
    let by_host = resting(|nth, _, _| u32::try_from(nth).unwrap());
    assert!(!by_host.host, "{by_host:?}");
    let mut counters = [0, 4_000, 9_000, 15_000, 22_000];
    let by_lane = resting(|_, key, _| {
        let counter = &mut counters[usize::try_from(key).unwrap()];
        *counter += 2;
        *counter
    });
    assert!(!by_lane.lanes, "{by_lane:?}");
    let random = resting(|_, _, rng| rng.u32(..));
    assert!(!random.random, "{random:?}");
}
