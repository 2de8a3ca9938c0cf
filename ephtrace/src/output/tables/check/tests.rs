//! The answers that monitoring reads.

use insta::assert_snapshot;

use super::*;
use crate::{
    analyse::{findings::Rule, quantities::Latency},
    model::{FlowKey, Protocol},
};

const LIMITS: Limits = Limits {
    used: Thresholds { warning: 50.0, critical: 90.0 },
    failures: Thresholds { warning: 0.0, critical: 1.0 },
    p99_ns: Thresholds { warning: 1e6, critical: 1e7 },
};

fn seen(in_use: u32, failed: u64, latency_p99_ns: u64) -> CheckInput {
    CheckInput {
        destinations: vec![DestinationFacts {
            flow: FlowKey {
                netns: None,
                saddr: [10, 0, 0, 1].into(),
                daddr: Some([10, 0, 0, 2].into()),
                dport: Some(443),
            },
            held_by: Some("mostly curl (4711)".into()),
            in_use: Some(in_use),
            usable: Some(28_232),
            ..DestinationFacts::default()
        }],
        asked: vec![asked("bind", in_use), asked("udp", 3)],
        counted: Some(numbers(1000, failed, latency_p99_ns)),
        ..CheckInput::default()
    }
}

fn asked(ask: &'static str, in_use: u32) -> AskedFacts {
    AskedFacts {
        netns: 1,
        ask,
        error: "EADDRINUSE",
        saddr: "0.0.0.0".parse().unwrap(),
        in_use,
        usable: 28_232,
        time_wait_reusable: 0,
        unsure: 0,
        may_share: false,
        held_by: Some("mostly curl (4711)".into()),
    }
}

fn numbers(assignments: u64, failed: u64, latency_p99_ns: u64) -> Numbers {
    Numbers {
        assignments,
        failed,
        errors: if failed > 0 { vec![(Some(99), failed)] } else { vec![] },
        per_second: 500.0,
        latency: Some(Latency { p50_ns: 1, p99_ns: latency_p99_ns, max_ns: latency_p99_ns }),
        ..Numbers::default()
    }
}

