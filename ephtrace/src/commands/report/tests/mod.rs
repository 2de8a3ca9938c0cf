//! Reports on literal recordings.

mod compared;
mod delivered;
mod hosts;

use std::{
    fmt::Write as _,
    io::{self, Cursor, Read},
};

use anyhow::Result;
use proptest::prelude::*;

use super::{page, reading::read_with, *};
use crate::{
    analyse::{charts::Charts, destinations::MAX_DESTINATIONS, processes::MAX_PROCESSES},
    model::Assignment,
    output::{Paper, Screen},
    replay::{MaxMemory, Meter, Recording, sorting::Reach},
};

/// Returns the report on `lines`, and the notices.
fn report(lines: &str) -> (Result<Report>, String) {
    let mut notices = Vec::new();
    let recording = Recording::from_reader("test.ndjson", Cursor::new(lines.to_owned())).unwrap();
    let report = read(recording, &mut notices);
    (report, String::from_utf8(notices).unwrap())
}

fn text(lines: &str) -> String {
    let mut out = Vec::new();
    report(lines).0.unwrap().write_text(&mut out, None, Paper::default()).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(lines: &str) -> serde_json::Value {
    let mut out = Vec::new();
    report(lines).0.unwrap().write_json(&mut out).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap().lines().count(), 1);
    serde_json::from_slice(&out).unwrap()
}

/// Returns a recording of three destinations in turn, each with a counter of its own that moves by
/// 2 to 16.
fn double_hash(n: u32) -> String {
    let mut text = String::new();
    let mut offsets = [4000, 20_000, 11_000];
    for i in 0..n {
        let lane = (i * 7 + i / 5) % 3;
        let offset = &mut offsets[lane as usize];
        *offset = (*offset + 2 + i.wrapping_mul(2_654_435_761) % 8 * 2) % 28_232;
        writeln!(
            text,
            r#"{{"ts_ns":{},"saddr":"10.0.0.1","sport":{},"daddr":"10.0.1.{lane}","dport":443,"protocol":"tcp","netns":7,"origin":"connect","range":[32768,60999],"pid":{},"comm":"curl","errno":0}}"#,
            1_795_000_000_000_000_000 + u64::from(i) * 1_000_000,
            32_768 + *offset,
            100 + i % 2,
        )
        .unwrap();
    }
    text
}

fn page(recording: Recording) -> String {
    let mut charts = Charts::default();
    let observe = |assignment: &Assignment| charts.observe(assignment);
    let reach = (Reach::Automatic, Meter::default(), None);
    let report = read_with(recording.into(), reach, None, &mut io::sink(), observe).unwrap();
    page::render(&report, &charts)
}

fn failure() -> &'static str {
    r#"{"ts_ns":1795000000900000000,"saddr":"10.0.0.1","sport":null,"daddr":"10.0.1.1","dport":443,"protocol":"tcp","netns":7,"origin":"connect","range":[32768,60999],"pid":100,"comm":"curl","errno":99}
{"type":"loss","stage":"ring_full","lost":3,"total":3}
"#
}

