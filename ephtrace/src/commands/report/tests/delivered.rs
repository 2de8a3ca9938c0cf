//! Recordings whose rows are not the assignments in their order: written at the end of connections,
//! repeated, or with late rows.

use std::fmt::Write as _;

use fastrand::Rng;

use super::{super::reading::read_in_order, json, report, text};
use crate::{analyse::findings::Rule, model::Assignment, replay::MaxMemory};

const START_NS: u64 = 1_795_000_000_000_000_000;

/// One connect of a log.
#[derive(Clone, Copy)]
struct Row {
    ts_ns: u64,
    ended_ns: u64,
    sport: u16,
    server: u8,
}

/// Returns the connects of one host with one counter: +1 for each connect, ten per second to eight
/// servers, with a mean lifetime of `mean_s` seconds.
fn counter(n: u32, mean_s: f64, seed: u64) -> Vec<Row> {
    let mut rng = Rng::with_seed(seed);
    let mut ts_ns = START_NS;
    let ports = (0..n).map(|i| 49_152 + u16::try_from(i % 16_384).unwrap());
    ports
        .map(|sport| {
            ts_ns += rng.u64(1..200_000_000);
            let life_s = -mean_s * (1.0 - rng.f64()).ln();
            // Whole microseconds, below a day.
            let life_ns = format!("{:.0}", life_s * 1e6).parse::<u64>().unwrap() * 1000;
            Row { ts_ns, ended_ns: ts_ns + life_ns, sport, server: rng.u8(1..9) }
        })
        .collect()
}

fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { ts_ns, sport, server, .. } in rows {
        writeln!(
            text,
            r#"{{"ts_ns":{ts_ns},"saddr":"192.0.2.7","sport":{sport},"daddr":"198.51.100.{server}","dport":443}}"#
        )
        .unwrap();
    }
    text
}

/// Returns the rows in the order in which the connections ended.
fn by_end(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.ended_ns);
    rows
}

#[test]
fn a_log_in_the_order_of_ends_is_judged_in_the_order_of_begins() {
    for mean_s in [0.1, 1.0, 8.0, 30.0] {
        let rows = counter(600, mean_s, 11);
        let ended = json(&lines(&by_end(&rows)));
        assert_eq!(ended["verdict"]["pattern"], "sequential", "{mean_s} s");
        assert_eq!(ended["verdict"]["algorithm"], "seq_global", "{mean_s} s");
        assert_eq!(ended["disordered"], 0);
        assert_eq!(ended, json(&lines(&rows)), "{mean_s} s");
    }
}

#[test]
fn attempts_from_one_port_count_once() {
    let rows = counter(60, 1.0, 5);
    let thrice: Vec<Row> = rows
        .iter()
        .flat_map(|row| (0..3).map(|n| Row { ts_ns: row.ts_ns + n * 520_000_000, ..*row }))
        .collect();
    let mut retried = json(&lines(&thrice));
    assert_eq!(retried["retried"], 120);
    assert_eq!(retried["assignments"], 60);
    assert!(text(&lines(&thrice)).contains("120 rows that repeat a connect"));
    retried["retried"] = 0.into();
    assert_eq!(retried, json(&lines(&rows)));
}

/// More rows than a window holds, with the first ones at the end: on a pipe, the disorder shows too
/// late; a file is read again.
#[test]
fn rows_that_come_too_late_are_counted_on_a_pipe_and_sorted_in_a_file() {
    let rows = counter(70_000, 0.0, 3);
    let late: Vec<Row> = rows[2000..].iter().chain(&rows[..2000]).copied().collect();
    let (in_order, late) = (lines(&rows), lines(&late));
    let piped = report(&late).0.unwrap();
    let sorted = report(&in_order).0.unwrap();
    assert_eq!((sorted.summary.disordered, piped.summary.disordered), (0, 2000));
    assert!(
        piped.summary.verdict.pattern_confidence < sorted.summary.verdict.pattern_confidence - 0.05
    );
    let rules: Vec<_> = piped.summary.findings.iter().map(|finding| finding.rule).collect();
    assert!(rules.contains(&Rule::Disorder), "{rules:?}");

    let path = std::env::temp_dir().join(format!("ephtrace-late-{}", std::process::id()));
    std::fs::write(&path, &late).unwrap();
    let nothing = |(): &mut (), _: &Assignment| ();
    let (again, ()) = read_in_order(
        (std::slice::from_ref(&path), MaxMemory::default()),
        None,
        &mut std::io::sink(),
        nothing,
    )
    .unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(again.summary, sorted.summary);
}

/// A thousand connects per second with lifetimes of half a minute: far more are open at once than a
/// window holds, and the first window shows it.
#[test]
fn a_long_log_in_the_order_of_ends_is_sorted_as_a_whole() {
    let rows = counter(90_000, 2000.0, 9);
    let ended = report(&lines(&by_end(&rows))).0.unwrap();
    let sorted = report(&lines(&rows)).0.unwrap();
    assert_eq!(ended.summary.disordered, 0);
    assert_eq!(ended.summary, sorted.summary);
}

/// Returns a list by conntrack: a host with a counter, in the order of the tracker's hash table,
/// behind a NAT that changes every third port.
fn list(n: u16) -> String {
    let line = |at: u16| {
        let (sport, dport) =
            (40_000 + 2 * at, if at.is_multiple_of(3) { 1024 + at } else { 40_000 + 2 * at });
        format!(
            "tcp      6 {at} ESTABLISHED src=10.0.0.1 dst=192.0.2.1 sport={sport} dport=443 \
             src=192.0.2.1 dst=198.51.100.7 sport=443 dport={dport} [ASSURED] mark=0 use=1\n"
        )
    };
    // 89 and each n here have no common factor.
    (0..n).map(|at| line(u16::try_from(u32::from(at) * 89 % u32::from(n)).unwrap())).collect()
}

#[test]
fn a_list_has_ports_and_nothing_that_takes_an_order() {
    let report = json(&list(300));
    assert_eq!((&report["assignments"], &report["disordered"]), (&400.into(), &400.into()));
    let whole = &report["verdict"];
    assert_eq!(
        (&whole["predictable"], &whole["pattern"]),
        (&"unknown".into(), &"undetermined".into())
    );
    assert_eq!(report["hosts"]["judged"], 0);
    assert!(report["fitted_range"]["range_low"].is_null(), "{}", report["fitted_range"]);
    assert_eq!((&report["per_second"], &report["first_ns"]), (&0.0.into(), &().into()));
    let verdicts = ["destinations", "origins"].map(|key| report[key].as_array().unwrap().clone());
    for one in verdicts.into_iter().flatten() {
        let verdict = one.get("verdict").unwrap_or(&one);
        assert_eq!(verdict["predictable"], "unknown", "{one}");
        let evidence = "not judged, because the order of the assignments is not known";
        assert_eq!(verdict["evidence"], serde_json::json!([evidence]), "{one}");
    }
    let nat = report["destinations"].as_array().unwrap().iter().find(|one| one["origin"] == "nat");
    assert_eq!(nat.unwrap()["assignments"], 100);
    let text = text(&list(300));
    assert!(text.contains("400 assignments, 0 failed\n"), "{text}");
    assert!(!text.contains("random"), "{text}");
}
