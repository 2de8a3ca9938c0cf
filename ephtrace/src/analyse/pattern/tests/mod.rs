//! Whole verdicts on small, literal streams. `benches/patterns` measures the accuracy under
//! disturbances.

mod honesty;
mod mixtures;
mod streams;

use std::collections::HashMap;

use fastrand::Rng;
use proptest::prelude::*;

use super::{
    Algorithm, Clock, History, Judge, MAX_DESTINATIONS, MAX_HISTORY, Observation, Pattern,
    Predictable, Search, Verdict, WHOLE,
};
use crate::model::{Origin, Protocol, RangeInForce};

const RANGE: RangeInForce = RangeInForce::of_netns(32768, 60999);
const MS: u64 = 1_000_000;

fn event(n: u64, key: u64, port: u16) -> Observation {
    Observation {
        port,
        key,
        peer: u32::try_from(key % 1_000_003).unwrap(),
        netns: 0,
        range: Some(RANGE),
        origin: None,
        protocol: None,
        clock: Clock::Time(1 + n * MS),
        linux: false,
        search: None,
    }
}

fn port(offset: u32) -> u16 {
    RANGE.ports.low + u16::try_from(offset % RANGE.ports.len()).unwrap()
}

fn verdict(events: impl IntoIterator<Item = Observation>) -> Verdict {
    let mut judge = Judge::new(WHOLE);
    events.into_iter().for_each(|event| judge.observe(&event));
    judge.verdict()
}

/// Makes `n` assignments to `destinations` in random turn; `next` gets the key and gives the
/// offset.
fn stream(
    n: u64,
    destinations: u64,
    mut next: impl FnMut(u64, &mut Rng) -> u32,
) -> Vec<Observation> {
    let mut rng = Rng::with_seed(7);
    (0..n)
        .map(|i| {
            let key = rng.u64(0..destinations);
            let offset = next(key, &mut rng);
            event(i, key, port(offset))
        })
        .collect()
}

fn hash(key: u64) -> u32 {
    Rng::with_seed(key + 1000).u32(..1 << 28) & !1
}

/// Makes assignments with a counter for each destination that grows by `growth`.
fn by_lane(n: u64, destinations: u64, growth: impl Fn(&mut Rng) -> u32) -> Vec<Observation> {
    let mut counters = HashMap::new();
    stream(n, destinations, |key, rng| {
        let counter = counters.entry(key).or_insert_with(|| hash(key));
        *counter += growth(rng);
        *counter
    })
}

fn named(events: Vec<Observation>) -> (Pattern, Algorithm) {
    let verdict = verdict(events);
    (verdict.pattern, verdict.algorithm)
}

#[test]
fn every_policy_is_named() {
    use Algorithm as A;
    use Pattern as P;
    let mut last = 0;
    let seq = stream(64, 5, |_, _| {
        last += 1;
        last
    });
    assert_eq!(named(seq), (P::Sequential, A::SeqGlobal));
    let down = stream(64, 5, |_, _| {
        last -= 1;
        last
    });
    assert_eq!(named(down), (P::Sequential, A::SeqGlobal));
    // No system is known to do so, and a counter of which a part is unseen looks alike: it is the
    // best guess, and no more.
    let alg5 = verdict(stream(64, 5, |_, rng| {
        last += rng.u32(1..=500);
        last
    }));
    assert_eq!((alg5.pattern, alg5.algorithm), (P::Sequential, A::Undetermined));
    assert_eq!(alg5.algorithms[0].name, A::Alg5RandInc);
    let uniform = stream(64, 5, |_, rng| rng.u32(..));
    assert_eq!(named(uniform), (P::Random, A::RandomUniform));
    let odd = stream(64, 5, |_, rng| rng.u32(..1 << 20) | 1);
    assert_eq!(named(odd), (P::Random, A::RandomOdd));
    let alg3 = stream(64, 5, |key, _| {
        last += 1;
        hash(key) + last
    });
    assert_eq!(named(alg3), (P::PerDestination, A::Alg3Hash));
    let mut hint = 0;
    let even = stream(64, 5, |key, _| {
        hint += 2;
        hash(key) + hint
    });
    assert_eq!(named(even), (P::PerDestination, A::LinuxHintEven));
    let alg4 = by_lane(64, 5, |_| 1);
    assert_eq!(named(alg4), (P::PerDestination, A::Alg4Dhash));
    let dhash256 = by_lane(128, 5, |rng| if rng.u8(..16) == 0 { 4 } else { 2 });
    assert_eq!(named(dhash256), (P::PerDestination, A::LinuxDhash256));
    let dhash64k = by_lane(64, 5, |rng| 2 * rng.u32(1..=8));
    assert_eq!(named(dhash64k), (P::PerDestination, A::LinuxDhash64k));
    let lpr = by_lane(64, 5, |rng| rng.u32(1..=8));
    assert_eq!(named(lpr), (P::PerDestination, A::LinuxLpr));
}