#[test]
fn a_report_for_people() {
    insta::assert_snapshot!(text(&(double_hash(300) + failure())), @r#"
    test.ndjson: 301 assignments in 900.0 ms (334.4/s), 1 failed: 1 EADDRNOTAVAIL
    critical: curl (100) finds no free port (connect) for 10.0.0.1 -> 10.0.1.1:443 [exhausted]
      evidence: 1 of 121 assignments failed: no free port; the range has 28232 ports
      remedy:   reuse connections: a connection pool, HTTP keep-alive
      remedy:   inside netns 7: sysctl -w net.ipv4.ip_local_port_range="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)
      remedy:   to make it permanent, set it where the namespace is created
      remedy:   use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports
    critical: 3 events were lost and are missing from the counts here [losses]
      evidence: 3 ring_full
    verdict: each port follows the last one assigned to the same destination (per_destination, 99.9 %): double hash with random increments, Linux 5.18 or later (linux_dhash64k, 99.9 %)
      predictable: yes (99.9 %), the ports follow a counter
      297 of 297 repeat connects landed 2 to 16 ports above the previous one (0.06 % expected by chance); small steps ignoring destination: 0 of 299; 300 of 300 even: double hash with random increments, Linux 5.18 or later
      an attacker who knows the last port needs about 8 guesses for the next one (3.0 bits)

    busiest of 3 destinations:
        COUNT  FAILED  USUAL STEP  PORTS       VERDICT         DESTINATION
          121       1  +8 (13 %)   120/28232   linux_dhash64k  10.0.0.1 -> 10.0.1.1:443
          120       0  +6 (13 %)   120/28232   linux_dhash64k  10.0.0.1 -> 10.0.1.0:443
           60       0  +4 (14 %)   60/28232    linux_dhash64k  10.0.0.1 -> 10.0.1.2:443

    busiest of 2 processes:
        COUNT  FAILED  VERDICT             PID COMM
          151       1  linux_dhash64k      100 curl
          150       0  linux_dhash64k      101 curl

    reuse: no 4-tuple was reused
    lost 3 events: 3 ring_full
    "#);
}

#[test]
fn a_report_as_data() {
    let mut report = json(&(double_hash(300) + failure()));
    let verdict = report["verdict"].take();
    assert_eq!(verdict["pattern"], "per_destination");
    assert_eq!(verdict["algorithm"], "linux_dhash64k");
    assert_eq!(verdict["n"], 300);
    let keys = [
        "pattern",
        "pattern_confidence",
        "algorithm",
        "algorithm_confidence",
        "n",
        "informative_pairs",
        "evidence",
        "patterns",
        "algorithms",
        "confirmed_by_kernel",
    ];
    let destinations = report["destinations"].take();
    let destinations = destinations.as_array().unwrap();
    let first = destinations[0].as_object().unwrap();
    for key in keys {
        assert!(verdict.as_object().unwrap().contains_key(key), "{key}");
        assert!(first.contains_key(key), "{key}");
    }
    let shown: Vec<String> = destinations
        .iter()
        .map(|d| {
            format!(
                "{} {} {} {} {} {} {} {}",
                d["netns"],
                d["saddr"],
                d["daddr"],
                d["dport"],
                d["protocol"],
                d["origin"],
                d["assignments"],
                d["pattern"]
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r##"
    7 "10.0.0.1" "10.0.1.1" 443 "tcp" "connect" 121 "per_destination"
    7 "10.0.0.1" "10.0.1.0" 443 "tcp" "connect" 120 "per_destination"
    7 "10.0.0.1" "10.0.1.2" 443 "tcp" "connect" 60 "per_destination"
    "##);
    assert_eq!(report["processes"].as_array().unwrap().len(), 2);
    assert_eq!(report["origins"][0]["origin"], "connect");
    for list in ["processes", "origins", "destinations"] {
        report.as_object_mut().unwrap().remove(list);
    }
    insta::assert_snapshot!(report, @r#"{"assignments":301,"cpu":null,"destinations_evicted":0,"destinations_known":3,"disordered":0,"duration_ns":900000000,"errors":[{"count":1,"errno":99,"error":"EADDRNOTAVAIL"}],"explicit":0,"failed_only":false,"failures":1,"findings":[{"evidence":["1 of 121 assignments failed: no free port; the range has 28232 ports"],"remedies":["reuse connections: a connection pool, HTTP keep-alive","inside netns 7: sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)","to make it permanent, set it where the namespace is created","use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports"],"rule":"exhausted","sentence":"curl (100) finds no free port (connect) for 10.0.0.1 -> 10.0.1.1:443","severity":"critical"},{"evidence":["3 ring_full"],"remedies":[],"rule":"losses","sentence":"3 events were lost and are missing from the counts here","severity":"critical"}],"first_ns":1795000000000000000,"fitted_range":null,"format":"ndjson","hook":null,"hosts":{"busiest":[{"algorithm":"linux_dhash64k","algorithm_confidence":0.998901,"algorithms":[{"name":"linux_dhash64k","probability":0.998901},{"name":"mixed","probability":0.001099},{"name":"linux_dhash256","probability":0.0},{"name":"linux_lpr","probability":0.0},{"name":"other","probability":0.0},{"name":"linux_hint_even","probability":0.0},{"name":"alg4_dhash","probability":0.0},{"name":"alg3_hash","probability":0.0},{"name":"seq_global","probability":0.0},{"name":"alg5_randinc","probability":0.0},{"name":"random_uniform","probability":0.0},{"name":"random_odd","probability":0.0},{"name":"fixed","probability":0.0}],"assignments":301,"complete":true,"confirmed_by_kernel":null,"evidence":["predictable: yes (99.9 %), the ports follow a counter","297 of 297 repeat connects landed 2 to 16 ports above the previous one (0.06 % expected by chance); small steps ignoring destination: 0 of 299; 300 of 300 even: double hash with random increments, Linux 5.18 or later","an attacker who knows the last port needs about 8 guesses for the next one (3.0 bits)"],"failures":1,"fitted_range":null,"informative_pairs":297,"n":300,"netns":7,"next_port_bits":3.0,"pattern":"per_destination","pattern_confidence":0.998901,"patterns":[{"name":"per_destination","probability":0.998901},{"name":"mixed","probability":0.001099},{"name":"sequential","probability":0.0},{"name":"random","probability":0.0},{"name":"fixed","probability":0.0}],"predictable":"yes","predictable_confidence":0.998901,"saddr":null}],"evicted":0,"judged":1,"known":1,"only_predictable":0,"patterns":[{"count":1,"pattern":"per_destination"}]},"instead":null,"kernel_cost":null,"kernel_counts":null,"known_by_answer":0,"lanes_evicted":0,"last_ns":1795000000900000000,"latency":null,"losses":{"hook_missed":0,"in_flight_full":0,"return_missed":0,"ring_full":3,"undecodable":0,"unreadable":0},"notes":[],"other_assignments":0,"overflow":null,"packets":{"damaged":0,"datagrams":0,"encrypted":0,"fragments":0,"icmp":0,"mid_stream":0,"not_ip":0,"other_ip":0,"syn":0,"syn_ack":0},"per_second":334.44444444444446,"processes_evicted":0,"provenance":{"hook_names":[],"host_names":[],"kernel_releases":[],"tells_losses":true},"recording":"test.ndjson","repeated":0,"retried":0,"reuse":{"after_assignments":null,"after_ns":null,"forgotten":0,"reuses":0,"soonest":null,"warning":null},"schema_version":1,"self_connects":{"at_risk":0,"count":0,"explanation":null,"risk":null},"translated":0,"translated_kept_port":0,"type":"report","unseen_failures":null,"verdict":null}"#);
}

/// The searches of a recording reveal the steps of the kernel's counters, without the counters.
#[test]
fn the_kernel_s_own_searches_confirm_a_verdict() {
    let began = |line: &str| {
        let port = line.split_once(r#""sport":"#).unwrap().1.split(',').next().unwrap();
        line.replace(
            r#""errno":0"#,
            &format!(r#""errno":0,"first_candidate":{port},"tried":1,"hook":"fentry""#),
        ) + "\n"
    };
    let lines: String = double_hash(300).lines().map(began).collect();
    let report = json(&lines);
    assert_eq!(report["verdict"]["confirmed_by_kernel"], true);
    let evidence = report["verdict"]["evidence"].to_string();
    assert!(evidence.contains("confirmed by the kernel's own state in 297 searches"), "{evidence}");
    assert_eq!(report["destinations"][0]["confirmed_by_kernel"], true);
    assert_eq!(json(&double_hash(300))["verdict"]["confirmed_by_kernel"], serde_json::Value::Null);
}

#[test]
fn nothing_is_a_report_too() {
    insta::assert_snapshot!(text(""), @r##"
    test.ndjson: 0 assignments, 0 failed
    lost 0 events
    "##);
}

#[test]
fn a_file_without_a_single_assignment_is_refused() {
    let (report, said) = report("hello\nworld\n");
    insta::assert_snapshot!(report.unwrap().instead.unwrap(), @"test.ndjson: no readable records (line 1: expected value, column 1); expected a packet capture (pcap, pcapng), a log with a header (Zeek, a table), or Parquet or NDJSON with at least ts_ns, saddr, sport, daddr, dport, as written by `ephtrace record` and `ephtrace -o json`");
    insta::assert_snapshot!(self::report("").0.unwrap().instead.unwrap(), @"test.ndjson has no assignments: it is empty; make a recording with `sudo ephtrace record FILE`");
    insta::assert_snapshot!(said, @"");
}

#[test]
fn only_the_first_broken_lines_are_said_and_all_are_counted() {
    let lines = double_hash(3) + &"x\n".repeat(100);
    let (report, said) = report(&lines);
    assert_eq!(report.unwrap().summary.losses.unreadable, 100);
    assert_eq!(said.lines().count(), 11);
    assert!(said.starts_with("ephtrace: test.ndjson: line 4: "), "{said}");
}

#[test]
fn self_connects_and_early_reuse_are_said() {
    let line = |n: u64, sport: u16, dport: u16| {
        format!(
            r#"{{"ts_ns":{},"saddr":"127.0.0.1","sport":{sport},"daddr":"127.0.0.1","dport":{dport},"range":[32768,60999]}}"#,
            1_795_000_000_000_000_000 + n * 1_000_000_000
        )
    };
    let lines = [line(0, 40_000, 40_004), line(1, 40_004, 40_004), line(2, 40_000, 40_004)];
    let text = text(&lines.join("\n"));
    for start in ["self-connect: one socket", "risk: 3 connects", "warning: 4-tuple reused"] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}:\n{text}");
    }
}

/// Lines without end: many destinations, many processes, every port.
struct Endless {
    rows: u64,
    line: Cursor<String>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.line.read(buffer)?;
        if read > 0 || self.rows == 0 {
            return Ok(read);
        }
        self.rows -= 1;
        let n = self.rows.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (lane, port) =
            (if n.is_multiple_of(2) { n % 16 } else { n % 60_000 }, 32_768 + n / 7 % 28_232);
        self.line = Cursor::new(format!(
            r#"{{"ts_ns":{},"saddr":"10.0.0.1","sport":{port},"daddr":"10.{}.{}.1","dport":443,"pid":{},"range":[32768,60999]}}{}"#,
            1_795_000_000_000_000_000 + self.rows,
            lane / 256,
            lane % 256,
            n % 1000,
            '\n'
        ));
        self.line.read(buffer)
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes half a minute in a release build"]
fn ten_million_rows_take_bounded_memory() {
    const ROWS: u64 = 10_000_000;
    let endless = Endless { rows: ROWS, line: Cursor::default() };
    let recording = Recording::from_reader("endless", endless).unwrap();
    let report = read(recording, &mut io::sink()).unwrap();
    assert_eq!(report.summary.assignments, ROWS);
    assert!(report.summary.destinations.len() <= MAX_DESTINATIONS);
    assert!(report.summary.processes.len() <= MAX_PROCESSES);
    let resident = resident_kib();
    assert!(resident < 96 << 10, "{resident} KiB");
}

#[test]
#[ignore = "takes half a minute in a release build"]
fn ten_million_rows_make_a_page_of_bounded_size() {
    let endless = Endless { rows: 10_000_000, line: Cursor::default() };
    let recording = Recording::from_reader("endless", endless).unwrap();
    let page = page(recording);
    assert!(page.contains("10,000,000 ports"));
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    let resident = resident_kib();
    assert!(resident < 128 << 10, "{resident} KiB");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any numbers: ports outside of the range, ranges of one port, time that goes back.
    #[test]
    fn arbitrary_recordings_do_not_panic(
        range in prop::option::of((any::<u16>(), any::<u16>())),
        lines in prop::collection::vec(
            (any::<u64>(), prop::option::of(any::<u16>()), 0_u8..4, any::<u16>(), 0_usize..8),
            0..100,
        ),
    ) {
        let origins = ["connect", "bind", "listen", "udp", "explicit", "", "\\u0000", "x"];
        let port = |port: Option<u16>| port.map_or("null".to_owned(), |port| port.to_string());
        let mut text = String::new();
        for (ts_ns, sport, host, dport, origin) in lines {
            let (sport, origin) = (port(sport), origins[origin]);
            let range = range.map_or("null".to_owned(), |(low, high)| format!("[{low},{high}]"));
            writeln!(
                text,
                r#"{{"ts_ns":{ts_ns},"saddr":"10.0.0.1","sport":{sport},"daddr":"10.0.0.{host}","dport":{dport},"range":{range},"origin":"{origin}","pid":{host},"hook":"fentry"}}"#
            )
            .unwrap();
        }
        if let Ok(report) = report(&text).0 {
            let screen = Screen { width: 80, colour: true };
            let written = report.write_text(&mut Vec::new(), Some(screen), Paper::default());
            prop_assert!(written.is_ok());
            prop_assert!(report.write_json(&mut Vec::new()).is_ok());
        }
    }
}

#[test]
fn a_page() {
    let lines = double_hash(300) + failure();
    let recording = Recording::from_reader("test.ndjson", Cursor::new(lines)).unwrap();
    let page = page(recording);
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.contains("Each port follows the last one assigned to the same destination"));
    assert!(page.contains("3 events were lost"));
    assert!(page.trim_end().ends_with("</html>"));
}

#[test]
fn a_page_does_not_overwrite_its_recording() {
    let path = std::env::temp_dir().join(format!("ephtrace-page-{}", std::process::id()));
    std::fs::write(&path, double_hash(2)).unwrap();
    let refused =
        page::write((&path, None), (std::slice::from_ref(&path), MaxMemory::default()), None, true)
            .unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), double_hash(2));
    std::fs::remove_file(&path).unwrap();
    assert!(
        refused.to_string().ends_with("is the recording itself; name another file for the page")
    );
}
