//! Streams, hosts and ranges side by side.

use std::collections::HashMap;

use fastrand::Rng;

use super::{RANGE, by_lane, event, hash, named, port, stream, verdict};
use crate::{
    analyse::pattern::{Algorithm, Judge, Observation, Pattern, Stream, WHOLE},
    model::{Origin, RangeInForce},
};

/// Origins of a stream that is partly by sockets with a range of their own, Linux 6.8 or later.
#[test]
fn socket_ranges_are_judged_apart() {
    let own = RangeInForce::of_socket(40_000, 41_999);
    let (mut judge, mut rng) = (Judge::new(WHOLE), Rng::with_seed(3));
    let mut counters = [[hash(1), hash(2)], [100, 900]];
    for i in 0..1000 {
        let (by_socket, key) = (rng.u8(..10) < 3, rng.usize(..2));
        let counter = &mut counters[usize::from(by_socket)][key];
        *counter += if by_socket { 1 } else { 2 } * rng.u32(1..=8);
        let range = if by_socket { own } else { RANGE };
        let port = range.ports.low + u16::try_from(*counter % range.ports.len()).unwrap();
        let key = 2 * u64::from(by_socket) + key as u64;
        let origin = Some(Origin::Connect);
        judge.observe(&Observation { range: Some(range), origin, ..event(i, key, port) });
    }
    let said: Vec<_> =
        judge.by_origin().iter().map(|one| (one.stream, one.verdict.algorithm)).collect();
    let expected = [
        (Stream::Connect, Algorithm::LinuxDhash64k),
        (Stream::ConnectSocketRange, Algorithm::LinuxLpr),
    ];
    assert_eq!(said, expected);
    let whole = judge.verdict();
    assert_eq!((whole.pattern, whole.algorithm), (Pattern::PerDestination, Algorithm::Mixed));
}

#[test]
fn streams_weigh_by_what_was_seen_not_by_what_was_judged() {
    let mut judge = Judge::new(1 << 10);
    for connect in by_lane(40_000, 3, |rng| 2 * rng.u32(1..=8)) {
        judge.observe(&Observation { origin: Some(Origin::Connect), ..connect });
    }
    for bind in stream(1024, 1, |_, rng| rng.u32(..1 << 20) | 1) {
        judge.observe(&Observation { origin: Some(Origin::Bind), ..bind });
    }
    let counts: Vec<_> = judge.by_origin().iter().map(|one| one.assignments).collect();
    assert_eq!(counts, [40_000, 1024]);
    assert_eq!(judge.verdict().pattern, Pattern::PerDestination);
}

/// Recordings from elsewhere have no namespaces: each source address is a host then.
#[test]
fn hosts_of_one_recording_have_a_counter_each() {
    for hosts in [2, 7, 50] {
        let mut counters = vec![0; hosts];
        let mut rng = Rng::with_seed(5);
        let events = (0..1000).map(|i| {
            let host = rng.usize(..hosts);
            counters[host] += 1;
            let key = (host * 8 + rng.usize(..6)) as u64;
            let netns = 1 + u32::try_from(host).unwrap();
            let offset = counters[host] + hash(netns.into());
            Observation { netns, ..event(i, key, port(offset)) }
        });
        assert_eq!(
            named(events.collect()),
            (Pattern::Sequential, Algorithm::SeqGlobal),
            "{hosts} hosts"
        );
    }
}

#[test]
fn ping_sockets_of_linux_take_the_next_port() {
    let events = (0..64).map(|i| Observation {
        origin: Some(Origin::Ping),
        linux: true,
        ..event(i, i % 5, 7000 + u16::try_from(i).unwrap())
    });
    assert_eq!(named(events.collect()), (Pattern::Sequential, Algorithm::SeqGlobal));
}

/// In a range of 20 ports every first visit is near the previous port.
#[test]
fn a_range_that_is_hardly_wider_than_near_says_nothing_about_first_visits() {
    let range = RangeInForce::of_socket(40_000, 40_019);
    let mut counters = HashMap::new();
    let mut rng = Rng::with_seed(9);
    let events = (0..600).map(|i| {
        let key = rng.u64(..100);
        let counter = counters.entry(key).or_insert_with(|| rng.u32(..20));
        *counter += rng.u32(1..=8);
        let port = range.ports.low + u16::try_from(*counter % 20).unwrap();
        let origin = Some(Origin::Connect);
        Observation { range: Some(range), origin, linux: true, ..event(i, key, port) }
    });
    assert_eq!(verdict(events.collect::<Vec<_>>()).pattern, Pattern::PerDestination);
}
