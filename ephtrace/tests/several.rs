//! Several recordings in one call: merged by time, in bounded memory; a bad recording costs no
//! other.

#![expect(clippy::unwrap_used, reason = "a test ends where its files can't be made")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A folder that is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir();
        let path = path.join(format!("ephtrace-several-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // At worst, it is left over in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ephtrace(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ephtrace")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns the given seconds of a counter by 2, as lines of NDJSON.
fn ndjson(seconds: impl Iterator<Item = u64>) -> String {
    seconds.fold(String::new(), |mut text, n| {
        let (ts_ns, sport) = (1_795_000_000_000_000_000 + n * 1_000_000_000, 40_000 + 2 * n);
        let to = r#""saddr":"10.0.0.1","daddr":"10.0.0.2","dport":443"#;
        writeln!(text, r#"{{"ts_ns":{ts_ns},"sport":{sport},{to}}}"#).unwrap();
        text
    })
}

fn tcpdump(seconds: impl Iterator<Item = u64>) -> String {
    seconds.fold(String::new(), |mut text, n| {
        let (time, sport) = (1_795_000_000 + n, 40_000 + 2 * n);
        writeln!(text, "{time}.0 IP 10.0.0.1.{sport} > 10.0.0.2.443: Flags [S], seq {n}, win 1")
            .unwrap();
        text
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// Returns the ports of a trace, in its order.
fn ports(output: &Output) -> Vec<u64> {
    let lines = stdout(output);
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["type"] == "assignment")
        .map(|row| row["sport"].as_u64().unwrap())
        .collect()
}

fn in_order(count: u64) -> Vec<u64> {
    (0..count).map(|n| 40_000 + 2 * n).collect()
}

#[test]
fn rotated_files_of_several_formats_are_merged_by_time() {
    let scratch = Scratch::new("rotated");
    let a = scratch.file("a.gz", gzip(&tcpdump(0..100)));
    let b = scratch.file("b", ndjson(100..200));
    let c = scratch.file("c", tcpdump(200..300));
    // The files are in no order, and one of them is a pipe.
    let traced = ephtrace(&["trace", "-o", "json", "-q", "--from", &c, &a, &b]);
    assert!(traced.status.success(), "{}", stderr(&traced));
    assert_eq!(ports(&traced), in_order(300));
    let mut piped = Command::new(env!("CARGO_BIN_EXE_ephtrace"));
    piped.args(["trace", "-o", "json", "-q", "--from", &c, "-", &b]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&a).unwrap()).unwrap();
    assert_eq!(ports(&child.wait_with_output().unwrap()), in_order(300));
    let parquet = scratch.path("all.parquet");
    let from = ["--from", &a, "--from", &c, "--from", &b];
    let recorded = ephtrace(&[&["record", &parquet, "-q"][..], &from].concat());
    assert!(recorded.status.success(), "{}", stderr(&recorded));
    assert_eq!(ports(&ephtrace(&["trace", "-o", "json", "-q", "--from", &parquet])), in_order(300));
    let report = ephtrace(&["report", "--json", &b, &parquet, &a, &c]);
    let report: Value = serde_json::from_str(&stdout(&report)).unwrap();
    assert_eq!((&report["format"], &report["disordered"]), (&"several".into(), &0.into()));
    // Each packet is there twice, as in captures of two interfaces.
    assert_eq!((&report["assignments"], &report["retried"]), (&300.into(), &300.into()));
    assert_eq!(report["verdict"]["predictable"], "yes", "{}", report["verdict"]);
}

#[test]
fn many_files_that_overlap_are_merged_a_few_at_a_time() {
    let scratch = Scratch::new("overlap");
    let mut files = Vec::new();
    for nth in 0..20_u64 {
        // Each file shares half of its time with the next one.
        let mine = (nth * 50..nth * 50 + 100).filter(|n| n % 2 == nth % 2);
        files.push(scratch.file(&format!("{nth}"), ndjson(mine)));
    }
    let names: Vec<&str> = files.iter().rev().map(String::as_str).collect();
    let traced = ephtrace(&[&["trace", "-o", "json", "-q", "--from"][..], &names].concat());
    let ports = ports(&traced);
    assert_eq!(ports.len(), 1000);
    assert!(ports.is_sorted(), "out of order");
    let report = ephtrace(&[&["report", "--json"][..], &names].concat());
    let report: Value = serde_json::from_str(&stdout(&report)).unwrap();
    assert_eq!(report["disordered"], 0);
}

#[test]
fn a_bad_file_is_named_and_the_others_are_read() {
    let scratch = Scratch::new("bad");
    let (a, c) = (scratch.file("a", ndjson(0..50)), scratch.file("c", ndjson(50..100)));
    let bad = scratch.file("bad", b"BZh91AY&SY of something else");
    let missing = scratch.path("missing");
    for other in [&bad, &missing] {
        let report = ephtrace(&["report", &a, other, &c]);
        assert_eq!(report.status.code(), Some(1));
        assert!(stdout(&report).contains("100 assignments"), "{}", stdout(&report));
        assert!(stderr(&report).contains(other.as_str()), "{}", stderr(&report));
        assert_eq!(stderr(&report).lines().count(), 1, "{}", stderr(&report));
        let traced = ephtrace(&["trace", "-o", "json", "-q", "--from", &a, other, &c]);
        assert_eq!((traced.status.code(), ports(&traced)), (Some(1), in_order(100)));
        assert!(stderr(&traced).contains(other.as_str()), "{}", stderr(&traced));
    }
    let alone = ephtrace(&["report", &bad, &missing]);
    assert_eq!((alone.status.code(), stdout(&alone)), (Some(1), String::new()));
    // A recording without an assignment is no error, but is reported.
    let empty = scratch.file("empty", tcpdump(0..3).replace("[S]", "[.]"));
    let report = ephtrace(&["report", &a, &empty]);
    assert_eq!(report.status.code(), Some(0), "{}", stderr(&report));
    let nothing = ephtrace(&["report", &empty, &empty]);
    assert_eq!((nothing.status.code(), stdout(&nothing)), (Some(1), String::new()));
    assert!(stderr(&nothing).contains("3 packets"), "{}", stderr(&nothing));
}

#[test]
fn a_line_that_can_t_be_read_is_told_with_its_file() {
    let scratch = Scratch::new("line");
    let (a, b) = (scratch.file("a", ndjson(0..9)), scratch.file("b", ndjson(9..20) + "{\"x\n"));
    let report = ephtrace(&["report", "--json", &a, &b]);
    assert!(stderr(&report).contains("line 12") && stderr(&report).contains("/b)"));
    let report: Value = serde_json::from_str(&stdout(&report)).unwrap();
    assert_eq!((&report["assignments"], &report["losses"]["unreadable"]), (&20.into(), &1.into()));
}

/// The first namespace has the same number on every machine.
#[test]
fn machines_that_can_t_be_told_apart_are_told() {
    let scratch = Scratch::new("machines");
    let of = |seconds: std::ops::Range<u64>| {
        ndjson(seconds).replace("\"dport\"", "\"netns\":4026531840,\"dport\"")
    };
    let (first, later) = (scratch.file("a", of(0..40)), scratch.file("b", of(40..80)));
    let meanwhile = scratch.file("c", of(20..60));
    let said = |args: &[&str]| stdout(&ephtrace(args));
    let note = "assumed to belong to one machine";
    let rotated = said(&["report", &first, &later]);
    assert!(!rotated.contains(note), "{rotated}");
    let both = said(&["report", &first, &meanwhile]);
    assert_eq!(both.matches(note).count(), 1, "{both}");
}

/// Connections of one port, one after the other, as text of tcpdump.
fn reused() -> String {
    let (to, back) = ("10.0.0.1.40000 > 10.0.0.2.443", "10.0.0.2.443 > 10.0.0.1.40000");
    (1..=5).fold(String::new(), |mut text, n| {
        writeln!(text, "179500000{n}.0 IP {to}: Flags [S], seq {n}00000, win 1").unwrap();
        writeln!(text, "179500000{n}.1 IP {back}: Flags [S.], seq 7, ack {n}00001, win 1").unwrap();
        text
    })
}

#[test]
fn connections_of_one_port_are_the_same_number_after_a_conversion() {
    let scratch = Scratch::new("reused");
    let log = scratch.file("log", reused());
    let parquet = scratch.path("p");
    assert!(ephtrace(&["record", &parquet, "-q", "--from", &log]).status.success());
    let convert = |format: &str, name: &str| {
        let output = ephtrace(&["trace", "-o", format, "-q", "--from", &log]);
        scratch.file(name, output.stdout)
    };
    let (json, csv) = (convert("json", "j"), convert("csv", "c"));
    for files in [vec![&log], vec![&parquet], vec![&json], vec![&csv], vec![&csv, &log, &parquet]] {
        let files: Vec<&str> = files.into_iter().map(String::as_str).collect();
        let report = ephtrace(&[&["report", "--json"][..], &files].concat());
        let report: Value = serde_json::from_str(&stdout(&report)).unwrap();
        let repeated = 5 * (files.len() as u64 - 1);
        let counted = (&report["assignments"], &report["retried"]);
        assert_eq!(counted, (&5.into(), &repeated.into()), "{files:?}");
    }
}
