//! Claims that a verdict must not make: recordings that look like something else.
#![expect(clippy::cast_possible_truncation, reason = "small numbers, written here")]

use std::collections::HashMap;

use fastrand::Rng;

use super::{by_lane, event, hash, port, stream, verdict};
use crate::{
    analyse::pattern::{Algorithm, Clock, Judge, Observation, Pattern, Predictable, WHOLE},
    model::{Origin, RangeInForce},
};

/// 1 January 2023 and 1 January 2025, in nanoseconds since the Unix epoch.
const YEAR_2023: u64 = 1_672_531_200_000_000_000;
const YEAR_2025: u64 = 1_735_689_600_000_000_000;

/// Even ports two apart, to one destination: Linux counts like this for each destination, under
/// several rules.
#[test]
fn a_pattern_that_is_told_is_not_said_to_be_open() {
    let verdict = verdict((0..3000_u64).map(|i| event(i, 0, port(u32::try_from(2 * i).unwrap()))));
    assert_eq!(verdict.pattern, Pattern::PerDestination, "{verdict:#?}");
    assert!(!verdict.evidence.iter().any(|s| s.contains("look the same")), "{verdict:#?}");
}

/// Algorithm 3: each lane continues by one on its returns, yet the ports are not one sequence.
#[test]
fn switches_that_jump_refute_a_counter_for_everybody() {
    // Four destinations in bursts, so that most steps are +1: three switches jump.
    let events = (0..16_u64).map(|i| {
        let key = i / 4;
        event(i, key, port(hash(key) + u32::try_from(i).unwrap()))
    });
    let verdict = verdict(events);
    assert_eq!(verdict.pattern, Pattern::PerDestination, "{verdict:#?}");
    assert_eq!(verdict.algorithm, Algorithm::Undetermined, "no return: whose counter, who knows");
    assert_eq!(verdict.predictable, Predictable::Yes);
}

/// A port scanner uses one source port, whatever it scans.
#[test]
fn ports_that_a_program_names_are_fixed() {
    let one = verdict((0..21).map(|i| event(i, i, 55_443)));
    assert_eq!((one.pattern, one.algorithm), (Pattern::Fixed, Algorithm::Fixed), "{one:#?}");
    assert_eq!(one.predictable, Predictable::Yes);
    let sweeps = verdict((0..60).map(|i| event(i, i, [20_000, 1024, 60_001][i as usize / 20])));
    assert_eq!(sweeps.pattern, Pattern::Fixed, "{sweeps:#?}");
}

/// Windows tries a refused connect three times from one port.
#[test]
fn tries_from_the_same_port_are_one_assignment() {
    let events = (0..90_u64).map(|i| event(i, i / 3 % 4, port(u32::try_from(i / 3).unwrap())));
    let verdict = verdict(events);
    assert_eq!((verdict.pattern, verdict.algorithm), (Pattern::Sequential, Algorithm::SeqGlobal));
    assert_eq!(verdict.n, 30);
    assert!(verdict.evidence.iter().any(|s| s.starts_with("60 assignments are retries")));
}

/// One server's view of a host whose counter has other users.
#[test]
fn gaps_to_one_address_tell_no_owner_of_the_counter() {
    let mut rng = Rng::with_seed(4);
    let mut counter = 0;
    let events: Vec<Observation> = (0..39)
        .map(|i| {
            counter += rng.u32(410..480);
            // Another port of the same address each time.
            Observation { peer: 1, ..event(i, 1000 + i, port(counter)) }
        })
        .collect();
    let one = verdict(events.clone());
    assert_eq!(one.predictable, Predictable::Yes, "{one:#?}");
    assert_eq!((one.pattern, one.algorithm), (Pattern::Undetermined, Algorithm::Undetermined));
    assert!(one.evidence.iter().any(|s| s.starts_with("only one address was seen")), "{one:#?}");
    // With as many addresses, the counter is seen to serve all of them.
    let many = verdict(events.into_iter().map(|e| Observation { peer: e.key as u32, ..e }));
    assert_eq!(many.pattern, Pattern::Sequential, "{many:#?}");
}

