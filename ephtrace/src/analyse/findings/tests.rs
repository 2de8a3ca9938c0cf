//! Findings of literal facts, and facts that yield none.

mod holding;
mod remedies;

use insta::assert_snapshot;

use super::{rules::MAX_PER_RULE, *};
use crate::{
    analyse::{capacity::Capacity, self_connect::SelfConnect, tally::Tally},
    model::{Assignment, FlowKey, Origin, PortRange, RangeInForce},
};

fn flow(netns: u32, daddr: [u8; 4], dport: u16) -> FlowKey {
    FlowKey {
        netns: Some(netns),
        saddr: [10, 0, 0, 1].into(),
        daddr: Some(daddr.into()),
        dport: Some(dport),
    }
}

fn destination() -> DestinationFacts {
    DestinationFacts {
        flow: flow(1, [10, 0, 0, 2], 443),
        origin: Some(Origin::Connect),
        process: Some("curl (4711)".into()),
        range: Some(PortRange::new(32_768, 60_999)),
        assignments: 1000,
        per_second: Some(1000.0),
        ..DestinationFacts::default()
    }
}

fn host() -> NetnsFacts {
    NetnsFacts {
        netns: 1,
        name: "the host".into(),
        is_host: true,
        range: Some(PortRange::new(32_768, 60_999)),
        tw_reuse: Some(2),
        ..NetnsFacts::default()
    }
}

fn text(facts: &Facts) -> String {
    let mut text = String::new();
    for Finding { rule, severity, sentence, evidence, remedies } in findings(facts) {
        let remedies = remedies.iter().map(|remedy| format!("  -> {remedy}\n"));
        let lines = [format!("{severity} [{rule}] {sentence}\n  {evidence}\n")];
        text.extend(lines.into_iter().chain(remedies));
    }
    text
}

#[test]
fn nothing_is_wrong_with_a_host_at_ease() {
    let destinations = vec![DestinationFacts {
        in_use: Some(500),
        usable: Some(28_232),
        searches_known: 1000,
        second_pass: 2,
        tried_p50: Some(1),
        ..destination()
    }];
    let namespaces = vec![host()];
    assert_eq!(findings(&Facts { destinations, namespaces, ..Facts::default() }), []);
    assert_eq!(findings(&Facts::default()), []);
}

#[test]
fn of_a_shortage() {
    let failing = DestinationFacts {
        no_port: 800,
        in_use: Some(28_232),
        usable: Some(28_232),
        time_wait: Some(28_000),
        search_cpus_at_most: Some(1.4),
        ..destination()
    };
    let past_half = DestinationFacts {
        flow: flow(1, [10, 0, 0, 3], 80),
        searches_known: 1000,
        second_pass: 900,
        tried_p50: Some(14_500),
        latency_p99_ns: Some(2_500_000),
        in_use: Some(17_000),
        usable: Some(28_232),
        ..destination()
    };
    let binds = DestinationFacts {
        origin: Some(Origin::Bind),
        flow: FlowKey { daddr: None, dport: None, ..destination().flow },
        ..destination()
    };
    let destinations = vec![failing, past_half, binds];
    let namespaces = vec![host()];
    assert_snapshot!(text(&Facts { destinations, namespaces, ..Facts::default() }), @r#"
    critical [exhausted] curl (4711) finds no free port (connect) for 10.0.0.1 -> 10.0.0.2:443
      800 of 1000 assignments failed: no free port; 28232 of 28232 ports in use (100 %), 28000 of them in TIME_WAIT; searching takes at most 140 % of a CPU
      -> reuse connections: a connection pool, HTTP keep-alive
      -> sysctl -w net.ipv4.ip_local_port_range="10240 65535"
      -> to make it permanent, set it where the namespace is created
      -> use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports
    warning [half-mark] more than half of the ports for 10.0.0.1 -> 10.0.0.3:80 are in use: each connect first scans half of the range
      900 of 1000 searches first scanned all ports of the preferred parity; half of all searches tried 14500 candidates or more; port search latency p99 2.5 ms; 17000 of 28232 ports in use (60 %); requested by curl (4711)
      -> reuse connections: a connection pool, HTTP keep-alive
      -> sysctl -w net.ipv4.ip_local_port_range="10240 65535"
      -> to make it permanent, set it where the namespace is created
      -> use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports
    warning [retry-loop] curl (4711) keeps retrying although no port is free
      800 failed attempts per second for 10.0.0.1 -> 10.0.0.2:443, each of which scans the whole range
      -> back off exponentially after each failure, with jitter
    warning [bind-zero] curl (4711) binds to port 0: each such port is taken for all destinations
      1000 bind() calls to port 0 on 10.0.0.1
      -> if it connects afterwards: setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) before bind() (Linux 4.2 or later)
    warning [tw-reuse] ports in TIME_WAIT for 10.0.0.1 -> 10.0.0.2:443 can't be reused for 60 seconds
      28000 ports in TIME_WAIT; net.ipv4.tcp_tw_reuse = 2 in the host (2 means loopback only)
      -> sysctl -w net.ipv4.tcp_tw_reuse=1 (needs TCP timestamps on both sides; never use the old tcp_tw_recycle)
      -> let the peer close first
    "#);
}

