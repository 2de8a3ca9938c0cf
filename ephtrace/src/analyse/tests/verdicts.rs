//! Checks of verdicts, and streams that are judged apart.
#![expect(clippy::cast_possible_truncation, reason = "small numbers, written here")]

use std::collections::HashMap;

use fastrand::Rng;

use super::{SECOND, assigned, destination};
use crate::{
    analyse::{
        pattern::{Algorithm, KernelFacts, KernelRules, Pattern, Predictable, Verdict},
        summary::{RunContext, Summary},
        tally::Tally,
    },
    model::{Assignment, Hook, Origin, Protocol, RangeInForce},
};

/// Range of the namespace, and two ranges set by sockets.
pub(super) const NETNS: RangeInForce = RangeInForce::of_netns(32768, 60999);
pub(super) const SOCKET: RangeInForce = RangeInForce::of_socket(45_000, 46_999);
const SHIFTED: RangeInForce = RangeInForce::of_socket(52_000, 57_999);

/// Simulates the rule of Linux 6.8 and later: a counter for each destination, by 2 to 16 on the
/// parity of the low end, or by 1 to 8 if the socket set the range.
#[derive(Default)]
struct Linux {
    rng: Rng,
    counters: HashMap<u32, u32>,
}

impl Linux {
    fn connect(&mut self, nth: u32, to: u32, range: RangeInForce) -> Assignment {
        let step = if range.is_by_socket() { 1 } else { 2 };
        let start = to.wrapping_mul(0x9e37_79b9) >> 8 << 1;
        let counter = self.counters.entry(to).or_insert(start);
        let offset = *counter % range.ports.len();
        *counter += step * self.rng.u32(1..=8);
        let offset = if step == 2 { offset & !1 } else { offset };
        Assignment {
            ts_ns: SECOND + u64::from(nth) * 1_000_000,
            range: Some(range),
            pid: Some(7),
            salt_epoch: Some(1),
            ..assigned(destination(to), range.ports.low + offset as u16)
        }
    }
}

pub(super) fn summary(tally: Tally, assignments: &[Assignment]) -> Summary {
    let mut tally = tally;
    for assignment in assignments {
        tally.observe(assignment);
    }
    tally.summary(None, 10, RunContext::default())
}

fn all_of(summary: &Summary) -> Vec<&Verdict> {
    let destinations = summary.destinations.iter().map(|one| &one.verdict);
    let processes = summary.processes.iter().map(|one| &one.verdict);
    [&summary.verdict].into_iter().chain(destinations).chain(processes).collect()
}

pub(super) fn of_release(release: &str) -> KernelRules {
    KernelRules::new(&KernelFacts { release: Some(release), ..KernelFacts::default() })
}

fn observed(assignments: &[Assignment]) -> Tally {
    let mut tally = Tally::new(None).knowing(of_release("6.18.44"));
    for assignment in assignments {
        tally.observe(assignment);
    }
    tally
}

/// Makes ports of one counter for everybody, of the given origin.
fn one_counter(origin: Origin) -> Vec<Assignment> {
    let protocol = Some(if origin == Origin::Udp { Protocol::Udp } else { Protocol::Tcp });
    let one = |nth: u32| Assignment {
        ts_ns: SECOND + u64::from(nth) * 1_000_000,
        range: Some(NETNS),
        pid: Some(7),
        hook: None,
        origin: Some(origin),
        protocol,
        ..assigned(destination(nth * 7 % 5), 40_000 + nth as u16)
    };
    (0..400).map(one).collect()
}