/// … but two services of that address that take turns are decisive: their counters would not follow
/// each other.
#[test]
fn destinations_of_one_address_that_take_turns_share_a_counter() {
    let mut rng = Rng::with_seed(4);
    let mut counter = 0;
    let events: Vec<Observation> = (0..64)
        .map(|i| {
            counter += rng.u32(1..=40);
            Observation { peer: 1, ..event(i, rng.u64(0..2), port(counter)) }
        })
        .collect();
    let shared = verdict(events.clone());
    assert_eq!(shared.pattern, Pattern::Sequential, "{shared:#?}");
    // The ports don't show whether the counter has gaps or random increments.
    assert_eq!(shared.algorithm, Algorithm::Undetermined);
    assert!(
        !shared.evidence.iter().any(|s| s.contains("only one address was seen")),
        "{shared:#?}"
    );
    let apart = events.into_iter().map(|seen| {
        let offset = u32::from(seen.port) + hash(seen.key);
        Observation { port: port(offset), ..seen }
    });
    assert_ne!(verdict(apart).pattern, Pattern::Sequential);
}

/// Steps of a rule from 2024 count as that rule only if they were recorded since.
#[test]
fn a_rule_is_not_older_than_its_kernel() {
    let range = RangeInForce::of_netns(40_000, 41_999);
    let at = |start: u64| {
        let mut counters = HashMap::new();
        let mut rng = Rng::with_seed(3);
        let events: Vec<Observation> = (0..40)
            .map(|i| {
                let key = rng.u64(..3);
                let counter: &mut u16 = counters.entry(key).or_insert(300 * key as u16);
                *counter += rng.u16(1..=8);
                let clock = Clock::Time(start + i * 1_000_000);
                let range = Some(range);
                Observation { range, clock, ..event(i, key, 40_000 + *counter) }
            })
            .collect();
        verdict(events)
    };
    assert_eq!(at(YEAR_2025).algorithm, Algorithm::LinuxLpr);
    assert_ne!(at(YEAR_2023).algorithm, Algorithm::LinuxLpr);
    assert_ne!(at(YEAR_2023).algorithms[0].name, Algorithm::LinuxLpr);
}

/// Rows in the order in which connections ended.
#[test]
fn rows_out_of_order_cost_confidence() {
    let mut rng = Rng::with_seed(8);
    let mut rows: Vec<(u64, Observation)> = (0..200)
        .map(|i| {
            let clock = Clock::Time(YEAR_2025 + i * 100_000_000);
            let seen = Observation { clock, ..event(i, i % 7, port(u32::try_from(i).unwrap())) };
            (i + rng.u64(0..80), seen)
        })
        .collect();
    let in_order = verdict(rows.iter().map(|(_, seen)| *seen));
    assert_eq!(in_order.pattern, Pattern::Sequential);
    rows.sort_by_key(|(end, _)| *end);
    let by_end = verdict(rows.into_iter().map(|(_, seen)| seen));
    assert_eq!(by_end.pattern, Pattern::Undetermined, "{by_end:#?}");
    assert_eq!(by_end.predictable, Predictable::Unknown);
    assert!(by_end.evidence.iter().any(|s| s.contains("out of order")), "{by_end:#?}");
}

/// The confidence shown is the one that decided.
#[test]
fn nothing_is_withheld_at_high_confidence() {
    let few = verdict((0..4).map(|i| event(i, i, port(hash(i)))));
    assert_eq!(few.pattern, Pattern::Undetermined);
    assert!(few.pattern_confidence < 0.9 && few.algorithm_confidence < 0.9, "{few:#?}");
    assert!((few.pattern_confidence - few.patterns[0].probability).abs() < 1e-9);
}

