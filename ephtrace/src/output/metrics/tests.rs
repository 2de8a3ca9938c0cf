use std::sync::Arc;

use ephtrace_common::{
    Origin,
    totals::{Totals, TotalsKey},
};
use zerocopy::FromZeros as _;

use super::*;
use crate::analyse::pattern::Algorithm;
use crate::{
    analyse::{counters::Counters, findings::Severity, summary::CpuTime},
    model::{Hook, losses::Losses},
};

fn counted(destinations: u8) -> Counters {
    let mut counters = Counters::new(50);
    let row = |daddr: u8, family: u8, origin: Origin| {
        let mut key = TotalsKey::new_zeroed();
        (key.family, key.origin, key.netns) = (family, origin as u8, 4_026_531_840);
        key.daddr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, daddr];
        key.dport = 443;
        let mut totals = Totals::new_zeroed();
        (totals.assignments, totals.search_ns, totals.candidates) = (10, 20_000, 12);
        (totals.failures[0], totals.failures[2]) = (2, 1);
        (totals.latency[5], totals.latency[63], totals.tried[0]) = (9, 1, 7);
        (key, totals)
    };
    let mut rows: Vec<_> = (1..=destinations).map(|n| row(n, 4, Origin::Connect)).collect();
    rows.push(row(9, 6, Origin::Udp));
    let mut other = Totals::new_zeroed();
    other.assignments = 3;
    counters.add(&rows, Some(&other), 0);
    counters
}

fn snapshot(destinations: u8, namespaces: u32) -> Snapshot {
    let one = |netns| NetnsUse {
        netns,
        name: if netns == 1 { "blue \"x\"".to_owned() } else { String::new() },
        range: 28_232,
        reserved: 2,
        in_use: 14_000,
        bound: 3,
        udp: 5,
        time_wait: 12_000,
        fullest: 0.5,
        past_half: 1,
        full: 0,
    };
    Snapshot {
        ts_ns: 1_795_000_000_500_000_000,
        hook: Some(Hook::Fentry),
        trouble: None,
        kernel: "6.12.0".to_owned(),
        counters: counted(destinations),
        namespaces: (1..=namespaces).map(one).collect(),
        sockets_ts_ns: Some(1_795_000_000_250_000_000),
        namespaces_left_out: 0,
        full_in_s: Some(1800.0),
        recorded: Some(Recorded {
            verdict: None,
            rows: 65_536,
            span_ns: 6_500_000_000,
            not_kept: 8,
            rests: true,
            incidents: [("written", 2), ("failed", 0), ("left_out", 1)],
        }),
        expected: Some(Algorithm::LinuxDhash64k),
        findings: vec![("exhausted", Severity::Warning), ("exhausted", Severity::Critical)],
        losses: Losses { in_flight_full: 4, ..Losses::default() },
        cpu: CpuTime { user_ns: 1_500_000_000, system_ns: 0 },
        resident_bytes: 1 << 20,
        map_bytes: 1 << 21,
        measuring_s: 0.012,
    }
}

fn written(exposition: Exposition, snapshot: Snapshot) -> String {
    exposition.write(Arc::new(snapshot)).unwrap()
}

#[test]
fn prometheus() {
    insta::assert_snapshot!(written(Exposition::Prometheus, snapshot(2, 2)));
}

#[test]
fn open_metrics() {
    insta::assert_snapshot!(written(Exposition::OpenMetrics, snapshot(1, 1)));
}

/// Whatever connects, the number of series is bounded.
#[test]
fn the_number_of_series_is_bounded() {
    let mut full = snapshot(60, 100);
    full.findings = (crate::analyse::findings::Rule::ALL.iter())
        .map(|rule| (rule.name(), Severity::Note))
        .collect();
    assert!(series(&full) < 1500, "{} series", series(&full));
    let lines = written(Exposition::Prometheus, full);
    assert!(lines.lines().filter(|line| !line.starts_with('#')).count() <= 2000);
}

#[test]
fn names_follow_the_conventions() {
    for Metric { name, kind, help, labels, .. } in METRICS {
        let is_plain = |text: &str| text.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
        assert!(name.starts_with("ephtrace_") && is_plain(name), "{name}");
        assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}");
        assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        assert!(labels.iter().all(|label| is_plain(label)), "{name}: {labels:?}");
        let is_in_parts = name.contains("_ms") || name.contains("_ns") || name.contains("percent");
        assert!(!is_in_parts, "{name}: base units are seconds, bytes and ratios");
        let many = METRICS.iter().filter(|other| other.name == *name).count();
        assert_eq!(many, 1, "{name} ({kind:?})");
    }
}

#[test]
fn a_client_gets_the_format_that_it_asks_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    assert_eq!(Exposition::accepted_by(prometheus), Exposition::OpenMetrics);
    for other in ["", "*/*", "text/plain"] {
        assert_eq!(Exposition::accepted_by(other), Exposition::Prometheus);
    }
}