#[test]
fn connect_and_bind_side_by_side_are_mixed_until_the_origin_is_known() {
    let mut counters = HashMap::new();
    let mut both = stream(128, 4, |key, rng| {
        if rng.bool() {
            return rng.u32(..1 << 20) | 1;
        }
        let counter = counters.entry(key).or_insert_with(|| hash(key));
        *counter += 2 * rng.u32(1..=8);
        *counter
    });
    assert_eq!(named(both.clone()), (Pattern::Mixed, Algorithm::Mixed));
    for event in &mut both {
        let odd = event.port % 2 == 1;
        event.origin = Some(if odd { Origin::Bind } else { Origin::Connect });
    }
    let mut judge = Judge::new(WHOLE);
    for event in &both {
        judge.observe(event);
    }
    let by_origin: Vec<_> = judge.by_origin().iter().map(|one| one.verdict.algorithm).collect();
    assert_eq!(by_origin, [Algorithm::LinuxDhash64k, Algorithm::RandomOdd]);
    assert_eq!(judge.verdict().pattern, Pattern::Mixed);
}

#[test]
fn sctp_is_judged_by_itself_and_expected_to_be_uniform() {
    let mut judge = Judge::new(WHOLE);
    let connects = by_lane(200, 3, |rng| 2 * rng.u32(1..=8));
    let others = stream(400, 1, |_, rng| rng.u32(..RANGE.ports.len()));
    for (connect, sctp) in connects.iter().zip(others.chunks(2)) {
        judge.observe(&Observation { origin: Some(Origin::Connect), ..*connect });
        judge.observe(&Observation { origin: Some(Origin::Sctp), ..sctp[0] });
        // Captures show the protocol only.
        judge.observe(&Observation { protocol: Some(Protocol::Sctp), ..sctp[1] });
    }
    let verdicts = judge.by_origin();
    let told: Vec<_> = verdicts.iter().map(|one| (one.stream.as_str(), one.assignments)).collect();
    assert_eq!(told, [("connect", 200), ("sctp", 400)]);
    assert_eq!(verdicts[1].verdict.algorithm, Algorithm::RandomUniform);
}

#[test]
fn named_ports_are_left_out() {
    let mut judge = Judge::new(WHOLE);
    let explicit = Observation { origin: Some(Origin::Explicit), ..event(0, 1, 8080) };
    judge.observe(&explicit);
    assert_eq!((judge.explicit(), judge.verdict().n), (1, 0));
}

#[test]
fn one_destination_does_not_tell_whose_counter_it_is() {
    let verdict = verdict((0..64).map(|i| event(i, 1, 40000 + u16::try_from(i).unwrap())));
    assert_eq!(verdict.predictable, Predictable::Yes);
    assert_eq!(verdict.pattern, Pattern::Undetermined);
    assert_eq!(verdict.algorithm, Algorithm::Undetermined);
    assert!(verdict.evidence.iter().any(|s| s.contains("only one destination")), "{verdict:#?}");
}

#[test]
fn two_destinations_tell_whose_counter_it_is() {
    let events = (0..32).map(|i| {
        let half = u16::try_from(i / 2).unwrap();
        event(i, i % 2, if i % 2 == 0 { 40000 } else { 50000 } + half)
    });
    let verdict = verdict(events);
    assert_eq!(verdict.pattern, Pattern::PerDestination);
}

