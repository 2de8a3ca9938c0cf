use ephtrace_common::{
    Origin,
    totals::{latency_slot, tried_slot},
};
use proptest::prelude::*;

use std::{net::Ipv6Addr, sync::Arc};

use super::*;
use crate::model::task_names::Names;

fn key(pid: u32, dport: u16) -> TotalsKey {
    TotalsKey {
        pid,
        netns: 7,
        saddr: "::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap().octets(),
        daddr: "::ffff:10.0.0.2".parse::<Ipv6Addr>().unwrap().octets(),
        dport,
        protocol: 6,
        family: 4,
        origin: Origin::Connect.to_wire(),
        reserved: [0; 2],
    }
}

fn totals(comm: &[u8], latencies: &[u64], tried: &[u32]) -> Totals {
    let mut totals = Totals::new_zeroed();
    totals.comm[..comm.len()].copy_from_slice(comm);
    for &latency_ns in latencies {
        totals.assignments += 1;
        totals.search_ns += latency_ns;
        totals.max_latency_ns[0] = totals.max_latency_ns[0].max(latency_ns);
        totals.latency[latency_slot(latency_ns)] += 1;
    }
    for &tried in tried {
        totals.candidates += u64::from(tried);
        totals.max_tried[0] = totals.max_tried[0].max(tried);
        totals.tried[tried_slot(tried)] += 1;
    }
    totals
}

fn interval_of(
    end_ns: u64,
    duration_ns: u64,
    rows: &[(TotalsKey, Totals)],
    other: Option<&Totals>,
) -> Interval {
    Interval::new(
        Period { end_ns, duration_ns, processors: 2 },
        rows,
        other,
        By::Process,
        |_, _| Some(Membership::default()),
    )
}

