//! Lanes and summaries on literal assignments.

use std::net::Ipv4Addr;

mod known;
mod named;
mod parts;
mod verdicts;

use proptest::prelude::*;
use serde_json::Value;

use super::{
    findings::Rule,
    lanes::{StepTracker, step},
    summary::{KernelCounts, RunContext},
    tally::Tally,
};
use crate::model::{Assignment, FlowKey, Hook, Origin, PortRange, Protocol, RangeInForce};

const SECOND: u64 = 1_000_000_000;

fn destination(n: u32) -> FlowKey {
    let daddr = Ipv4Addr::from_bits(0x0a00_0000 + n).into();
    FlowKey {
        netns: Some(1),
        saddr: Ipv4Addr::LOCALHOST.into(),
        daddr: Some(daddr),
        dport: Some(443),
    }
}

fn range(low: u16, high: u16) -> RangeInForce {
    RangeInForce::of_netns(low, high)
}

fn assigned(flow: FlowKey, sport: u16) -> Assignment {
    Assignment {
        ts_ns: SECOND,
        pid: None,
        tid: None,
        comm: None,
        uid: None,
        cgroup_id: None,
        container: None,
        names: None,
        flow,
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: Some(sport),
        errno: Some(0),
        latency_ns: Some(2000),
        range: Some(range(40_000, 40_099)),
        word_step: None,
        salt_epoch: None,
        first_candidate: None,
        tried: None,
        pass: None,
        search_unknown: None,
        step: None,
        resalted: None,
        cookie: None,
        hook: Some(Hook::Fentry),
        recording: 0,
        is_another: false,
        host_pid: None,
    }
}

fn failed(flow: FlowKey, errno: Option<u16>) -> Assignment {
    Assignment { sport: None, errno, ..assigned(flow, 0) }
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
        assert_eq!(
            step(previous, port, range.map(|range| range.ports)),
            expected,
            "{previous} -> {port}"
        );
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
        let step = step(port(from), port(to), Some(PortRange::new(low, high)));
        prop_assert_eq!(i32::from(low) + (from - i32::from(low) + step).rem_euclid(len), to);
        prop_assert!(-len < step * 2 && step * 2 <= len);
    }
}

fn followed(lanes: &mut StepTracker, mut assignment: Assignment) -> Assignment {
    lanes.follow(&mut assignment);
    assignment
}

#[test]
fn a_new_secret_is_noticed() {
    let mut lanes = StepTracker::default();
    let at = |port, epoch| Assignment { salt_epoch: epoch, ..assigned(destination(1), port) };
    for (assignment, expected) in [
        (at(40_000, Some(7)), None),
        (at(40_002, Some(7)), Some(false)),
        (at(40_060, Some(8)), Some(true)),
        (at(40_064, None), None),
        (at(40_066, Some(9)), None),
    ] {
        assert_eq!(followed(&mut lanes, assignment).resalted, expected);
    }
}

#[test]
fn lanes_are_apart() {
    let mut lanes = StepTracker::default();
    let (a, b) = (destination(1), destination(2));
    let udp = Assignment { protocol: Some(Protocol::Udp), ..assigned(a, 40_050) };
    let bound = Assignment { origin: Some(Origin::Bind), ..assigned(a, 40_060) };
    let elsewhere = assigned(FlowKey { netns: Some(2), ..a }, 40_070);
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
        assert_eq!(followed(&mut lanes, assignment).step, expected);
    }
    assert_eq!(lanes.evicted(), 0);
}

#[test]
fn lanes_that_are_used_stay() {
    let mut lanes = StepTracker::with_limit(10);
    assert_eq!(followed(&mut lanes, assigned(destination(0), 40_000)).step, None);
    for n in 1..100 {
        assert_eq!(followed(&mut lanes, assigned(destination(n), 40_000)).step, None);
        assert_eq!(followed(&mut lanes, assigned(destination(0), 40_000)).step, Some(0));
    }
    assert!((90..100).contains(&lanes.evicted()), "{}", lanes.evicted());
    assert_eq!(followed(&mut lanes, assigned(destination(1), 40_000)).step, None);
}