#[test]
fn of_settings() {
    let own = NetnsFacts {
        netns: 2,
        name: "container web".into(),
        range: Some(PortRange::new(40_000, 50_000)),
        ..NetnsFacts::default()
    };
    let mut host = host();
    host.range = Some(PortRange::new(32_768, 60_998));
    host.reserved = vec![PortRange::new(40_000, 40_001), PortRange::new(45_000, 50_000)];
    host.listeners = vec![
        Listener { port: 33_000, process: Some("etcd (7)".into()) },
        Listener { port: 34_000, process: None },
    ];
    let self_connects =
        SelfConnect { count: 0, risk: Some("a risk".into()), ..SelfConnect::default() };
    let facts = Facts {
        namespaces: vec![host, own],
        conntrack: Some(Tracker { count: 250_000, max: 262_144, netns: 1 }),
        self_connects: Some(self_connects),
        storm: Some(Storm {
            before: 40.0,
            peak: 9000.0,
            began_ns: 0,
            ended_ns: Some(12_000_000_000),
            initiator: Some(("deploy (12)".into(), 0.97)),
        }),
        ..Facts::default()
    };
    assert_snapshot!(text(&facts), @r#"
    warning [conntrack] the conntrack table is nearly full: at its limit, new connections are dropped
      250000 of 262144 entries (95 %)
      -> sysctl -w net.netfilter.nf_conntrack_max=524288
      -> sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=30
    note [storm] a connect storm ended after 12 s
      9000 assignments per second at its peak, 40 before; deploy (12) causes 97 % of the rise
      -> look at what the initiator does: a deployment, a restart, an empty cache, retries
    note [reserved-block] a block of reserved ports inside the range sometimes slows connects in the host
      5001 ports from 45000 to 50000 are reserved: a search that starts among them walks to their end, and the port after them is used far too often
      -> Linux 7.1 and later can step over the block at random (net.ipv4.ip_local_port_step_width)
    note [self-connect] a risk
      none seen so far
      -> reserve the ports of local services: sysctl -w net.ipv4.ip_local_reserved_ports=PORT,… (this replaces the list, so include the ports already reserved)
    note [listener-inside] services in the host listen on ports of the ephemeral range: while one restarts, a connect may take its port
      listening and not reserved: 33000 (etcd (7)), 34000
      -> sysctl -w net.ipv4.ip_local_reserved_ports=40000-40001,45000-50000,33000,34000
    note [equal-parity] the range of the host has both ends even, or both odd: each connect skips one port of it
      net.ipv4.ip_local_port_range = 32768 60998 has an odd number of ports, and a search covers an even number
      -> sysctl -w net.ipv4.ip_local_port_range="32768 60999"
    note [equal-parity] the range of container web has both ends even, or both odd: each connect skips one port of it
      net.ipv4.ip_local_port_range = 40000 50000 has an odd number of ports, and a search covers an even number
      -> inside container web: sysctl -w net.ipv4.ip_local_port_range="40000 50001"
    note [other-range] container web has a different range than the host: sysctl on the host does not affect it
      40000 to 50000 there, 32768 to 60998 on the host
      -> set it when the namespace is created (for a container: --sysctl net.ipv4.ip_local_port_range=…)
    "#);
}

#[test]
fn the_search_alone_tells_the_half_mark() {
    let destinations = vec![DestinationFacts {
        searches_known: 100,
        second_pass: 100,
        tried_p50: Some(14_200),
        ..destination()
    }];
    let found = findings(&Facts { destinations, ..Facts::default() });
    assert_eq!((found[0].rule, found[0].severity), (Rule::HalfMark, Severity::Warning));
}

#[test]
fn many_alike_are_told_once() {
    let destinations = (1..=10)
        .map(|n| DestinationFacts { flow: flow(1, [10, 0, 0, 2], n), no_port: 1, ..destination() })
        .collect();
    let found = findings(&Facts { destinations, ..Facts::default() });
    assert_eq!(found.len(), MAX_PER_RULE);
    assert!(found[2].evidence.ends_with("and 7 more like this"), "{}", found[2].evidence);
}

/// Failures belong to the range in which they happened, whatever it is now.
#[test]
fn a_range_that_was_widened_since_is_not_the_one_that_was_full() {
    let row = |range: PortRange, sport: Option<u16>| Assignment {
        errno: Some(if sport.is_some() { 0 } else { 99 }),
        sport,
        range: Some(RangeInForce::of_netns(range.low, range.high)),
        flow: flow(1, [10, 0, 0, 2], 443),
        origin: Some(Origin::Connect),
        ..Assignment::default()
    };
    let (narrow, wide) = (PortRange::new(47_000, 47_049), PortRange::new(10_240, 65_535));
    let mut tally = Tally::new(None);
    tally.observe(&row(narrow, None));
    let evidence = |tally: &Tally| {
        let facts = Facts { destinations: tally.facts(), ..Facts::default() };
        findings(&facts)[0].evidence.clone()
    };
    assert_snapshot!(evidence(&tally), @"1 of 1 assignments failed: no free port; the range has 50 ports");
    tally.observe(&row(wide, Some(20_000)));
    assert_snapshot!(evidence(&tally), @"1 of 2 assignments failed: no free port; the range had 50 ports (47000 to 47049) when they failed, and has 55296 now");
}

/// A rate that can be sustained is no evidence that ports run out.
#[test]
fn the_sustainable_rate_is_told_where_it_is_lower() {
    let capacity = Capacity {
        at_ns: 0,
        in_use: 5000,
        usable: 28_232,
        share: 0.2,
        assigned_per_second: Some(60.0),
        released_per_second: Some(5.0),
        growth_per_second: Some(55.0),
        hold_s: Some(10.0),
        sustainable_per_second: Some(2823.0),
        half_in_s: None,
        full_in_s: Some(422.0),
    };
    let of = |sustainable| {
        let capacity = Capacity { sustainable_per_second: Some(sustainable), ..capacity };
        let one = DestinationFacts { capacity: Some(capacity), ..destination() };
        text(&Facts { destinations: vec![one], ..Facts::default() })
    };
    assert!(of(2823.0).contains("run out in about 7 min\n  55 more ports in use each second; the"));
    assert!(of(50.0).contains("each second; the range has 28232 ports; 50 assignments per second"));
}

#[test]
fn two_failures_at_once_are_no_loop() {
    let is_loop = |no_port, per_second| {
        let d = DestinationFacts {
            assignments: no_port,
            no_port,
            per_second: Some(per_second),
            ..destination()
        };
        let found = findings(&Facts { destinations: vec![d], ..Facts::default() });
        found.iter().any(|finding| finding.rule == Rule::RetryLoop)
    };
    assert!(!is_loop(2, 2000.0), "a millisecond apart");
    assert!(!is_loop(9, 9.0) && !is_loop(50, 100.0), "too few, too short");
    assert!(is_loop(10, 10.0) && is_loop(50, 10.0));
}

/// More ports don't help: no search was made.
#[test]
fn attempts_of_sockets_that_had_their_port_are_no_shortage() {
    let refused = DestinationFacts {
        origin: Some(Origin::Explicit),
        assignments: 29,
        refused: 29,
        ..destination()
    };
    // A summary has nothing to add.
    let completeness = Completeness { assignments: 29, failures: 29, ..Completeness::default() };
    let facts = Facts { destinations: vec![refused], completeness, ..Facts::default() };
    let found = findings(&facts);
    let rules: Vec<Rule> = found.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::TupleTaken]);
    assert!(found[0].evidence.starts_with("29 connects"), "{}", found[0].evidence);
}