#[test]
fn each_container_has_a_row() {
    let rows = [
        (key(10, 443), totals(b"app", &[1000; 3], &[])),
        (key(11, 443), totals(b"app", &[2000; 100], &[])),
        (key(12, 443), totals(b"app", &[2000; 2], &[])),
    ];
    let period = Period { end_ns: 0, duration_ns: 1, processors: 2 };
    let of = |key: &TotalsKey, _: &Totals| {
        let id = if key.pid == 11 { "aaaaaaaaaaaa" } else { "bbbbbbbbbbbb" };
        Some(Membership { container: Some(id.into()), names: None })
    };
    let interval = Interval::new(period, &rows, None, By::Process, of);
    let rows = interval
        .rows
        .iter()
        .map(|row| (row.container.as_deref(), row.processes, row.numbers.assignments));
    let expected = [(Some("aaaaaaaaaaaa"), 1, 100), (Some("bbbbbbbbbbbb"), 2, 5)];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

/// Two processes in a pod, one in another pod, one in none, and one that is not wanted.
fn grouped(by: By) -> Interval {
    let rows = [
        (key(10, 443), totals(b"app", &[1000; 3], &[])),
        (key(11, 443), totals(b"proxy", &[2000; 100], &[])),
        (key(12, 443), totals(b"app", &[2000; 2], &[])),
        (key(13, 443), totals(b"sshd", &[500], &[])),
        (key(14, 443), totals(b"other", &[500], &[])),
    ];
    let period = Period { end_ns: 0, duration_ns: 1, processors: 2 };
    Interval::new(period, &rows, None, by, |key, _| {
        let named = |container: &str, pod: &str| Membership {
            container: Some(format!("{container} of {pod}").into()),
            names: Some(Arc::new(Names {
                container_name: Some(container.into()),
                pod: Some(pod.into()),
                pod_namespace: Some("shop".into()),
                ..Names::default()
            })),
        };
        let unit = Names { unit: Some("ssh.service".into()), ..Names::default() };
        match key.pid {
            10 => Some(named("nginx", "web-0")),
            11 => Some(named("sidecar", "web-0")),
            12 => Some(named("nginx", "web-1")),
            13 => Some(Membership { container: None, names: Some(Arc::new(unit)) }),
            _ => None,
        }
    })
}

#[test]
fn rows_are_grouped_by_what_was_asked_for() {
    let of = |by| {
        let shown = |row: &Row| format!("{} {}", row.process(), row.numbers.assignments);
        grouped(by).rows.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(of(By::Pod), ["shop/web-0 (2 processes) 103", "shop/web-1 2", "sshd (13) 1"]);
    // The containers of the two pods have one name, and are two.
    let mut containers = of(By::Container);
    containers.sort();
    assert_eq!(containers, ["nginx 2", "nginx 3", "sidecar 100", "sshd (13) 1"]);
    assert_eq!(of(By::Unit)[3], "ssh.service 1");
    assert_eq!(of(By::Process)[0], "proxy (11) in sidecar 100");
    let pod = &grouped(By::Pod).rows[0];
    assert_eq!((pod.group.as_deref(), pod.comm.as_str()), (Some("shop/web-0"), "proxy"));
    assert_eq!((pod.pod.as_deref(), pod.pod_namespace.as_deref()), (Some("web-0"), Some("shop")));
}

#[test]
fn what_is_not_wanted_is_in_no_sum() {
    let interval = grouped(By::Process);
    assert_eq!(interval.all.assignments, 106);
    assert!(interval.rows.iter().all(|row| row.comm != "other"));
}

#[test]
fn searches_keep_no_more_processors_busy_than_there_are() {
    let busy = |searches: usize| {
        let rows = [(key(1, 1), totals(b"a", &vec![500_000; searches], &[]))];
        format!("{:.1}", interval_of(0, 1_000_000, &rows, None).all.search_cpus_at_most)
    };
    assert_eq!([1, 3, 4, 40].map(busy), ["0.5", "1.5", "2.0", "2.0"]);
}

#[test]
fn processes_of_one_name_are_one_row() {
    let rows = [
        (key(10, 443), totals(b"curl", &[1000; 3], &[1; 3])),
        (key(11, 443), totals(b"curl", &[2000; 5], &[1, 1, 1, 1, 14_000])),
        (key(12, 443), totals(b"wget", &[500], &[])),
    ];
    let interval = interval_of(0, 1_000_000_000, &rows, None);
    let [curl, wget] = interval.rows.as_slice() else { panic!("{:?}", interval.rows) };
    assert_eq!((curl.comm.as_str(), curl.pid, curl.processes), ("curl", Some(11), 2));
    assert_eq!((curl.numbers.assignments, curl.numbers.search_ns), (8, 13_000));
    assert_eq!((curl.numbers.tried_p50, curl.numbers.tried_max), (Some(1), Some(14_000)));
    assert_eq!((wget.numbers.tried_p50, wget.numbers.searches_known), (None, 0));
    assert_eq!(interval.all.assignments, 9);
}

#[test]
fn what_found_no_room_is_part_of_all() {
    let mut other = totals(b"x", &[1000; 4], &[]);
    other.failures[0] = 3;
    let interval = interval_of(0, 500_000_000, &[], Some(&other));
    assert_eq!((interval.all.assignments, interval.all.failed), (4, 3));
    assert_eq!(interval.all.errors, [(Some(99), 3)]);
    let data = serde_json::to_value(&interval.all).unwrap();
    let failed = serde_json::json!([{ "errno": 99, "error": "EADDRNOTAVAIL", "count": 3 }]);
    assert_eq!(data["errors"], failed);
    assert_eq!(error_name(None), "other");
    assert!((interval.all.per_second - 8.0).abs() < 1e-9);
    assert_eq!(interval.other.unwrap().failed, 3);
}

proptest! {
    /// Quantiles are upper bounds, and off by at most the width of a slot.
    #[test]
    fn quantiles_are_close(mut latencies in prop::collection::vec(1_u64..20_000_000, 1..300)) {
        let interval = interval_of(0, 1, &[(key(1, 1), totals(b"a", &latencies, &[]))], None);
        latencies.sort_unstable();
        let all = &interval.all;
        let told = all.latency.unwrap();
        for (percent, told) in [(50, told.p50_ns), (99, told.p99_ns)] {
            let truth = latencies[(latencies.len() * percent).div_ceil(100) - 1];
            prop_assert!(told >= truth && told <= truth.max(410) * 5 / 4, "{told} {truth}");
        }
        prop_assert_eq!(Some(told.max_ns), latencies.last().copied());
    }
}

fn interval(nth: u64, counts: &[(&[u8], usize)]) -> Interval {
    let rows: Vec<_> = (0_u32..)
        .zip(counts)
        .map(|(pid, (comm, count))| (key(pid, 80), totals(comm, &vec![1000; *count], &[])))
        .collect();
    interval_of((nth + 1) * 1_000_000_000, 1_000_000_000, &rows, None)
}

#[test]
fn a_storm_has_a_beginning_an_end_and_an_initiator() {
    let mut detector = Detector::default();
    for nth in 0..5 {
        assert_eq!(detector.observe(&interval(nth, &[(b"nginx", 40), (b"cron", 2)])), None);
    }
    let began = detector.observe(&interval(5, &[(b"nginx", 50), (b"deploy", 3000)])).unwrap();
    assert_eq!((began.before, began.began_ns), (42.0, 5_000_000_000));
    let (who, share) = began.initiator.unwrap();
    assert_eq!(who, "deploy (1)");
    assert!(share > 0.99);
    let goes_on = detector.observe(&interval(6, &[(b"deploy", 5000)])).unwrap();
    assert_eq!((goes_on.peak, goes_on.ended_ns), (5000.0, None));
    let ended = detector.observe(&interval(7, &[(b"nginx", 40)])).unwrap();
    assert_eq!((ended.peak, ended.ended_ns), (5000.0, Some(7_000_000_000)));
    assert_eq!(detector.observe(&interval(8, &[(b"nginx", 40)])), None);
}

#[test]
fn without_a_quiet_time_before_nothing_is_a_storm() {
    let mut detector = Detector::default();
    for nth in 0..10 {
        assert_eq!(detector.observe(&interval(nth, &[(b"a", 9000)])), None);
    }
}
