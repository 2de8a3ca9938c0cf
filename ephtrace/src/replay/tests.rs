//! Recordings that are short enough to be written here.

use std::{
    io::{self, Cursor, Write as _},
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use proptest::prelude::*;

use super::*;
use crate::{
    model::{
        Assignment, Comm, FlowKey, Hook, Origin, Pass, Protocol, RangeInForce, Unknown,
        columns::{COLUMNS, Column, Read, Value},
        losses::Losses,
    },
    output::{JsonSink, Notices, Sink as _},
};

fn recording(bytes: impl Into<Vec<u8>>) -> Recording {
    Recording::from_reader("test", Cursor::new(bytes.into())).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns all assignments, and the messages about broken ones.
fn read(bytes: impl Into<Vec<u8>>) -> (Vec<Assignment>, Vec<String>, Losses) {
    let mut recording = recording(bytes);
    let (mut assignments, mut broken) = (Vec::new(), Vec::new());
    for item in recording.by_ref() {
        match item.unwrap() {
            Item::Assignment(assignment) => assignments.push(assignment),
            Item::Broken(what) => broken.push(what.to_string()),
        }
    }
    (assignments, broken, recording.losses())
}

fn full() -> Assignment {
    Assignment {
        ts_ns: 1_795_000_000_000_000_007,
        pid: Some(4242),
        tid: Some(4243),
        comm: Some(Comm::new("a \"b\" \\ ü")),
        uid: Some(0),
        cgroup_id: Some(8123),
        container: Some("0123456789ab".into()),
        names: Some(crate::model::task_names::Names::full()),
        flow: FlowKey {
            netns: Some(4_026_531_840),
            saddr: Ipv4Addr::new(10, 0, 0, 1).into(),
            daddr: Some("2001:db8::1".parse().unwrap()),
            dport: Some(443),
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: Some(40_002),
        errno: Some(0),
        latency_ns: Some(1850),
        range: Some(RangeInForce::of_socket(32_768, 60_999)),
        salt_epoch: Some(429_496),
        first_candidate: Some(40_000),
        tried: Some(7),
        pass: Some(Pass::Second),
        search_unknown: Some(Unknown::RandomSteps),
        step: Some(-8),
        cookie: Some(u64::MAX),
        host_pid: Some(4_194_304),
        hook: Some(Hook::SockOps),
        is_another: true,
        ..Assignment::default()
    }
}

fn lines(assignments: &[Assignment]) -> Vec<u8> {
    let mut sink = JsonSink::new(Vec::new(), Notices::new(io::sink(), true));
    for assignment in assignments {
        sink.event(assignment).unwrap();
    }
    sink.finish().unwrap();
    sink.target().clone()
}

#[test]
fn what_was_written_is_read_back() {
    let failed = Assignment { sport: None, errno: Some(99), names: None, ..full() };
    let unknown = Assignment {
        sport: Some(1),
        flow: FlowKey { saddr: "2001:db8::1".parse().unwrap(), ..FlowKey::default() },
        is_another: true,
        ..Assignment::default()
    };
    let all = [full(), failed, unknown, full()];
    let (read, broken, losses) = read(lines(&all));
    assert_eq!(read, all);
    assert!(broken.is_empty() && losses == Losses::default());
}

#[test]
fn each_column_is_read_back_or_follows_from_others() {
    let is_derived = |column: &&Column| matches!(column.read, Read::Derived);
    let (derived, read): (Vec<&Column>, Vec<&Column>) = COLUMNS.iter().partition(is_derived);
    let derived: Vec<&str> = derived.iter().map(|column| column.name).collect();
    assert_eq!(derived, ["ts", "family", "error", "self_connect"]);
    // A column unknown here would come back unchanged whether it is read or not.
    let all = full();
    let unknown = read.iter().filter(|column| (column.value)(&all) == Value::Null);
    assert_eq!(unknown.map(|column| column.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn keys_in_any_order_are_read_and_none_twice() {
    let text =
        r#"{"range_source":"socket","hook":"fentry","dport":80,"range":[7,9],"note":{"a":[1]},
        "saddr":"10.0.0.1","daddr":"10.0.0.2","sport":8,"ts_ns":7}"#
            .replace('\n', "");
    let (all, broken, _) = read(text.clone());
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(all[0].range, Some(RangeInForce::of_socket(7, 9)));
    assert_eq!((all[0].hook, all[0].sport), (Some(Hook::Fentry), Some(8)));
    // No value of a line comes back in the next one.
    let bare = r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80}"#;
    let (all, ..) = read(format!("{text}\n{bare}"));
    assert_eq!((all[1].range, all[1].hook), (None, None));
    let (_, broken, _) = read(text.replace(r#""ts_ns":7"#, r#""ts_ns":7,"sport":9"#));
    assert!(broken[0].starts_with("line 1: duplicate field `sport`, column "), "{broken:?}");
}

#[test]
fn five_keys_are_enough() {
    let text =
        r#"{"ts_ns":7,"saddr":"::ffff:10.0.0.1","sport":40000,"daddr":"fe80::1%eth0","dport":80}"#;
    let (read, broken, _) = read(text);
    assert!(broken.is_empty(), "{broken:?}");
    let flow = FlowKey {
        netns: None,
        saddr: Ipv4Addr::new(10, 0, 0, 1).into(),
        daddr: Some("fe80::1".parse::<IpAddr>().unwrap()),
        dport: Some(80),
    };
    let expected = Assignment { ts_ns: 7, flow, sport: Some(40_000), ..Assignment::default() };
    assert_eq!(read, [expected]);
}

#[test]
fn a_port_of_null_is_a_failed_assignment() {
    let line =
        r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":null,"daddr":"10.0.0.2","dport":80,"errno":99}"#;
    let (read, broken, _) = read(line);
    assert!(broken.is_empty() && read[0].is_failed() && read[0].errno == Some(99), "{broken:?}");
}

#[test]
fn broken_lines_are_named_and_the_rest_is_used() {
    let good = r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80}"#;
    let text = [
        good,
        "{\"ts_ns\":",
        "",
        r#"{"ts_ns":7,"saddr":"10.0.0.1","daddr":"10.0.0.2","dport":80}"#,
        r#"{"ts_ns":7,"saddr":"ten","sport":40000,"daddr":"10.0.0.2","dport":80}"#,
        r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":70000,"daddr":"10.0.0.2","dport":80}"#,
        r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":null,"daddr":"10.0.0.2","dport":80,"errno":0}"#,
        "[1]",
        good,
        r#"{"type":"assignment","ts_ns":7}"#,
    ];
    let (read, broken, losses) = read(text.join("\n"));
    assert_eq!((read.len(), losses.unreadable), (2, 7));
    insta::assert_snapshot!(broken.join("\n"), @r##"
    line 2: EOF while parsing a value
    line 4: missing field `sport`, column 60
    line 5: 'ten' is not an IP address, column 24
    line 6: invalid value: integer `70000`, expected 0 to 65535, column 43
    line 7: neither a port (`sport`) nor an error (`errno`)
    line 8: invalid type: sequence, expected an object
    line 10: missing field `saddr`, column 31
    "##);
}

#[test]
fn other_types_are_skipped_and_losses_counted() {
    let text = r#"{"type":"loss","ts_ns":1,"stage":"ring_full","lost":5,"total":5}
{"type":"loss","ts_ns":1,"stage":"ring_full","lost":2,"total":7}
{"type":"loss","ts_ns":1,"stage":"of the future","lost":1,"total":1}
{"type":"summary","ts_ns":1,"assignments":3,"losses":{"ring_full":7}}
{"type":"marker"}"#;
    let (read, broken, losses) = read(text);
    assert!(read.is_empty() && broken.is_empty(), "{broken:?}");
    assert_eq!(losses, Losses { ring_full: 7, unreadable: 1, ..Losses::default() });
}

#[test]
fn long_lines_are_skipped_whole() {
    let good = r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80}"#;
    let text = format!("{{\"comm\":\"{}\"}}\n{good}\n", "x".repeat(200_000));
    let (read, broken, _) = read(text);
    assert_eq!((read.len(), broken), (1, vec!["line 1: longer than 65536 bytes".to_owned()]));
}

#[test]
fn a_mark_and_carriage_returns_do_no_harm() {
    let good = r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80}"#;
    let (read, broken, _) = read(format!("\u{feff}{good}\r\n\r\n{good}"));
    assert_eq!((read.len(), broken.len()), (2, 0));
}

#[test]
fn what_others_have_under_our_keys_is_skipped() {
    let needed = r#""ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80"#;
    for foreign in [
        r#""uid":"CHhAvVGS1DHFjwGM9""#,
        r#""protocol":6"#,
        r#""pid":"me","range":"all""#,
        r#""pid":1.5"#,
        r#""container":{"id":1},"netns":-1"#,
    ] {
        let (read, broken, _) = read(format!("{{{needed},{foreign},\"tid\":5}}"));
        assert!(broken.is_empty(), "{broken:?}");
        assert_eq!((read[0].sport, read[0].tid), (Some(40000), Some(5)), "{foreign}");
        assert_eq!((read[0].uid, read[0].pid, read[0].protocol), (None, None, None));
    }
    for wrong in [r#""errno":"no""#, r#""pid":1,"pid":2"#, r#""pid":"#] {
        let (read, broken, _) = read(format!("{{{needed},{wrong}}}"));
        assert_eq!((read.len(), broken.len()), (0, 1), "{wrong}");
    }
}

#[test]
fn values_that_were_left_out_are_counted_by_key() {
    let needed = r#""ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80"#;
    let lines = format!("{{{needed},\"uid\":\"a\"}}\n").repeat(3);
    let mut recording = Recording::from_reader("f", Cursor::new(lines)).unwrap();
    assert_eq!(recording.by_ref().count(), 3);
    insta::assert_snapshot!(recording.notes().join("\n"), @"3 values of 'uid' have an unexpected type and were ignored");
}

#[test]
fn numbers_may_be_text_and_times_fractions() {
    let text = r#"{"ts_ns":1.795e18,"saddr":"10.0.0.1","sport":"40000","daddr":"10.0.0.2","dport":80.0}
{"ts_ns":"1795000000000000001","saddr":"10.0.0.1","sport":40002,"daddr":"10.0.0.2","dport":"80","errno":"111","step":"-2"}"#;
    let (rows, broken, _) = read(text);
    assert!(broken.is_empty(), "{broken:?}");
    let [one, other] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(
        (one.ts_ns, one.sport, one.flow.dport),
        (1_795_000_000 * 1_000_000_000, Some(40000), Some(80))
    );
    assert_eq!((other.ts_ns, other.errno), (1_795_000_000_000_000_001, Some(111)));
    let (_, broken, _) =
        read(r#"{"ts_ns":7,"saddr":"10.0.0.1","sport":"x","daddr":"10.0.0.2","dport":80.5}"#);
    assert_eq!(broken.len(), 1);
}

#[test]
fn a_type_of_another_tool_s_is_no_reason_to_drop_a_line() {
    let text = r#"{"type":"flow","ts_ns":7,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":80}"#;
    assert_eq!(read(text).0.len(), 1);
}

#[test]
fn what_is_there_instead_of_assignments_is_told() {
    let instead = |text: &str| {
        let mut recording = Recording::from_reader("f", Cursor::new(text.to_owned())).unwrap();
        assert_eq!(recording.by_ref().count(), 0);
        recording.instead()
    };
    assert_eq!(instead("\n").as_deref(), Some("it is empty"));
    insta::assert_snapshot!(instead("{\"type\":\"storm\"}\n").unwrap(), @"it has 1 lines with a type such as 'storm', but none with ts_ns, saddr, sport, daddr, dport");
    assert_eq!(instead("{\"type\":\"stream\"}\n{\"type\":\"summary\"}\n"), None);
}

#[test]
fn what_is_no_recording_is_refused_with_advice() {
    let refused = |bytes: &[u8]| {
        let refusal = Recording::from_reader("f", Cursor::new(bytes.to_vec())).err();
        refusal.map(|error| error.to_string()).unwrap_or_default()
    };
    insta::assert_snapshot!(refused(&[0x34, 0xcd, 0xb2, 0xa1, 2, 0]), @"f is a capture in a modified format of old Linux tcpdump versions; use `tcpdump -r FILE -w - | ephtrace report -`");
    insta::assert_snapshot!(refused(b"BZh91AY"), @"f is compressed; use `bzip2 -dc FILE | ephtrace report -`");
    insta::assert_snapshot!(refused(b"PK\x03\x04.."), @"f is a ZIP archive; use `unzip -p FILE | ephtrace report -`");
    insta::assert_snapshot!(refused(b"snoop\0\0\0"), @"f is a Solaris snoop capture; use `editcap -F pcap FILE - | ephtrace report -`");
    insta::assert_snapshot!(refused(b"version https://git-lfs.github.com/spec/v1\n"), @"f is a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`");
    insta::assert_snapshot!(refused(b"<!DOCTYPE html>"), @"f is HTML, perhaps an error page of a server; download the file itself");
    insta::assert_snapshot!(refused(&gzip(&gzip(b"{}"))), @"f is compressed twice; decompress it once, for example with `gzip -d` or `zstd -d`");
    insta::assert_snapshot!(refused(b"PAR1...."), @"f is a Parquet file, which must be read from its end; name the uncompressed file itself: a pipe or a compressed file can't be read backwards");
    let missing = Recording::open(Path::new("/nonexistent/f")).err().unwrap().to_string();
    insta::assert_snapshot!(missing, @"can't open /nonexistent/f: No such file or directory (os error 2); make a recording with `sudo ephtrace record FILE`");
    let directory = Recording::open(Path::new("/")).err().unwrap().to_string();
    insta::assert_snapshot!(directory, @"can't open /: is a directory; name a file in that directory");
}

#[test]
fn losses_that_no_number_holds_are_the_largest_one() {
    let most = u64::MAX;
    let lost = |stage| format!("{{\"type\":\"loss\",\"stage\":\"{stage}\",\"lost\":{most}}}\n");
    let (_, broken, losses) = read(lost("ring_full") + &lost("unreadable") + "{");
    assert_eq!((broken.len(), losses.unreadable, losses.total()), (1, most, most));
}

#[test]
fn a_stream_without_its_summary_is_cut() {
    let begin = r#"{"type":"stream","ends_with_summary":true}"#;
    let quiet = r#"{"type":"stream","ends_with_summary":false}"#;
    let (row, end) = (r#"{"type":"other"}"#, r#"{"type":"summary"}"#);
    let is_cut = |lines: &[&str]| {
        let mut recording = recording(lines.join("\n"));
        assert!(!recording.is_cut(), "not known before its end");
        recording.by_ref().for_each(drop);
        recording.is_cut()
    };
    assert!(is_cut(&[begin, row]) && is_cut(&[begin, end, begin]) && is_cut(&[begin, begin, end]));
    assert!(!is_cut(&[begin, row, end]) && !is_cut(&[begin, end, begin, end]));
    // A stream of only assignments, or without a requested summary, has no end mark.
    assert!(!is_cut(&[row, row]) && !is_cut(&[quiet, row]));
}

/// Lines of the test below, as compressed by `xz`.
const XZ: &str = "\
    fd377a585a000004e6d6b4460200210116000000742fe5a3e251bf008f5d003d888a87736c4088b845f67c8c\
    257b576bb778cfc240d94133d8ac92edb4b5b4c08c470cbce5515f4460bd351dee8df8e7535c4f49253b38bc\
    e72daadfad08388e706cb6122eb88719a0301580e2ec8ef1fbc1814575df95e7cea0b46d0e6f562d144737b3\
    51f9ed44091eb7abcb8338f196c4cc6b2652b655f53153f76f9ada9cf928f27b89b11ecfd9ad13e79b000000\
    db8a93d53901f1740001ab01c0a3090036aa5ff1b1c467fb020000000004595a";

fn xz() -> Vec<u8> {
    let digits = XZ.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[test]
fn what_is_compressed_is_read_as_far_as_it_goes() {
    let line = r#"{"ts_ns":1,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":443}"#;
    let lines = format!("{line}\n").repeat(2000);
    let zstd = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    let (plain, ..) = read(lines.as_bytes());
    for packed in [gzip(lines.as_bytes()), zstd, xz()] {
        assert_eq!(read(&*packed), (plain.clone(), Vec::new(), Losses::default()));
        // Concatenated streams.
        assert_eq!(read(packed.repeat(2)).0.len(), 2 * plain.len());
        for len in [packed.len() - 1, packed.len() / 2, 12] {
            let (read, broken, losses) = read(&packed[..len]);
            assert!(read.iter().zip(&plain).all(|(one, other)| one == other), "{len}");
            assert_eq!(losses.unreadable, broken.len() as u64);
            let last = broken.last().unwrap();
            assert!(last.contains("the compressed data ends there"), "{last}");
            let mut cut = recording(&packed[..len]);
            cut.by_ref().for_each(drop);
            assert!(cut.is_cut(), "{len}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(recording) = Recording::from_reader("test", Cursor::new(bytes)) {
            prop_assert!(recording.count() <= 2000);
        }
    }

    #[test]
    fn damaged_lines_do_not_panic(
        at in prop::collection::vec((0_usize..900, any::<u8>()), 0..8),
        cut in 0_usize..1200,
    ) {
        let mut bytes = lines(&[full(), full()]);
        for (at, byte) in at {
            let len = bytes.len();
            bytes[at % len] = byte;
        }
        bytes.truncate(cut);
        let (assignments, broken, losses) = read(bytes);
        prop_assert!(assignments.len() <= 2);
        prop_assert_eq!(broken.len() as u64, losses.unreadable);
    }

    #[test]
    fn any_assignment_is_read_back(
        ts_ns: u64, cookie: Option<u64>, name in ".{0,20}", saddr: IpAddr, daddr: IpAddr,
        sport in 1_u16.., dport: u16, tried: Option<u32>, step: Option<i32>,
    ) {
        let (saddr, daddr) = (saddr.to_canonical(), daddr.to_canonical());
        let assignment = Assignment {
            ts_ns, cookie, tried, step,
            comm: Some(Comm::new(&name)),
            flow: FlowKey { saddr, daddr: Some(daddr), dport: Some(dport), ..full().flow },
            sport: Some(sport),
            ..full()
        };
        let (read, broken, _) = read(lines(std::slice::from_ref(&assignment)));
        prop_assert!(broken.is_empty(), "{:?}", broken);
        prop_assert_eq!(read, [assignment]);
    }
}