/// Containers with ranges of their own that talk to the same servers.
#[test]
fn ranges_of_several_namespaces_are_told_apart() {
    let mut rng = Rng::with_seed(6);
    let ranges = [(20_000, 24_999), (30_000, 32_999), (32_768, 60_999)];
    let mut counters = HashMap::new();
    let events: Vec<Observation> = (0..300)
        .map(|i| {
            let (place, key) = (rng.usize(..3), rng.u64(..2));
            let range = RangeInForce::of_netns(ranges[place].0, ranges[place].1);
            let counter = counters.entry((place, key)).or_insert_with(|| rng.u32(..2000) * 2);
            *counter += 2 * rng.u32(1..=8);
            let offset = u16::try_from(*counter % (range.ports.len() & !1)).unwrap();
            Observation {
                netns: 1 + u32::try_from(place).unwrap(),
                range: Some(range),
                origin: Some(Origin::Connect),
                clock: Clock::Epoch(7),
                linux: true,
                ..event(i, key, range.ports.low + offset)
            }
        })
        .collect();
    let verdict = verdict(events);
    assert_eq!(verdict.algorithm, Algorithm::LinuxDhash64k, "{verdict:#?}");
}

/// Each origin is judged by itself; there is no overall verdict if one of them is not known.
#[test]
fn rules_that_nobody_knows_are_not_said_to_differ() {
    let mut judge = Judge::new(WHOLE);
    for i in 0..4 {
        let seen = event(i, i, port(hash(i)));
        judge.observe(&Observation { origin: Some(Origin::Connect), ..seen });
        judge.observe(&Observation { origin: Some(Origin::Bind), ..seen });
    }
    let whole = judge.verdict();
    assert_eq!((whole.pattern, whole.algorithm), (Pattern::Undetermined, Algorithm::Undetermined));
    assert!(whole.pattern_confidence < 0.9 && whole.algorithm_confidence < 0.9, "{whole:#?}");
}

#[test]
fn a_verdict_is_withheld_where_its_destinations_or_the_kernel_contradict_it() {
    let hint = verdict({
        let mut counter = 0;
        stream(128, 5, |key, _| {
            counter += 2;
            hash(key) + counter
        })
    });
    assert_eq!(hint.algorithm, Algorithm::LinuxHintEven);
    let lane = verdict(by_lane(64, 1, |rng| 2 * rng.u32(1..=8)));
    assert_eq!(lane.algorithm, Algorithm::LinuxDhash64k);

    // One destination sees a shared counter jump by what the others take.
    let mut whole = hint.clone();
    whole.check_destinations(&[&lane, &lane, &hint]);
    assert_eq!(whole, hint);

    let own = verdict(by_lane(128, 5, |rng| if rng.u32(0..16) == 0 { 4 } else { 2 }));
    assert_eq!(own.algorithm, Algorithm::LinuxDhash256);
    let mut whole = own.clone();
    whole.check_destinations(&[&own, &own]);
    assert_eq!(whole, own, "they agree");
    whole.check_destinations(&[&lane, &lane, &own]);
    assert_eq!(whole.algorithm, Algorithm::Undetermined);
    assert!(whole.algorithm_confidence < 0.9);
    assert!(whole.evidence[0].starts_with("withheld: 2 of the 3 busiest"), "{whole:#?}");
}