#[test]
fn a_recording_that_was_cut_tells_until_when_it_goes() {
    let cut = Completeness { is_cut: true, ..Completeness::default() };
    let evidence = |last_ns| {
        let completeness = Completeness { last_ns, ..cut.clone() };
        findings(&Facts { completeness, ..Facts::default() })[0].evidence.clone()
    };
    assert!(
        evidence(Some(1_767_268_800_000_000_000)).contains("from 2026-01-01T12:00:00.000Z, and")
    );
    assert!(evidence(None).contains("it has no assignments"));
}

/// Binds that name a port, on 0.0.0.0.
fn binds(refused: u64) -> DestinationFacts {
    let saddr = [0, 0, 0, 0].into();
    DestinationFacts {
        flow: FlowKey { saddr, daddr: None, dport: None, ..destination().flow },
        origin: Some(Origin::Explicit),
        assignments: refused,
        refused,
        refused_port: Some(8080),
        ..destination()
    }
}

#[test]
fn a_refusal_tells_its_cause() {
    let listener = TakenBy { state: "LISTEN", who: Some("nginx (7)".into()) };
    let waits = TakenBy { state: "TIME-WAIT", who: None };
    let tuple = DestinationFacts {
        origin: Some(Origin::Explicit),
        refused: 29,
        refused_port: Some(33_445),
        taken_by: Some(waits),
        ..destination()
    };
    let privileged = DestinationFacts {
        refused_port: Some(997),
        refused_ports_differ: true,
        process: Some("mount.nfs (9)".into()),
        ..binds(424)
    };
    let gone = DestinationFacts {
        flow: FlowKey { saddr: [10, 9, 9, 9].into(), ..binds(0).flow },
        no_address: 3,
        ..binds(3)
    };
    let service = DestinationFacts { taken_by: Some(listener), ..binds(2) };
    let destinations = vec![tuple, service, gone, privileged];
    assert_snapshot!(text(&Facts { destinations, ..Facts::default() }), @"
    warning [tuple-taken] curl (4711) connects bound sockets to 10.0.0.1 -> 10.0.0.2:443, but the same 4-tuple already exists
      29 connects of bound sockets failed with EADDRNOTAVAIL: the 4-tuple is in use; the range is not exhausted; port 33445, in TIME-WAIT, not known to be open in any process
      -> bind to another source port, or to port 0 with IP_BIND_ADDRESS_NO_PORT; SO_REUSEADDR and SO_REUSEPORT allow the bind() but do not free the 4-tuple
      -> if it is in TIME_WAIT: let the peer close first, or set net.ipv4.tcp_tw_reuse=1 with TCP timestamps on both sides
    warning [bind-refused] curl (4711) binds to a port that is already in use on 0.0.0.0
      2 bind() calls failed with EADDRINUSE: another socket has the port; port 8080, held by nginx (7) in LISTEN
      -> find the owner: inside netns 1: ss -tanp
      -> if the kernel assigned it: reserve it in net.ipv4.ip_local_reserved_ports
    warning [no-address] curl (4711) binds to 10.9.9.9, which is not an address of this network namespace: the address is the problem, not the ports
      3 bind() calls failed with EADDRNOTAVAIL before any port search
      -> inside netns 1: ip address show to 10.9.9.9
      -> for a service on a floating address: net.ipv4.ip_nonlocal_bind=1
    warning [privileged-taken] mount.nfs (9) tries one port below 1024 after another, as bindresvport does for NFS and rsh, and finds many in use on 0.0.0.0
      424 bind() calls failed with EADDRINUSE; several ports, last 997; at most 512 such ports exist, regardless of the ephemeral range
      -> NFS: mount with noresvport if the server allows it (export option `insecure`)
      -> list these ports with `ss -tan 'sport < 1024'`; short connections leave many in TIME-WAIT
    ");
}

#[test]
fn a_missing_address_is_no_shortage() {
    for origin in [Origin::Bind, Origin::Udp, Origin::Explicit] {
        let gone = DestinationFacts {
            origin: Some(origin),
            refused: if origin == Origin::Explicit { 5 } else { 0 },
            no_address: 5,
            assignments: 5,
            ..binds(0)
        };
        let found = findings(&Facts { destinations: vec![gone], ..Facts::default() });
        let rules: Vec<Rule> = found.iter().map(|finding| finding.rule).collect();
        let about_binds = if origin == Origin::Bind { &[Rule::BindZero][..] } else { &[] };
        assert_eq!(rules, [&[Rule::NoAddress], about_binds].concat(), "{origin:?}");
    }
}

/// The page lists the rules in their order.
#[test]
fn the_page_on_storms_explains_every_rule() {
    let page = std::fs::read_to_string("../docs/storms.md").unwrap();
    let rows = page.split("\n## Findings\n").nth(1).unwrap().lines();
    let rows = rows.skip_while(|line| !line.starts_with("|---")).skip(1);
    let rules = rows.map_while(|line| line.strip_prefix("| `")?.split('`').next());
    let rules: Vec<&str> = rules.collect();
    let all: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(rules, all);
}
