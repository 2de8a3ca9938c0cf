//! Recordings with many hosts, and with several port ranges on one.

use std::{fmt::Write as _, io};

use clap::Parser as _;
use fastrand::Rng;

use super::{super::reading::read_with, json, page_of, text};
use crate::{
    cli::{Cli, Command},
    commands::settings::build_recorded_filter,
    replay::{Meter, Recording, sorting::Reach},
};

/// Rule by which a client of the capture chooses its ports.
#[derive(Clone, Copy, PartialEq)]
enum Choice {
    /// +1 for every connect.
    Counter,
    /// Random.
    Random,
}

/// Returns a capture at one server with two services: each client connects `each` times, in turn
/// with the others, to a random one of both services.
fn capture(rules: &[Choice], each: u32) -> String {
    let mut rng = Rng::with_seed(77);
    let mut counters: Vec<u16> = rules.iter().map(|_| rng.u16(49_152..64_000)).collect();
    let mut text = String::new();
    for round in 0..each {
        for (client, rule) in rules.iter().enumerate() {
            counters[client] += 1;
            let sport = match rule {
                Choice::Counter => counters[client],
                Choice::Random => rng.u16(1024..),
            };
            let n = u64::from(round) * rules.len() as u64 + client as u64;
            writeln!(
                text,
                r#"{{"ts_ns":{},"saddr":"192.0.2.{client}","sport":{sport},"daddr":"198.51.100.{}","dport":{}}}"#,
                1_795_000_000_000_000_000 + n * 1_000_000,
                rng.u8(1..5),
                if rng.bool() { 443 } else { 80 },
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn hosts_that_agree_have_one_verdict() {
    let report = json(&capture(&[Choice::Counter; 40], 50));
    assert_eq!(report["hosts"]["known"], 40);
    assert_eq!(report["hosts"]["judged"], 40);
    assert_eq!(report["verdict"]["pattern"], "sequential");
    assert_eq!(report["hosts"]["busiest"][0]["pattern"], "sequential");
}

#[test]
fn hosts_that_differ_have_none_over_all() {
    let mut rules = [Choice::Counter; 40];
    rules[25..].fill(Choice::Random);
    let lines = capture(&rules, 120);
    let report = json(&lines);
    assert_eq!(report["verdict"]["pattern"], "undetermined");
    assert_eq!(report["verdict"]["algorithm"], "undetermined");
    let evidence = report["verdict"]["evidence"][0].as_str().unwrap();
    assert_eq!(evidence, "40 hosts, 40 judged: 25 sequential, 15 random");
    let text = text(&lines);
    assert!(text.contains("busiest of 40 hosts:"), "{text}");
    assert!(text.contains("undetermined over all hosts; each has its own verdict"), "{text}");
}

#[test]
fn most_clients_of_a_server_say_too_little() {
    let report = json(&capture(&[Choice::Counter; 200], 3));
    assert_eq!(report["verdict"]["pattern"], "undetermined");
    assert_eq!(report["hosts"]["known"], 200);
    assert_eq!(report["hosts"]["judged"], 0);
}

#[test]
fn one_client_of_many_can_be_reported_on() {
    let mut rules = [Choice::Random; 20];
    rules[7] = Choice::Counter;
    let line = ["ephtrace", "report", "f", "--src", "192.0.2.7"];
    let Command::Report(args) = Cli::parse_from(line).into_command() else { panic!("not report") };
    let filter = build_recorded_filter(&args.filter).unwrap();
    let lines = io::Cursor::new(capture(&rules, 60));
    let recording = Recording::from_reader("test", lines).unwrap();
    let report = read_with(
        recording.into(),
        (Reach::Automatic, Meter::default(), None),
        Some(filter),
        &mut io::sink(),
        |_| (),
    )
    .unwrap();
    assert_eq!(report.summary.assignments, 60);
    assert_eq!(report.summary.hosts.known, 1);
    assert_eq!(report.summary.verdict.pattern.as_str(), "sequential");
}

/// One namespace: sockets with the namespace's range, which is searched by the hash, beside sockets
/// with a range of their own, whose ports are random.
#[test]
fn ranges_of_one_namespace_are_judged_apart() {
    let mut rng = Rng::with_seed(4);
    let mut offsets = [0_u16; 8].map(|_| rng.u16(0..14_000) * 2);
    let mut lines = String::new();
    for n in 0..2000_u64 {
        let server = rng.usize(0..8);
        let (sport, range) = if n % 2 == 0 {
            offsets[server] = (offsets[server] + 2 * rng.u16(1..=8)) % 28_232;
            (32_768 + offsets[server], "[32768,60999]")
        } else {
            (rng.u16(10_000..20_000), "[10000,19999]")
        };
        writeln!(
            lines,
            r#"{{"ts_ns":{},"saddr":"10.0.0.1","sport":{sport},"daddr":"10.0.1.{server}","dport":443,"netns":7,"origin":"connect","range":{range}}}"#,
            1_795_000_000_000_000_000 + n * 1_000_000,
        )
        .unwrap();
    }
    let report = json(&lines);
    assert_eq!(report["hosts"]["known"], 1);
    assert_eq!(report["verdict"]["pattern"], "undetermined");
    let evidence = report["verdict"]["evidence"][0].as_str().unwrap();
    assert!(evidence.starts_with("2 port ranges: "), "{evidence}");
    for pattern in ["1 per_destination", "1 random"] {
        assert!(evidence.contains(pattern), "{evidence}");
    }
}

#[test]
fn a_page_has_a_section_of_hosts() {
    let lines = capture(&[Choice::Counter; 40], 50);
    let recording =
        |lines: String| Recording::from_reader("test.ndjson", io::Cursor::new(lines)).unwrap();
    let page = page_of(recording(lines), &mut io::sink()).unwrap();
    let text =
        "40 hosts (network namespaces or source addresses), 40 with a verdict: 40 sequential.";
    assert!(page.contains(text), "{page}");
    let table = page.split("aria-label=\"Table of hosts\"").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    assert_eq!(table.matches("<th scope=\"row\">192.0.2.").count(), 40);
    let one = page_of(recording(capture(&[Choice::Counter], 50)), &mut io::sink()).unwrap();
    assert!(!one.contains("id=\"hosts\"") && !one.contains("#hosts"));
}