#[test]
fn what_the_kernel_contradicts_is_withheld() {
    use Predictable::{Unknown, Yes};
    // Under the kernel's rule of connect, the next port is predictable as well; under that of UDP
    // it is not.
    for (origin, predictable) in [(Origin::Connect, Yes), (Origin::Udp, Unknown)] {
        let assignments = one_counter(origin);
        let unknown = summary(Tally::new(None), &assignments);
        assert_eq!(unknown.verdict.algorithm, Algorithm::SeqGlobal);
        let known = summary(Tally::new(None).knowing(of_release("6.18.44")), &assignments);
        let expected = known.verdict.evidence.last().unwrap();
        assert!(expected.starts_with("expected for this kernel: no, because "), "{expected}");
        let context = RunContext { disordered: 40, ..RunContext::default() };
        let doubtful = observed(&assignments).summary(None, 10, context).verdict.evidence;
        let expected = doubtful.last().unwrap();
        assert!(expected.starts_with("expected for this kernel: unknown, because "), "{expected}");
        for verdict in [&known.verdict, &known.processes[0].verdict] {
            assert_eq!(
                (verdict.pattern, verdict.algorithm, verdict.predictable),
                (Pattern::Undetermined, Algorithm::Undetermined, predictable)
            );
            assert!(verdict.pattern_confidence < 0.9, "{verdict:#?}");
            let said = &verdict.evidence[0];
            assert!(said.contains("the traced kernel assigns"), "{said}");
            assert!(said.ends_with("look like seq_global"), "{said}");
        }
    }
    // An older kernel may have either of three rules.
    let assignments = one_counter(Origin::Connect);
    let known = summary(Tally::new(None).knowing(of_release("5.10.0-30")), &assignments);
    let unknown = summary(Tally::new(None), &assignments).verdict;
    assert_eq!(known.verdict.algorithms, unknown.algorithms);
    assert_eq!(known.verdict.algorithm, unknown.algorithm);
}

#[test]
fn what_the_kernel_confirms_stays() {
    let mut linux = Linux { rng: Rng::with_seed(3), ..Linux::default() };
    let assignments: Vec<Assignment> =
        (0..400).map(|nth| linux.connect(nth, nth * 7 % 5, NETNS)).collect();
    let mut known = summary(Tally::new(None).knowing(of_release("6.18.44")), &assignments);
    let expected = known.verdict.evidence.pop().unwrap();
    assert!(expected.starts_with("expected for this kernel: yes, because "), "{expected}");
    assert_eq!(known, summary(Tally::new(None), &assignments));
    assert!(all_of(&known).iter().all(|one| one.algorithm == Algorithm::LinuxDhash64k));
}

#[test]
fn the_last_destination_that_was_asked_for_is_checked_too() {
    let lane = destination(3);
    let mut tally = Tally::new(None).knowing(of_release("6.18.44"));
    // By one, from a socket that set no range: no kernel of this release does that.
    for nth in 0..64 {
        let one = Assignment { hook: Some(Hook::Fentry), ..assigned(lane, 40_000 + nth) };
        tally.observe(&Assignment { range: Some(NETNS), ..one });
    }
    let key = crate::analyse::lanes::LaneKey::of(&assigned(lane, 1));
    let verdict = tally.destination(&key).unwrap().verdict;
    assert_eq!(verdict.algorithm, Algorithm::Undetermined);
    assert_ne!(verdict.pattern, Pattern::Sequential);
}

/// Makes connects of a program from plain sockets and from sockets with a range of their own, to
/// the same destinations.
fn two_ranges(origin: Option<Origin>, own: RangeInForce) -> Vec<Assignment> {
    let mut linux = Linux { rng: Rng::with_seed(5), ..Linux::default() };
    (0..600)
        .map(|nth| {
            let range = if linux.rng.bool() { NETNS } else { own };
            let to = linux.rng.u32(0..3);
            Assignment { origin, ..linux.connect(nth, to, range) }
        })
        .collect()
}

#[test]
fn ranges_of_one_destination_or_process_are_judged_apart() {
    for origin in [Some(Origin::Connect), None] {
        for own in [SOCKET, SHIFTED] {
            let said = summary(Tally::new(None), &two_ranges(origin, own));
            assert_eq!((said.destinations.len(), said.processes.len()), (3, 1));
            for verdict in all_of(&said) {
                assert!(
                    matches!(verdict.pattern, Pattern::PerDestination | Pattern::Undetermined),
                    "{origin:?} {own:?} {verdict:#?}"
                );
                assert_eq!(verdict.algorithm, Algorithm::Undetermined, "{verdict:#?}");
            }
            let process = &said.processes[0].verdict;
            assert_eq!(process.pattern, Pattern::PerDestination, "{process:#?}");
            assert!(process.evidence[0].starts_with("2 port ranges: 2 per_destination"));
        }
    }
}

#[test]
fn a_range_that_hardly_counts_costs_little() {
    let mut linux = Linux { rng: Rng::with_seed(6), ..Linux::default() };
    let mut assignments: Vec<Assignment> =
        (0..600).map(|nth| linux.connect(nth, nth % 3, NETNS)).collect();
    assignments.push(linux.connect(600, 1, SOCKET));
    let said = summary(Tally::new(None), &assignments);
    for verdict in all_of(&said) {
        assert_eq!(verdict.algorithm, Algorithm::LinuxDhash64k, "{verdict:#?}");
    }
}
