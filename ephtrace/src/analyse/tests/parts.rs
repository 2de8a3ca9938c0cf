//! Verdicts on parts (a namespace, a process, a destination) compared with the rule of the whole.
#![expect(clippy::cast_possible_truncation, reason = "small numbers, written here")]

use fastrand::Rng;

use super::{
    SECOND, assigned, destination,
    verdicts::{NETNS, summary},
};
use crate::{
    analyse::{
        pattern::{Algorithm, Pattern, Verdict},
        summary::{RunContext, Summary},
        tally::Tally,
    },
    model::{Assignment, FlowKey, RangeInForce},
};

fn of(netns: u32, pid: u32, nth: u64, to: u32, port: u16) -> Assignment {
    let flow = FlowKey { netns: Some(netns), ..destination(to) };
    Assignment {
        ts_ns: SECOND + nth * 1_000_000,
        range: Some(NETNS),
        pid: Some(pid),
        hook: None,
        ..assigned(flow, port)
    }
}

/// Simulates the rule of Linux 4.2 to 5.11: one counter by two for the whole machine; a hash of
/// namespace and destination determines the start.
fn linux_of_one_counter(namespaces: u32, assignments: u64) -> Summary {
    let mut rng = Rng::with_seed(7);
    let mut tally = Tally::new(None);
    let mut counter = 0;
    for nth in 0..assignments {
        let (netns, to) = (rng.u32(0..namespaces), rng.u32(0..5));
        let hash = (netns * 5 + to + 1).wrapping_mul(0x9e37_79b9) >> 9;
        let offset = ((hash + counter) % (NETNS.ports.len() & !1)) & !1;
        counter += 2;
        let port = NETNS.ports.low + offset as u16;
        tally.observe(&of(4_026_531_840 + netns, 7 + to, nth, to, port));
    }
    tally.summary(None, 10, RunContext::default())
}

fn parts(summary: &Summary) -> Vec<&Verdict> {
    let hosts = summary.hosts.busiest.iter().map(|one| &one.verdict);
    let processes = summary.processes.iter().map(|one| &one.verdict);
    let destinations = summary.destinations.iter().map(|one| &one.verdict);
    hosts.chain(processes).chain(destinations).collect()
}

/// Each namespace sees the counter jump by the ports that the others take, which looks like random
/// steps.
#[test]
fn namespaces_that_share_a_counter_are_judged_together() {
    for assignments in [64, 160, 400] {
        let summary = linux_of_one_counter(6, assignments);
        let Verdict { pattern, algorithm, evidence, .. } = &summary.verdict;
        let said = (*pattern, *algorithm);
        let expected = (Pattern::PerDestination, Algorithm::LinuxHintEven);
        assert_eq!(said, expected, "{assignments}: {evidence:#?}");
        for part in parts(&summary) {
            let is_right = matches!(
                part.algorithm,
                Algorithm::LinuxHintEven | Algorithm::Undetermined | Algorithm::Alg3Hash
            );
            assert!(is_right, "{assignments}: {part:#?}");
        }
    }
}

/// Containers that make three connects each: too few for a verdict of their own.
#[test]
fn a_dozen_small_namespaces_make_a_verdict() {
    let mut tally = Tally::new(None);
    let mut rng = Rng::with_seed(5);
    let mut ports: Vec<u16> = (0..12).map(|_| rng.u16(16_500..20_000) * 2).collect();
    for nth in 0..36 {
        let to = rng.usize(0..12);
        ports[to] += 2 * rng.u16(1..=8);
        tally.observe(&of(4_026_532_000 + to as u32, 7, nth, to as u32, ports[to]));
    }
    let summary = tally.summary(None, 10, RunContext::default());
    assert_eq!(summary.verdict.pattern, Pattern::PerDestination, "{:#?}", summary.verdict);
    assert!(summary.hosts.judged < 6, "most by themselves have too few");
}

