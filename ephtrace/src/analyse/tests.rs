//! Lanes and summaries on literal assignments.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::{
    lanes::{Lanes, step},
    summary::{Circumstances, KernelCounts, Tally},
};
use crate::event::{Assignment, Destination, Hook, Origin, PortRange, Protocol, SearchState};

const SECOND: u64 = 1_000_000_000;

fn destination(n: u32) -> Destination {
    let daddr = Ipv4Addr::from_bits(0x0a00_0000 + n).into();
    Destination { netns: 1, saddr: Ipv4Addr::LOCALHOST.into(), daddr, dport: 443 }
}

fn range(low: u16, high: u16) -> PortRange {
    PortRange { low, high, by_socket: false }
}

fn assigned(destination: Destination, sport: u16) -> Assignment {
    Assignment {
        ts_ns: SECOND,
        pid: None,
        tid: None,
        comm: None,
        uid: None,
        cgroup_id: None,
        container: None,
        destination,
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: Some(sport),
        errno: Some(0),
        latency_ns: Some(2000),
        range: Some(range(40_000, 40_099)),
        search: SearchState::default(),
        salt_epoch: None,
        first_candidate: None,
        tried: None,
        pass: None,
        step: None,
        cookie: None,
        hook: Some(Hook::Fentry),
    }
}

fn failed(destination: Destination, errno: Option<u16>) -> Assignment {
    Assignment { sport: None, errno, ..assigned(destination, 0) }
}

#[test]
fn steps() {
    let ten = Some(range(40_000, 40_009));
    let all = Some(range(0, u16::MAX));
    for (previous, port, range, expected) in [
        (40_000, 40_002, ten, 2),
        (40_008, 40_001, ten, 3),
        (40_001, 40_008, ten, -3),
        (40_000, 40_005, ten, 5),
        (40_005, 40_000, ten, 5),
        (40_004, 40_004, ten, 0),
        (40_008, 40_001, None, -7),
        (40_008, 50_000, ten, 9992),
        (30_000, 40_000, ten, 10_000),
        (65_535, 0, all, 1),
        (0, 65_535, all, -1),
        (0, 32_768, all, 32_768),
        (7, 7, Some(range(7, 7)), 0),
    ] {
        assert_eq!(step(previous, port, range), expected, "{previous} -> {port}");
    }
}

proptest! {
    #[test]
    fn a_step_leads_to_the_port(low: u16, high: u16, from: u16, to: u16) {
        let (low, high) = (low.min(high), low.max(high));
        let len = i32::from(high) - i32::from(low) + 1;
        let inside = |port: u16| i32::from(low) + i32::from(port) % len;
        let (from, to) = (inside(from), inside(to));
        let port = |port: i32| u16::try_from(port).unwrap();
        let step = step(port(from), port(to), Some(range(low, high)));
        prop_assert_eq!(i32::from(low) + (from - i32::from(low) + step).rem_euclid(len), to);
        prop_assert!(-len < step * 2 && step * 2 <= len);
    }
}

#[test]
fn lanes_are_apart() {
    let mut lanes = Lanes::default();
    let (a, b) = (destination(1), destination(2));
    let udp = Assignment { protocol: Some(Protocol::Udp), ..assigned(a, 40_050) };
    let bound = Assignment { origin: Some(Origin::Bind), ..assigned(a, 40_060) };
    let elsewhere = assigned(Destination { netns: 2, ..a }, 40_070);
    for (assignment, expected) in [
        (assigned(a, 40_000), None),
        (assigned(b, 40_010), None),
        (udp, None),
        (bound, None),
        (elsewhere, None),
        (assigned(a, 40_004), Some(4)),
        (assigned(b, 40_012), Some(2)),
        (failed(a, Some(99)), None),
        (assigned(a, 40_006), Some(2)),
    ] {
        assert_eq!(lanes.step(&assignment), expected);
    }
    assert_eq!(lanes.evicted(), 0);
}

#[test]
fn lanes_that_are_used_stay() {
    let mut lanes = Lanes::with_limit(10);
    assert_eq!(lanes.step(&assigned(destination(0), 40_000)), None);
    for n in 1..100 {
        assert_eq!(lanes.step(&assigned(destination(n), 40_000)), None);
        assert_eq!(lanes.step(&assigned(destination(0), 40_000)), Some(0));
    }
    assert!((90..100).contains(&lanes.evicted()), "{}", lanes.evicted());
    assert_eq!(lanes.step(&assigned(destination(1), 40_000)), None);
}

fn summarised(assignments: &[Assignment]) -> super::summary::Summary {
    let mut tally = Tally::new(SECOND);
    for assignment in assignments {
        tally.event(assignment);
    }
    tally.summary(3 * SECOND, 2, Circumstances::default())
}

#[test]
fn nothing_gives_an_empty_summary() {
    let summary = summarised(&[]);
    assert_eq!((summary.assignments, summary.failures, summary.destinations), (0, 0, 0));
    assert_eq!(summary.latency_ns, None);
    assert!(summary.busiest.is_empty() && summary.destinations_complete);
    let at_once = Tally::new(5).summary(5, 2, Circumstances::default());
    assert!(at_once.per_second.abs() < f64::EPSILON);
}