#[test]
fn connects_without_a_return_are_never_random() {
    let mut rng = Rng::with_seed(3);
    let events = (0..200).map(|i| Observation {
        origin: Some(Origin::Connect),
        linux: true,
        ..event(i, i, RANGE.ports.low + 2 * rng.u16(..14000))
    });
    let verdict = verdict(events);
    assert_eq!(verdict.pattern, Pattern::Undetermined);
    assert_ne!(verdict.patterns[0].name, Pattern::Random);
    assert!(verdict.evidence.iter().any(|s| s.contains("too few")), "{verdict:#?}");
}

#[test]
fn two_assignments_are_too_few() {
    let verdict = verdict([event(0, 1, 40000), event(1, 1, 40002)]);
    assert_eq!(
        (verdict.pattern, verdict.algorithm),
        (Pattern::Undetermined, Algorithm::Undetermined)
    );
    assert!(verdict.evidence.iter().any(|s| s.contains("too few")), "{verdict:#?}");
}

#[test]
fn nothing_is_undetermined() {
    let verdict = Judge::new(WHOLE).verdict();
    assert_eq!((verdict.pattern, verdict.n), (Pattern::Undetermined, 0));
    assert_eq!(verdict.patterns.len(), Pattern::ALL.len());
}

#[test]
fn a_new_secret_every_ten_seconds_is_recognised() {
    let mut rng = Rng::with_seed(5);
    let mut counters = HashMap::new();
    let events = (0..400_u64).map(|i| {
        let (key, time) = (rng.u64(0..4), i * 250 * MS);
        let epoch = (time + 3_700 * MS) / (10_000 * MS);
        let counter = counters.entry((key, epoch)).or_insert_with(|| hash(key * 1000 + epoch));
        *counter += 2 * rng.u32(1..=8);
        Observation { clock: Clock::Time(1 + time), ..event(i, key, port(*counter)) }
    });
    let verdict = verdict(events.collect::<Vec<_>>());
    assert_eq!(verdict.algorithm, Algorithm::LinuxDhash64k);
    assert!(
        verdict.evidence.iter().any(|s| s.contains("change of the hash secret")),
        "{verdict:#?}"
    );
}

fn with_words(events: Vec<Observation>, step: u32) -> Vec<Observation> {
    let search =
        |port| Search { word_step: Some(step), first_candidate: Some(port), tried: Some(1) };
    events.into_iter().map(|e| Observation { search: Some(search(e.port)), ..e }).collect()
}

#[test]
fn the_kernel_confirms_or_disagrees() {
    let events = by_lane(64, 5, |rng| 2 * rng.u32(1..=8));
    let verdict_on = |step| verdict(with_words(events.clone(), step));
    let agreed = verdict_on(14);
    assert_eq!(agreed.confirmed_by_kernel, Some(true), "{agreed:#?}");
    let disagreed = verdict_on(5);
    assert_eq!(disagreed.confirmed_by_kernel, Some(false));
    assert!(disagreed.evidence.iter().any(|s| s.contains("disagrees")), "{disagreed:#?}");
    assert_eq!(verdict(events).confirmed_by_kernel, None);
}

#[test]
fn destinations_are_bounded_and_what_is_forgotten_is_counted() {
    let most = u64::try_from(MAX_DESTINATIONS).unwrap();
    let mut judge = Judge::new(2 * most);
    for i in 0..most + 10 {
        judge.observe(&event(i, i, port(hash(i))));
    }
    let verdict = judge.verdict();
    let said = "state for 10 destinations was evicted";
    assert!(verdict.evidence.iter().any(|s| s.starts_with(said)), "{verdict:#?}");
}

#[test]
fn a_history_keeps_the_end() {
    let mut history = History::new();
    let events = by_lane(500, 1, |rng| 2 * rng.u32(1..=8));
    for event in &events {
        history.observe(event);
    }
    let kept: Vec<u16> = history.kept().map(|event| event.port).collect();
    let end: Vec<u16> = events[500 - MAX_HISTORY..].iter().map(|event| event.port).collect();
    assert_eq!((kept, history.total()), (end, 500));
    assert_eq!(named(history.kept().collect()).1, Algorithm::LinuxDhash64k);
}

#[test]
fn a_long_stream_notices_a_change_of_policy() {
    let mut events = by_lane(4_000, 5, |rng| 2 * rng.u32(1..=8));
    assert_eq!(named(events.clone()).1, Algorithm::LinuxDhash64k);
    events.extend(stream(40_000, 5, |_, rng| rng.u32(..)));
    assert_eq!(named(events).0, Pattern::Mixed);
}