fn summarised(assignments: &[Assignment]) -> super::summary::Summary {
    let mut tally = Tally::new(Some(SECOND));
    for assignment in assignments {
        tally.observe(assignment);
    }
    tally.summary(Some(3 * SECOND), 2, RunContext::default())
}

#[test]
fn nothing_gives_an_empty_summary() {
    let summary = summarised(&[]);
    assert_eq!((summary.assignments, summary.failures, summary.destinations_known), (0, 0, 0));
    assert_eq!(summary.latency, None);
    assert!(summary.destinations.is_empty() && summary.destinations_evicted == 0);
    let at_once = Tally::new(Some(5)).summary(Some(5), 2, RunContext::default());
    assert!(at_once.per_second.abs() < f64::EPSILON);
}

/// Removes the long lists of a verdict, which have tests of their own.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(&**name, "patterns" | "algorithms" | "evidence"));
            fields.retain(|name, _| !name.ends_with("_confidence"));
            fields.values_mut().for_each(shorten);
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        _ => {}
    }
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
    let mut value = serde_json::to_value(&summary).unwrap();
    shorten(&mut value);
    let Value::Object(fields) = value else {
        panic!("not an object");
    };
    let lines: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    assignments: 9
    cpu: null
    destinations: [{"algorithm":"undetermined","assignments":6,"complete":true,"confirmed_by_kernel":null,"daddr":"10.0.0.1","distinct_ports":3,"dport":443,"failures":2,"first_ns":1000000000,"informative_pairs":3,"last_ns":1000000000,"n":4,"netns":1,"next_port_bits":null,"no_port":2,"origin":"connect","pattern":"per_destination","predictable":"yes","protocol":"tcp","range_high":40099,"range_low":40000,"range_ports":100,"saddr":"127.0.0.1","searches_known":0,"second_pass":0,"usual_step":{"share":0.6666666666666666,"step":2}},{"algorithm":"undetermined","assignments":2,"complete":true,"confirmed_by_kernel":null,"daddr":"10.0.0.2","distinct_ports":0,"dport":443,"failures":1,"first_ns":1000000000,"informative_pairs":0,"last_ns":2000000000,"n":1,"netns":1,"next_port_bits":null,"no_port":0,"origin":"connect","pattern":"undetermined","predictable":"unknown","protocol":"tcp","range_high":40099,"range_low":40000,"range_ports":100,"saddr":"127.0.0.1","searches_known":0,"second_pass":0,"usual_step":null}]
    destinations_evicted: 0
    destinations_known: 3
    disordered: 0
    duration_ns: 2000000000
    errors: [{"count":2,"errno":99,"error":"EADDRNOTAVAIL"},{"count":1,"errno":null,"error":null},{"count":1,"errno":12,"error":"ENOMEM"}]
    explicit: 0
    failed_only: false
    failures: 4
    findings: [{"remedies":["reuse connections: a connection pool, HTTP keep-alive","inside netns 1: sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)","to make it permanent, set it where the namespace is created","use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports"],"rule":"exhausted","sentence":"no free port (connect) for 127.0.0.1 -> 10.0.0.1:443","severity":"critical"},{"remedies":["inside netns 1: sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)"],"rule":"short-reuse","sentence":"4-tuple reused after 0 ns: NAT and firewalls may still track the previous connection (they keep state for 60 s or longer) and drop the new one","severity":"note"}]
    first_ns: 1000000000
    fitted_range: null
    hook: null
    hosts: {"busiest":[{"algorithm":"undetermined","assignments":9,"complete":true,"confirmed_by_kernel":null,"failures":4,"fitted_range":null,"informative_pairs":3,"n":5,"netns":1,"next_port_bits":null,"pattern":"per_destination","predictable":"yes","saddr":null}],"evicted":0,"judged":1,"known":1,"only_predictable":0}
    kernel_cost: null
    kernel_counts: null
    lanes_evicted: 0
    last_ns: 2000000000
    latency: {"max_ns":1000000,"p50_ns":2007,"p99_ns":1000000}
    losses: {"hook_missed":0,"in_flight_full":0,"return_missed":0,"ring_full":0,"undecodable":0,"unreadable":0}
    origins: [{"algorithm":"undetermined","assignments":5,"confirmed_by_kernel":null,"informative_pairs":3,"n":5,"next_port_bits":null,"origin":"connect","pattern":"per_destination","predictable":"yes"}]
    other_assignments: 1
    overflow: null
    per_second: 4.5
    processes: []
    processes_evicted: 0
    retried: 0
    reuse: {"after_assignments":{"median":2,"min":2},"after_ns":{"median":0,"min":0},"forgotten":0,"reuses":1,"soonest":"10.0.0.1:443","warning":"4-tuple reused after 0 ns: NAT and firewalls may still track the previous connection (they keep state for 60 s or longer) and drop the new one"}
    self_connects: {"at_risk":0,"count":0,"explanation":null,"risk":null}
    unseen_failures: null
    verdict: {"algorithm":"undetermined","confirmed_by_kernel":null,"informative_pairs":3,"n":5,"next_port_bits":null,"pattern":"per_destination","predictable":"yes"}
    "#);
}