#[test]
fn a_summary_counts() {
    let (a, b, c) = (destination(1), destination(2), destination(3));
    let stepped = |step, port| Assignment { step: Some(step), ..assigned(a, port) };
    let slow = Assignment { latency_ns: Some(1_000_000), ts_ns: 2 * SECOND, ..assigned(b, 50_000) };
    let summary = summarised(&[
        assigned(a, 40_000),
        stepped(2, 40_002),
        stepped(2, 40_004),
        stepped(98, 40_002),
        failed(a, Some(99)),
        slow,
        failed(b, None),
        failed(c, Some(12)),
        failed(a, Some(99)),
    ]);
    let serde_json::Value::Object(fields) = serde_json::to_value(&summary).unwrap() else {
        panic!("not an object");
    };
    let lines: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    assignments: 9
    busiest: [{"assignments":6,"complete":true,"daddr":"10.0.0.1","distinct_ports":3,"dport":443,"failures":2,"first_ns":1000000000,"last_ns":1000000000,"netns":1,"range":[40000,40099],"range_ports":100,"saddr":"127.0.0.1","usual_step":{"share":0.6666666666666666,"step":2}},{"assignments":2,"complete":true,"daddr":"10.0.0.2","distinct_ports":0,"dport":443,"failures":1,"first_ns":1000000000,"last_ns":2000000000,"netns":1,"range":[40000,40099],"range_ports":100,"saddr":"127.0.0.1","usual_step":null}]
    cpu: null
    destinations: 3
    destinations_complete: true
    duration_ns: 2000000000
    errors: [{"count":2,"errno":99,"error":"EADDRNOTAVAIL"},{"count":1,"errno":null,"error":null},{"count":1,"errno":12,"error":"ENOMEM"}]
    failures: 4
    first_ns: 1000000000
    hook: null
    kernel: null
    kernel_cost: null
    lanes_evicted: 0
    last_ns: 2000000000
    latency_ns: {"max":1000000,"p50":2007,"p99":1000000}
    losses: {"hook_missed":0,"in_flight_full":0,"return_missed":0,"ring_full":0,"undecodable":0,"unreadable":0}
    other_assignments: 1
    per_second: 4.5
    "##);
}

#[test]
fn circumstances_are_passed_on() {
    let kernel = KernelCounts { seen: 7, filtered: 3, ..KernelCounts::default() };
    let around = Circumstances {
        kernel: Some(kernel),
        hook: Some(Hook::Kprobe),
        lanes_evicted: 9,
        ..Circumstances::default()
    };
    let summary = Tally::new(0).summary(SECOND, 10, around);
    assert_eq!((summary.kernel, summary.lanes_evicted), (Some(kernel), 9));
    assert_eq!(serde_json::to_value(&summary).unwrap()["hook"], "kprobe");
}

#[test]
fn a_busy_destination_is_found_among_a_million() {
    let mut tally = Tally::new(0);
    for n in 0..1_000_000 {
        tally.event(&assigned(destination(n), 40_000));
        // It comes up late, among others that are all alike.
        if n > 500_000 && n % 20 == 0 {
            let port = 40_000 + u16::try_from(n / 20 % 100).unwrap();
            tally.event(&assigned(destination(u32::MAX >> 8), port));
        }
    }
    let summary = tally.summary(SECOND, 10, Circumstances::default());
    let first = &summary.busiest[0];
    assert_eq!(first.destination, destination(u32::MAX >> 8));
    assert!(!first.complete && !summary.destinations_complete);
    assert!(first.assignments > 20_000 && first.assignments < 25_000, "{}", first.assignments);
    assert_eq!(first.distinct_ports, 100);
    let listed: u64 = summary.busiest.iter().map(|b| b.assignments).sum();
    assert_eq!(listed + summary.other_assignments, summary.assignments);
}

#[test]
fn a_rare_step_does_not_hide_the_usual_one() {
    let assignments: Vec<Assignment> = (0..3000)
        .map(|n| Assignment {
            step: Some(if n % 3 == 0 { n } else { 2 }),
            ..assigned(destination(1), 40_000)
        })
        .collect();
    let usual = summarised(&assignments).busiest[0].usual_step.unwrap();
    assert_eq!(usual.step, 2);
    assert!((0.66..0.67).contains(&usual.share), "{}", usual.share);
}

#[test]
fn ports_outside_of_the_range_do_not_count_as_its_ports() {
    for count in [20, 90] {
        let inside = (40_000..40_000 + count).map(|port| assigned(destination(1), port));
        let outside = [39_999, 40_100].map(|port| assigned(destination(1), port));
        let assignments: Vec<Assignment> = inside.chain(outside).collect();
        let busiest = &summarised(&assignments).busiest[0];
        assert_eq!(busiest.distinct_ports, u32::from(count));
        assert_eq!(busiest.range_ports, Some(100));
    }
}
