//! Charts of literal events.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::{
    analyse::lanes::StepTracker,
    model::{FlowKey, RangeInForce},
};

const RANGE: RangeInForce = RangeInForce::of_netns(40_000, 40_009);

fn event(sport: Option<u16>, dport: u16) -> Assignment {
    let flow = FlowKey { dport: Some(dport), ..FlowKey::default() };
    Assignment { sport, flow, range: Some(RANGE), ..Assignment::default() }
}

fn charts(events: impl IntoIterator<Item = Assignment>) -> Charts {
    let (mut charts, mut lanes) = (Charts::default(), StepTracker::default());
    for mut event in events {
        lanes.follow(&mut event);
        charts.observe(&event);
    }
    charts
}

#[test]
fn few_events_are_kept_one_by_one() {
    let all = charts([
        event(Some(40_008), 80),
        event(Some(40_005), 443),
        event(Some(40_001), 80),
        Assignment { errno: Some(99), ..event(None, 80) },
        Assignment { origin: Some(Origin::Explicit), ..event(Some(7), 80) },
    ]);
    let shown: Vec<_> = all
        .marks()
        .unwrap()
        .iter()
        .map(|mark| (mark.number, mark.id, mark.port, mark.before, mark.errno))
        .collect();
    assert_eq!(
        shown,
        [
            (1, 0, Some(40_008), None, None),
            (2, 1, Some(40_005), None, None),
            (3, 0, Some(40_001), Some(40_008), None),
            (4, 0, None, None, Some(99)),
            (5, 2, None, None, None),
        ]
    );
    assert_eq!((all.by_number().total(), all.failures().total()), (3, 1));
    assert_eq!(all.occupancy().used(), Some(PortRange::new(40_001, 40_008)));
    assert_eq!(all.occupancy().range(), Some(PortRange::new(40_000, 40_009)));
    assert_eq!(all.any_steps().total(), 2);
}

#[test]
fn many_events_are_only_counted() {
    let all = charts((0..=MAX_MARKS).map(|_| event(Some(40_000), 80)));
    assert_eq!(all.marks(), None);
    assert_eq!((all.last().len(), all.last()[0].number), (MAX_MARKS, 2));
    assert_eq!(all.by_number().total(), MAX_MARKS as u64 + 1);
}

#[test]
fn secrets_are_ruled_off_unless_there_are_too_many() {
    let epochs = |changes: u64| {
        charts((0..=changes).map(|n| Assignment { salt_epoch: Some(7 + n), ..event(None, 80) }))
    };
    let numbers = |all: &Charts| all.epochs().map(|all| all.iter().map(|e| e.number).collect());
    assert_eq!(numbers(&epochs(2)), Some(vec![2, 3]));
    assert_eq!(epochs(MAX_EPOCHS as u64).epochs().unwrap().len(), MAX_EPOCHS);
    assert_eq!(epochs(MAX_EPOCHS as u64 + 1).epochs(), None);
}

#[test]
fn magnitudes_are_eight_to_a_doubling() {
    assert_eq!([0, 1, 2, 1024, u64::MAX].map(magnitude), [0, 0, 8, 80, 512]);
    assert_eq!([0, 8, 80].map(|m| least(m).to_string()), ["1", "2", "1024"]);
}

proptest! {
    // Grids of full size are slow without optimization.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn each_event_is_counted_once_in_each_chart(
        events in prop::collection::vec(
            (
                prop::option::of(any::<u16>()),
                0_u16..5,
                any::<bool>(),
                prop::option::of(any::<u64>()),
                prop::option::of(any::<u32>()),
                any::<u64>(),
                prop::option::of(0_u16..20),
            ),
            0..120,
        ),
    ) {
        let events: Vec<_> = events
            .into_iter()
            .map(|(sport, dport, explicit, latency_ns, tried, ts_ns, errno)| Assignment {
                latency_ns,
                tried,
                ts_ns,
                errno,
                origin: explicit.then_some(Origin::Explicit),
                ..event(sport, dport)
            })
            .collect();
        let count = |of: fn(&Assignment) -> bool| events.iter().filter(|e| of(e)).count() as u64;
        let all = charts(events.clone());
        let chosen = count(|e| e.sport.is_some() && e.origin.is_none());
        prop_assert_eq!(all.events(), events.len() as u64);
        prop_assert_eq!(all.by_number().total(), chosen);
        prop_assert_eq!(all.by_time().total(), chosen);
        prop_assert_eq!((0..=u16::MAX).map(|p| all.occupancy().count(p)).sum::<u64>(), chosen);
        prop_assert_eq!(all.any_steps().total(), chosen.saturating_sub(1));
        let of_no_origin = events.iter().filter(|e| e.sport.is_some() && e.origin.is_none());
        let lanes: HashSet<_> = of_no_origin.map(LaneKey::of).collect();
        prop_assert_eq!(all.returns().total(), chosen - lanes.len() as u64);
        prop_assert_eq!(all.latency().total(), count(|e| e.latency_ns.is_some()));
        prop_assert_eq!(all.tried().total(), count(|e| e.tried.is_some()));
        prop_assert_eq!(all.failures().total(), count(|e| e.sport.is_none()));
        let listed: u64 = all.lane_ids().busiest(99).iter().map(|&(_, _, count)| count).sum();
        prop_assert_eq!(listed, events.len() as u64);
    }
}