#[test]
fn circumstances_are_passed_on() {
    let kernel = KernelCounts { seen: 7, filtered: 3, ..KernelCounts::default() };
    let around = RunContext {
        kernel: Some(kernel),
        hook: Some(Hook::Kprobe),
        lanes_evicted: 9,
        ..RunContext::default()
    };
    let summary = Tally::new(Some(0)).summary(Some(SECOND), 10, around);
    assert_eq!((summary.kernel, summary.lanes_evicted), (Some(kernel), 9));
    assert_eq!(serde_json::to_value(&summary).unwrap()["hook"], "kprobe");
}

#[test]
fn a_busy_destination_is_found_among_a_million() {
    let mut tally = Tally::new(Some(0));
    for n in 0..1_000_000 {
        tally.observe(&assigned(destination(n), 40_000));
        // The destination appears late, among others that are all alike.
        if n > 500_000 && n % 20 == 0 {
            let port = 40_000 + u16::try_from(n / 20 % 100).unwrap();
            tally.observe(&assigned(destination(u32::MAX >> 8), port));
        }
    }
    let summary = tally.summary(Some(SECOND), 10, RunContext::default());
    let first = &summary.destinations[0];
    assert_eq!(first.flow, destination(u32::MAX >> 8));
    assert!(!first.complete && summary.destinations_evicted > 0);
    assert!(first.assignments > 20_000 && first.assignments < 25_000, "{}", first.assignments);
    assert_eq!(first.distinct_ports, 100);
    let listed: u64 = summary.destinations.iter().map(|b| b.assignments).sum();
    assert_eq!(listed + summary.other_assignments, summary.assignments);
}

#[test]
fn ports_outside_of_the_range_do_not_count_as_its_ports() {
    for count in [20, 90] {
        let inside = (40_000..40_000 + count).map(|port| assigned(destination(1), port));
        let outside = [39_999, 40_100].map(|port| assigned(destination(1), port));
        let assignments: Vec<Assignment> = inside.chain(outside).collect();
        let busiest = &summarised(&assignments).destinations[0];
        assert_eq!(busiest.distinct_ports, u32::from(count));
        assert_eq!(busiest.range_ports, Some(100));
    }
}

#[test]
fn a_quiet_destination_without_a_port_is_told() {
    let busy = (0..100).map(|n| assigned(destination(1 + n % 5), 40_000));
    let quiet = (0..10).map(|_| failed(destination(9), Some(99)));
    let summary = summarised(&busy.chain(quiet).collect::<Vec<_>>());
    assert_eq!(summary.destinations.len(), 2);
    let found = summary.findings.iter().find(|finding| finding.rule == Rule::Exhausted);
    assert!(found.is_some_and(|found| found.sentence.ends_with("127.0.0.1 -> 10.0.0.9:443")));
}