fn row(origin: Origin, dport: Option<u16>, numbers: Numbers) -> Row {
    Row {
        comm: "curl".into(),
        pid: Some(7),
        processes: 1,
        uid: 0,
        cgroup_id: 0,
        container: None,
        container_name: None,
        image: None,
        pod: None,
        pod_namespace: None,
        unit: None,
        group: None,
        flow: FlowKey {
            netns: None,
            saddr: [10, 0, 0, 1].into(),
            daddr: dport.map(|_| [10, 0, 0, 2].into()),
            dport,
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(origin),
        numbers,
        capacity: None,
    }
}

#[test]
fn a_destination_in_trouble_does_not_drown_among_others() {
    let state = |one| {
        let rows = vec![row(Origin::Connect, Some(443), numbers(99_900, 0, 3000)), one];
        let counted = Some(numbers(100_000, 100, 3000));
        let seen = CheckInput { counted, rows, ..seen(0, 0, 0) };
        let answer = CheckReport::new(&seen, &LIMITS);
        assert!(
            answer.line.contains("worst: 100 of 100 attempts by curl (7) for "),
            "{}",
            answer.line
        );
        answer.state
    };
    assert_eq!(
        state(row(Origin::Connect, Some(80), numbers(100, 100, 3000))),
        CheckStatus::Critical
    );
    assert_eq!(
        state(row(Origin::Explicit, Some(80), numbers(100, 100, 3000))),
        CheckStatus::Critical
    );
    // A service that can't get the port that it wants.
    assert_eq!(state(row(Origin::Explicit, None, numbers(100, 100, 3000))), CheckStatus::Warning);
}

#[test]
fn one_slow_destination_is_slow_unless_it_was_asked_for_few() {
    let state = |count| {
        let rows = vec![row(Origin::Connect, Some(80), numbers(count, 0, 50_000_000))];
        CheckReport::new(&CheckInput { rows, ..seen(0, 0, 3000) }, &LIMITS).state
    };
    assert_eq!([state(3), state(200)], [CheckStatus::Ok, CheckStatus::Critical]);
}

#[test]
fn binds_and_udp_are_judged_like_connects() {
    let answer = |bind, udp| {
        let asked = vec![asked("bind", bind), asked("udp", udp)];
        CheckReport::new(&CheckInput { asked, ..seen(100, 0, 3000) }, &LIMITS)
    };
    let mut passing = seen(100, 0, 3000);
    passing.asked = vec![AskedFacts { time_wait_reusable: 20_000, ..asked("bind", 28_232) }];
    assert_eq!(CheckReport::new(&passing, &LIMITS).state, CheckStatus::Warning);
    let states = [answer(100, 0), answer(20_000, 0), answer(28_232, 0), answer(0, 28_232)];
    let states = states.map(|answer| answer.state);
    assert_eq!(
        states,
        [CheckStatus::Ok, CheckStatus::Warning, CheckStatus::Critical, CheckStatus::Critical]
    );
    assert_snapshot!(answer(28_232, 0).line, @"EPHTRACE CRITICAL: bind() to port 0: 28232 of 28232 ports in use on 0.0.0.0, mostly curl (4711), the next one fails with EADDRINUSE; 0 % of ports in use for 10.0.0.1 -> 10.0.0.2:443 (100 of 28232, mostly curl (4711)); UDP: 0 of 28232 ports in use on 0.0.0.0; 1000 attempts: 1000 assigned, 0 failed; port search latency p99 3.0 us (wall time) | use=0.35%;50;90;0;100 bind=100.00%;50;90;0;100 udp=0.00%;50;90;0;100 failed=0.00%;0;1;0;100 search_p99=3us;1000;10000;0 attempts=500.0;;;0 assigned=500.0;;;0");
    assert_snapshot!(answer(0, 28_232).line, @"EPHTRACE CRITICAL: UDP: 28232 of 28232 ports in use on 0.0.0.0, mostly curl (4711), the next one fails with EADDRINUSE; 0 % of ports in use for 10.0.0.1 -> 10.0.0.2:443 (100 of 28232, mostly curl (4711)); bind() to port 0: 0 of 28232 ports in use on 0.0.0.0; 1000 attempts: 1000 assigned, 0 failed; port search latency p99 3.0 us (wall time) | use=0.35%;50;90;0;100 bind=0.00%;50;90;0;100 udp=100.00%;50;90;0;100 failed=0.00%;0;1;0;100 search_p99=3us;1000;10000;0 attempts=500.0;;;0 assigned=500.0;;;0");
}

#[test]
fn a_time_wait_that_can_be_taken_over_is_no_shortage() {
    let mut seen = seen(28_232, 0, 3000);
    seen.asked.clear();
    seen.destinations[0].left = Some(0);
    seen.destinations[0].reusable = Some(28_000);
    let answer = CheckReport::new(&seen, &LIMITS);
    assert_eq!(answer.state, CheckStatus::Ok);
    assert_snapshot!(answer.line, @"EPHTRACE OK: 1 % of ports in use for 10.0.0.1 -> 10.0.0.2:443 (232 of 28232, 28000 more in TIME_WAIT, which connect can take over, mostly curl (4711)); 1000 attempts: 1000 assigned, 0 failed; port search latency p99 3.0 us (wall time) | use=0.82%;50;90;0;100 failed=0.00%;0;1;0;100 search_p99=3us;1000;10000;0 attempts=500.0;;;0 assigned=500.0;;;0");
}

#[test]
fn ports_that_may_be_bound_are_a_range() {
    let mut seen = seen(10, 0, 3000);
    seen.destinations[0].left = Some(28_200);
    seen.destinations[0].unsure = Some(100);
    seen.unseen = vec!["failed binds".into(), "holders".into()];
    assert_snapshot!(CheckReport::new(&seen, &LIMITS).line, @"EPHTRACE OK: 0 % of ports in use for 10.0.0.1 -> 10.0.0.2:443 (10 of 28232, 22 more bound, 28100 to 28200 left, mostly curl (4711)); bind() to port 0: 10 of 28232 ports in use on 0.0.0.0; UDP: 3 of 28232 ports in use on 0.0.0.0; 1000 attempts: 1000 assigned, 0 failed; port search latency p99 3.0 us (wall time); not seen: failed binds, holders | use=0.11%;50;90;0;100 bind=0.04%;50;90;0;100 udp=0.01%;50;90;0;100 failed=0.00%;0;1;0;100 search_p99=3us;1000;10000;0 attempts=500.0;;;0 assigned=500.0;;;0");
}

#[test]
fn a_host_at_ease() {
    let answer = CheckReport::new(&seen(850, 0, 3_000), &LIMITS);
    assert_eq!(answer.state.code(), 0);
    assert_snapshot!(answer.line, @"EPHTRACE OK: 3 % of ports in use for 10.0.0.1 -> 10.0.0.2:443 (850 of 28232, mostly curl (4711)); bind() to port 0: 850 of 28232 ports in use on 0.0.0.0; UDP: 3 of 28232 ports in use on 0.0.0.0; 1000 attempts: 1000 assigned, 0 failed; port search latency p99 3.0 us (wall time) | use=3.01%;50;90;0;100 bind=3.01%;50;90;0;100 udp=0.01%;50;90;0;100 failed=0.00%;0;1;0;100 search_p99=3us;1000;10000;0 attempts=500.0;;;0 assigned=500.0;;;0");
}

#[test]
fn the_worst_counts() {
    let state = |in_use, failed, p99| CheckReport::new(&seen(in_use, failed, p99), &LIMITS).state;
    assert_eq!(state(14_117, 0, 0), CheckStatus::Warning);
    assert_eq!(state(14_116, 0, 0), CheckStatus::Ok, "half is not yet more than half");
    assert_eq!(state(28_000, 0, 0), CheckStatus::Critical);
    assert_eq!(state(0, 1, 0), CheckStatus::Warning);
    assert_eq!(state(14_117, 11, 0), CheckStatus::Critical);
    assert_eq!(state(0, 0, 1_000_001), CheckStatus::Warning);
    assert_eq!(state(0, 0, 10_000_001), CheckStatus::Critical);
}

#[test]
fn what_is_wrong_is_said() {
    let mut seen = seen(28_232, 300, 2_000_000);
    seen.lost = 4;
    seen.findings = vec![Finding {
        rule: Rule::Exhausted,
        severity: Severity::Critical,
        sentence: "curl|4711 finds no free port".into(),
        evidence: String::new(),
        remedies: Vec::new(),
    }];
    assert_snapshot!(CheckReport::new(&seen, &LIMITS).line, @"EPHTRACE CRITICAL: 1000 attempts: 700 assigned, 300 failed: 300 EADDRNOTAVAIL; port search latency p99 2.0 ms (wall time); 100 % of ports in use for 10.0.0.1 -> 10.0.0.2:443 (28232 of 28232, mostly curl (4711)); bind() to port 0: 28232 of 28232 ports in use on 0.0.0.0, mostly curl (4711), the next one fails with EADDRINUSE; UDP: 3 of 28232 ports in use on 0.0.0.0; 4 more were not seen; curl 4711 finds no free port | use=100.00%;50;90;0;100 bind=100.00%;50;90;0;100 udp=0.01%;50;90;0;100 failed=30.00%;0;1;0;100 search_p99=2000us;1000;10000;0 attempts=500.0;;;0 assigned=350.0;;;0");
}

#[test]
fn nothing_in_use_and_nothing_counted() {
    assert_snapshot!(CheckReport::new(&CheckInput::default(), &LIMITS).line, @"EPHTRACE OK: no TCP connection uses a port of the range | use=0.00%;50;90;0;100");
    assert_snapshot!(CheckReport::unknown("\x1b[31m no\rrights").line, @r"EPHTRACE UNKNOWN: \u{1b}[31m no\rrights");
    assert_snapshot!(CheckReport::unknown("no\nrights").line, @"EPHTRACE UNKNOWN: no rights");
}

#[test]
fn a_full_tracker_is_never_ok() {
    let finding = |rule, severity| Finding {
        rule,
        severity,
        sentence: format!("{rule}"),
        evidence: String::new(),
        remedies: Vec::new(),
    };
    let report = |findings| {
        let CheckReport { state, line, .. } =
            CheckReport::new(&CheckInput { findings, ..seen(100, 0, 0) }, &LIMITS);
        (state, line.split(" | ").next().unwrap().split("; ").last().unwrap().to_owned())
    };
    let bad = finding(Rule::SynSent, Severity::Warning);
    assert_eq!(report(vec![bad.clone()]).0, CheckStatus::Ok);
    let nearly = finding(Rule::Conntrack, Severity::Warning);
    let told = (CheckStatus::Warning, "conntrack".to_owned());
    assert_eq!(report(vec![bad.clone(), nearly.clone()]), told);
    let full = finding(Rule::ConntrackDrop, Severity::Critical);
    assert_eq!(report(vec![full, bad, nearly]).0, CheckStatus::Critical);
    assert_eq!(report(vec![finding(Rule::ConntrackDrop, Severity::Note)]).0, CheckStatus::Ok);
}

#[test]
fn namespaces_are_told_apart_where_there_are_several() {
    let mut seen = seen(28_232, 0, 3000);
    seen.destinations[0].flow.netns = Some(7);
    let failing = Row {
        flow: FlowKey { netns: Some(8), ..row(Origin::Connect, Some(80), numbers(0, 0, 0)).flow },
        ..row(Origin::Connect, Some(80), numbers(72, 72, 3000))
    };
    seen.rows = vec![failing, row(Origin::Connect, Some(443), numbers(928, 0, 3000))];
    seen.counted = Some(numbers(1000, 72, 3000));
    seen.namespaces = vec![(1, "1".into()), (7, "blue".into()), (8, "4026532177".into())];
    let line = CheckReport::new(&seen, &LIMITS).line;
    for part in [
        "ports in use for 10.0.0.1 -> 10.0.0.2:443 in netns blue (",
        "ports in use on 0.0.0.0 in netns 1",
        "1000 attempts: 928 assigned, 72 failed: 72 EADDRNOTAVAIL; worst: 72 of 72 attempts by \
         curl (7) for 10.0.0.1 -> 10.0.0.2:80 in netns 4026532177; port search",
        "failed=100.00%;0;1;0;100",
        "attempts=500.0;;;0 assigned=464.0;;;0",
    ] {
        assert!(line.contains(part), "no {part:?}: {line}");
    }
}