#[test]
fn bits_say_how_much_there_is_to_guess() {
    let bits = |events| verdict(events).next_port_bits.unwrap();
    assert!((bits(by_lane(64, 5, |rng| 2 * rng.u32(1..=8))) - 3.0).abs() < 1e-9);
    assert!(bits(by_lane(64, 5, |_| 1)).abs() < 1e-9);
    assert!((bits(stream(256, 5, |_, rng| rng.u32(..))) - 14.8).abs() < 0.2);
}

#[test]
fn as_data_it_has_the_names_of_the_contract() {
    let data = serde_json::to_value(verdict(by_lane(64, 5, |rng| 2 * rng.u32(1..=8)))).unwrap();
    assert_eq!(data["pattern"], "per_destination");
    assert_eq!(data["algorithms"][0]["name"], "linux_dhash64k");
    assert!(data["confirmed_by_kernel"].is_null());
}

fn sums_to_one<T>(list: &[super::Named<T>]) -> bool {
    let sum: f64 = list.iter().map(|n| n.probability).sum();
    let sorted = list.windows(2).all(|pair| pair[0].probability >= pair[1].probability);
    (sum - 1.0).abs() < 1e-9 && sorted
}

proptest! {
    #[test]
    fn lists_are_complete_and_sum_to_one(
        ports in prop::collection::vec((0_u64..4, 1_u16.., 0_u32..3, any::<bool>()), 0..80)
    ) {
        let verdict = verdict(ports.into_iter().enumerate().map(|(i, (key, port, netns, known))| {
            let range = known.then_some(RANGE);
            Observation { netns, range, ..event(u64::try_from(i).unwrap(), key, port) }
        }));
        prop_assert!(sums_to_one(&verdict.patterns) && verdict.patterns.len() == 5);
        prop_assert!(sums_to_one(&verdict.algorithms) && verdict.algorithms.len() == 13);
        prop_assert!((0.0..=1.0).contains(&verdict.pattern_confidence));
    }

    #[test]
    fn the_order_in_which_namespaces_take_turns_does_not_matter(
        turns in prop::collection::vec(0_u32..3, 60..120),
    ) {
        let mut counters = [100, 9_000, 20_000];
        let verdict = verdict(turns.into_iter().enumerate().map(|(i, netns)| {
            let counter = &mut counters[usize::try_from(netns).unwrap()];
            *counter += 1;
            let i = u64::try_from(i).unwrap();
            Observation { netns, ..event(i, u64::from(netns) * 10 + i % 3, port(*counter)) }
        }));
        prop_assert_eq!(verdict.pattern, Pattern::Sequential, "{:#?}", verdict);
    }

    #[test]
    fn where_the_ports_lie_does_not_matter(start in 0_u32..28_000) {
        let lanes = by_lane(48, 4, |rng| 2 * rng.u32(1..=8));
        let moved = lanes.into_iter().map(|e| {
            let offset = u32::from(e.port - RANGE.ports.low) + (start & !1);
            Observation { port: port(offset), ..e }
        });
        prop_assert_eq!(verdict(moved).algorithm, Algorithm::LinuxDhash64k);
    }
}

/// A new hash secret can begin anywhere, thus also just behind the old counter: seen on Linux 6.12
/// in a socket's range of 2000 ports.
#[test]
fn a_new_secret_just_behind_the_old_counter_is_no_late_port() {
    let mut rng = Rng::with_seed(11);
    let range = RangeInForce::of_socket(45000, 46999);
    let mut offset = 400;
    let events = (0..64).map(|i| {
        let epoch = u64::from(i >= 8);
        offset = if i == 8 { offset - 60 } else { offset + rng.u16(1..=8) };
        Observation {
            range: Some(range),
            origin: Some(Origin::Connect),
            clock: Clock::Epoch(7 + epoch),
            linux: true,
            ..event(i, 1, range.ports.low + offset)
        }
    });
    let verdict = verdict(events.collect::<Vec<_>>());
    assert_eq!(
        (verdict.pattern, verdict.algorithm),
        (Pattern::PerDestination, Algorithm::LinuxLpr),
        "{verdict:?}"
    );
}
