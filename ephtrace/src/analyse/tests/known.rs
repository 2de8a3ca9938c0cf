//! The traced kernel as prior knowledge: questions that it decides, and questions that it must not.

use fastrand::Rng;

use super::{
    SECOND, assigned, destination,
    verdicts::{NETNS, SOCKET, of_release, summary},
};
use crate::{
    analyse::{
        pattern::{Algorithm, KernelFacts, KernelRules, Pattern, Verdict},
        tally::Tally,
    },
    model::{Assignment, Origin, RangeInForce},
};

fn judged(assignments: &[Assignment], rules: KernelRules) -> Verdict {
    summary(Tally::new(None).knowing(rules), assignments).verdict
}

fn is_said(verdict: &Verdict) -> bool {
    verdict.evidence.iter().any(|sentence| sentence.starts_with("known from the kernel"))
}

/// Connects to one destination, from these ports.
fn connects(ports: &[u16], range: RangeInForce) -> Vec<Assignment> {
    let one = |(nth, port): (u64, &u16)| Assignment {
        ts_ns: SECOND + nth * 1_000_000,
        range: Some(range),
        salt_epoch: Some(1),
        origin: Some(Origin::Connect),
        ..assigned(destination(1), *port)
    };
    (0..).zip(ports).map(one).collect()
}

/// Steps that several rules of Linux make, in the range of the namespace and in one of a socket.
const PLAIN: [u16; 5] = [40_000, 40_002, 40_006, 40_008, 40_012];
const OWN: [u16; 5] = [45_100, 45_102, 45_104, 45_112, 45_116];

/// Ports anywhere in the range, however few.
fn anywhere(n: u16, seed: u64) -> Vec<Assignment> {
    let mut rng = Rng::with_seed(seed);
    let ports: Vec<u16> = (0..n).map(|_| rng.u16(32_768..=60_999)).collect();
    connects(&ports, NETNS)
}

#[test]
fn the_rule_of_the_kernel_decides_what_ports_alone_do_not() {
    let assignments = connects(&PLAIN, NETNS);
    let alone = judged(&assignments, KernelRules::default());
    assert_eq!(alone.algorithm, Algorithm::Undetermined, "{alone:#?}");
    assert!(!is_said(&alone));
    let known = judged(&assignments, of_release("6.18.44"));
    assert_eq!(known.algorithm, Algorithm::LinuxDhash64k, "{known:#?}");
    assert_eq!(known.pattern, Pattern::PerDestination);
    assert!(is_said(&known), "{known:#?}");
}

/// The line on the kernel's rule, without its beginning.
fn expected(assignments: &[Assignment], rules: KernelRules) -> Option<String> {
    let evidence = judged(assignments, rules).evidence;
    evidence
        .iter()
        .find_map(|line| line.strip_prefix("expected for this kernel: ")?.to_owned().into())
}

#[test]
fn whether_ports_are_expected_is_said_of_a_known_kernel_alone() {
    let long: Vec<u16> = (0..40).map(|n| 40_000 + 10 * n).collect();
    let plain = connects(&long, NETNS);
    assert_eq!(expected(&plain, KernelRules::default()), None);
    let known = of_release("6.18.44");
    let said = |assignments: &[Assignment], rules| expected(assignments, rules).unwrap();
    insta::assert_snapshot!(said(&connects(&PLAIN, NETNS), known), @"unknown, because these ports fit its rule, linux_dhash64k, but do not prove it");
    insta::assert_snapshot!(said(&plain, known), @"unknown, because these ports do not show by which rule they were assigned");
    assert!(
        said(&plain, of_release("5.10.0-30"))
            .starts_with("unknown, because its rule for connect ports is unknown")
    );
}

/// Each fact by itself, and none of them.
#[test]
fn every_fact_about_the_kernel_counts() {
    let (plain, own) = (connects(&PLAIN, NETNS), connects(&OWN, SOCKET));
    let nothing = KernelFacts { release: Some("5.10.0-30"), ..KernelFacts::default() };
    let large_table = KernelFacts { has_large_table: true, ..nothing };
    let by_one = KernelFacts { own_range_steps_by_one: Some(true), ..nothing };
    let of = |assignments, facts: &KernelFacts<'_>| judged(assignments, KernelRules::new(facts));
    // A release bounds from one side only: this one may have any of three rules.
    let alone = judged(&plain, KernelRules::default());
    assert_eq!(of(&plain, &nothing).algorithms, alone.algorithms);
    assert_eq!(of(&plain, &large_table).algorithm, Algorithm::LinuxDhash64k);
    assert_ne!(of(&own, &nothing).algorithm, Algorithm::LinuxLpr);
    assert_eq!(of(&own, &by_one).algorithm, Algorithm::LinuxLpr);
}

/// Ports that don't fit the rule are not said to fit it, however few they are.
#[test]
fn the_rule_of_the_kernel_is_not_put_on_ports_that_do_not_fit() {
    for seed in 0..40 {
        for n in 4..24 {
            let known = judged(&anywhere(n, seed), of_release("6.18.44"));
            assert_eq!(known.algorithm, Algorithm::Undetermined, "{n} {seed} {known:#?}");
            assert_eq!(known.pattern, Pattern::Undetermined, "{n} {seed} {known:#?}");
            assert!(!is_said(&known), "{n} {seed} {known:#?}");
        }
    }
}