/// A process sees its share of a counter, which looks like random increments.
#[test]
fn a_process_does_not_contradict_the_counter_that_it_shares() {
    for seed in 0..40 {
        let mut rng = Rng::with_seed(seed);
        let each = (0..96_u64)
            .map(|nth| of(4_026_531_840, rng.u32(0..5), nth, rng.u32(0..6), 40_000 + nth as u16));
        let summary = summary(Tally::new(None), &each.collect::<Vec<_>>());
        assert_eq!(summary.verdict.algorithm, Algorithm::SeqGlobal, "{:#?}", summary.verdict);
        for part in parts(&summary) {
            let said = (part.pattern, part.algorithm);
            assert!(matches!(said.0, Pattern::Sequential | Pattern::Undetermined), "{part:#?}");
            assert!(
                matches!(said.1, Algorithm::SeqGlobal | Algorithm::Undetermined),
                "{seed}: {part:#?}"
            );
        }
    }
}

/// One namespace connects only and the other binds only, or so: nothing records it. The machine has
/// two policies, and each namespace has one.
#[test]
fn namespaces_that_follow_different_rules_are_mixed_together() {
    let mut rng = Rng::with_seed(3);
    let each = (0..400_u64).map(|nth| {
        let to = rng.u32(0..5);
        match nth % 2 {
            0 => of(4_026_531_840, 7, nth, to, 40_000 + nth as u16 / 2),
            _ => of(4_026_532_000, 8, nth, to, rng.u16(32_768..=60_999)),
        }
    });
    let summary = summary(Tally::new(None), &each.collect::<Vec<_>>());
    assert_eq!(summary.verdict.pattern, Pattern::Mixed, "{:#?}", summary.verdict);
    let of_each: Vec<Pattern> =
        summary.hosts.busiest.iter().map(|one| one.verdict.pattern).collect();
    assert_eq!(of_each, [Pattern::Sequential, Pattern::Random], "{:#?}", summary.hosts.busiest);
}

/// One namespace began when the rule had changed already; the other one saw the change.
#[test]
fn a_namespace_with_one_rule_contradicts_no_mixture() {
    let mut rng = Rng::with_seed(3);
    let each = (0..96_u64).map(|nth| {
        let (netns, to) = (u32::from(nth >= 64), rng.u32(0..5));
        let port = if nth < 32 { 40_000 + nth as u16 } else { rng.u16(32_768..=60_999) };
        of(4_026_531_840 + netns, 7, nth, to, port)
    });
    let summary = summary(Tally::new(None), &each.collect::<Vec<_>>());
    assert_eq!(summary.verdict.pattern, Pattern::Mixed, "{:#?}", summary.verdict);
}

/// Makes `half` of the assignments in one range, then as many in another: a sysctl changed.
fn with_a_new_range(half: u64, mut next: impl FnMut(u64, &mut Rng) -> u16) -> Verdict {
    let mut rng = Rng::with_seed(4);
    let ranges = [NETNS, RangeInForce::of_netns(20_000, 60_999)];
    let each = (0..2 * half).map(|nth| {
        let (to, port) = (rng.u32(0..5), next(nth, &mut rng));
        let range = Some(ranges[usize::from(nth >= half)]);
        Assignment { range, ..of(4_026_531_840, 7, nth, to, port) }
    });
    summary(Tally::new(None), &each.collect::<Vec<_>>()).verdict
}

#[test]
fn a_rule_that_changed_with_the_range_is_mixed() {
    let verdict = with_a_new_range(128, |nth, rng| match nth {
        0..128 => rng.u16(32_768..=60_999),
        _ => 50_000 + nth as u16,
    });
    assert_eq!(verdict.pattern, Pattern::Mixed, "{verdict:#?}");
}

#[test]
fn what_both_ranges_show_is_surer_than_in_each() {
    let verdict = with_a_new_range(32, |nth, rng| match nth {
        0..32 => rng.u16(32_768..=60_999),
        _ => rng.u16(20_000..=60_999),
    });
    assert_eq!(verdict.pattern, Pattern::Random, "{verdict:#?}");
    assert!(verdict.pattern_confidence > 0.98, "{verdict:#?}");
}