/// Connects to a destination that uses more than half of its range: the search ends in its second
/// pass, among the ports of the other parity.
#[test]
fn the_second_pass_is_no_second_rule() {
    let range = RangeInForce::of_netns(40_000, 40_499);
    let mut rng = Rng::with_seed(12);
    let mut taken: Vec<bool> = (0..500).map(|port| port % 2 == 0).collect();
    let mut word = 17;
    let events: Vec<Observation> = (0..64)
        .map(|i| {
            // All even ports are taken: the first pass finds none.
            let first = (word % 500) & !1;
            let tried = (0..250).find(|n| !taken[(first + 1 + 2 * n) % 500]).unwrap();
            let offset = (first + 1 + 2 * tried) % 500;
            taken[offset] = true;
            word += (2 * tried).max(2 * rng.usize(..8)) + 2;
            let port = range.ports.low + u16::try_from(offset).unwrap();
            Observation { range: Some(range), ..event(i, 1, port) }
        })
        .collect();
    let verdict = verdict(events);
    assert!(
        !matches!(verdict.pattern, Pattern::Mixed | Pattern::Random),
        "{:?} {:#?}",
        verdict.pattern,
        verdict.patterns
    );
}
/// One counter by two that skips an occupied port now and then looks like counters by two with one
/// step in 16 by four, if a search is likely to meet occupied ports.
#[test]
fn a_narrow_range_does_not_tell_how_many_counters_there_are() {
    let named = |ports: u16| {
        let range = RangeInForce::of_netns(40_000, 40_000 + ports - 1);
        let mut rng = Rng::with_seed(21);
        let events = (0..96).map(|i| {
            let key = rng.u64(0..4);
            // The shared counter has moved by two for each.
            let offset = (hash(key) + 2 * i) % u32::from(ports);
            let port = range.ports.low + (offset as u16 & !1);
            Observation { range: Some(range), ..event(i.into(), key, port) }
        });
        let verdict = verdict(events.collect::<Vec<_>>());
        (verdict.pattern, verdict.algorithm)
    };
    assert_eq!(named(20_000), (Pattern::PerDestination, Algorithm::LinuxHintEven));
    assert_eq!(named(600), (Pattern::PerDestination, Algorithm::Undetermined));
}

/// Namespaces with ranges of their own that talk to one server move one counter, whatever the rule.
#[test]
fn one_destination_from_several_ranges_tells_no_number_of_counters() {
    let ranges = [(20_000, 29_999), (40_000, 44_999)].map(|(l, h)| RangeInForce::of_netns(l, h));
    let named = |servers: u64| {
        let mut rng = Rng::with_seed(5);
        let events: Vec<Observation> = (0..24)
            .map(|i| {
                let (place, key) = (rng.usize(..2), rng.u64(..servers));
                let ports = ranges[place].ports;
                let offset = (hash(key) + 2 * i as u32) % ports.len();
                let (netns, range) = (1 + place as u32, Some(ranges[place]));
                Observation { netns, range, ..event(i, key, ports.low + (offset as u16 & !1)) }
            })
            .collect();
        let verdict = verdict(events);
        (verdict.pattern, verdict.algorithm)
    };
    assert_eq!(named(3), (Pattern::PerDestination, Algorithm::LinuxHintEven));
    assert_eq!(named(1).1, Algorithm::Undetermined);
}

/// No known system goes down by two.
#[test]
fn a_counter_that_falls_by_two_is_none_of_the_known_ones() {
    let falling = |by: u32| verdict((0..40).map(|i| event(i, i % 5, port(20_000 - by * i as u32))));
    assert_eq!(falling(1).algorithm, Algorithm::SeqGlobal);
    let by_two = falling(2);
    assert_eq!((by_two.pattern, by_two.algorithm), (Pattern::Sequential, Algorithm::Other));
}

/// Two machines behind one address, in turn.
#[test]
fn counters_that_take_turns_are_said_to() {
    let starts = [8_000, 20_000];
    let turns = verdict((0..60).map(|i| {
        let counter = starts[(i % 2) as usize] + i as u32 / 2;
        event(i, i % 5, port(counter))
    }));
    assert_eq!(turns.pattern, Pattern::Sequential, "{turns:#?}");
    assert!(turns.evidence[1].contains("follows one of several counters"), "{turns:#?}");
}

/// A few ports that are used again and again have no counter.
#[test]
fn few_ports_are_not_said_to_have_a_counter() {
    let mut rng = Rng::with_seed(11);
    let few = verdict((0..54).map(|i| event(i, i % 5, port(7_000 + rng.u32(..4)))));
    assert_eq!(few.patterns[0].name, Pattern::Fixed, "{few:#?}");
    assert!(!few.evidence[0].contains("follow a counter"), "{few:#?}");
}
