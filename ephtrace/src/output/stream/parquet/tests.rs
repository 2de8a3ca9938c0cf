//! Recordings written and read back: the same rows come out, wherever the writer stops.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::{
    model::{
        Assignment, Comm, FlowKey, Hook, Origin, Pass, Protocol, RangeInForce, Unknown,
        columns::{Read, Value},
        losses::Losses,
        task_names::Names,
    },
    output::{Notices, Sink as _},
    replay::{Item, Recording},
};

/// A folder for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("ephtrace-sink-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("ports.parquet")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const START_NS: u64 = 1_795_000_000_000_000_007;

fn full() -> Assignment {
    Assignment {
        ts_ns: START_NS,
        pid: Some(u32::MAX),
        tid: Some(4243),
        comm: Some(Comm::new("a \"b\" \\ ü")),
        uid: Some(0),
        cgroup_id: Some(u64::MAX),
        container: Some("0123456789ab".into()),
        names: Some(Names::full()),
        flow: FlowKey {
            netns: Some(u32::MAX),
            saddr: [10, 0, 0, 1].into(),
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
        first_candidate: Some(u16::MAX),
        tried: Some(u32::MAX),
        pass: Some(Pass::Second),
        search_unknown: Some(Unknown::RandomSteps),
        step: Some(i32::MIN),
        cookie: Some(u64::MAX),
        host_pid: Some(4_194_304),
        hook: Some(Hook::SockOps),
        is_another: true,
        ..Assignment::default()
    }
}

fn sink(path: &Path, rotate: Option<Rotate>) -> ParquetSink {
    let options = Options { path: path.to_owned(), rotate, mode: None };
    ParquetSink::create(options, Notices::new(io::sink(), true)).unwrap()
}

fn read(path: &Path) -> (Vec<Assignment>, Losses) {
    let mut recording = Recording::open(path).unwrap();
    let assignments = recording.by_ref().map(|item| match item.unwrap() {
        Item::Assignment(assignment) => assignment,
        Item::Broken(broken) => panic!("{broken}"),
    });
    (assignments.collect(), recording.losses())
}

fn numbered(n: u64) -> Assignment {
    let dport = u16::try_from(n % 32).unwrap();
    let flow = FlowKey { dport: Some(dport), ..full().flow };
    Assignment { ts_ns: START_NS + n * 1_000_000, cookie: Some(n), flow, ..full() }
}

#[test]
fn what_was_recorded_is_read_back() {
    let scratch = Scratch::new("read-back");
    let failed =
        Assignment { sport: None, errno: Some(99), container: None, names: None, ..full() };
    let unknown = Assignment { sport: Some(1), is_another: true, ..Assignment::default() };
    let all = [full(), failed, unknown, full()];
    let mut sink = sink(&scratch.path(), None);
    for assignment in &all {
        sink.event(assignment).unwrap();
    }
    let lost = Losses { ring_full: 7, hook_missed: 1, ..Losses::default() };
    sink.losses(START_NS, &lost).unwrap();
    sink.finish().unwrap();
    assert_eq!(read(&scratch.path()), (all.to_vec(), lost));
    assert_eq!(scratch.names(), ["ports.parquet"]);
}

/// Otherwise, a column without a value in `full` would come back the same whether it is read or
/// not.
#[test]
fn each_column_is_known_in_what_is_read_back() {
    let all = full();
    let unknown = schema::FIELDS.iter().filter(|field| {
        !matches!(field.column.read, Read::Derived) && (field.column.value)(&all) == Value::Null
    });
    assert_eq!(unknown.map(|field| field.column.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_recording_without_events_is_a_file_too() {
    let scratch = Scratch::new("empty");
    let sink = sink(&scratch.path(), None);
    assert_eq!(read(&scratch.path()), (vec![], Losses::default()));
    drop(sink);
}

#[test]
fn several_row_groups_stay_in_order() {
    let scratch = Scratch::new("groups");
    let rows = schema::MAX_ROWS as u64 * 2 + 10;
    let all: Vec<Assignment> = (0..rows).map(numbered).collect();
    let mut sink = sink(&scratch.path(), None);
    for assignment in &all {
        sink.event(assignment).unwrap();
    }
    assert_eq!(sink.groups.len(), 2);
    // Not finished: the last ten rows are not in the file yet.
    assert!(read(&scratch.path()).0 == all[..schema::MAX_ROWS * 2]);
    sink.finish().unwrap();
    assert!(read(&scratch.path()).0 == all);
}

/// At each tick, the file is whole and has all rows that are older than [`CHECKPOINT_NS`].
#[test]
fn a_checkpoint_writes_what_there_is() {
    let scratch = Scratch::new("checkpoint");
    let mut sink = sink(&scratch.path(), None);
    let second = 1_000_000_000;
    let events: Vec<Assignment> =
        (0..400).map(|n| Assignment { ts_ns: START_NS + n * second, ..full() }).collect();
    for (n, event) in events.iter().enumerate() {
        sink.event(event).unwrap();
        sink.losses(event.ts_ns, &Losses { ring_full: n as u64, ..Losses::default() }).unwrap();
        let (rows, losses) = read(&scratch.path());
        assert!(rows.len() + 2 > n, "{} of {n}", rows.len());
        assert!(losses.ring_full + 2 >= n as u64);
        assert_eq!(rows, events[..rows.len()]);
    }
    // Each minute is a row group of its own.
    assert_eq!(sink.groups.len(), 6);
}

/// A clock that was set back delays neither checkpoints nor the next file.
#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let scratch = Scratch::new("set-back");
    let mut sink = sink(&scratch.path(), Some(Rotate::Time(Duration::from_secs(10))));
    let second = 1_000_000_000;
    for n in 0..25 {
        let back = if n < 5 { 0 } else { 3600 };
        let ts_ns = START_NS + n * second - back * second;
        sink.event(&Assignment { ts_ns, ..full() }).unwrap();
        // A late event is no sign of the clock.
        sink.event(&Assignment { ts_ns: ts_ns - 3 * second, ..full() }).unwrap();
        sink.losses(ts_ns, &Losses::default()).unwrap();
        let rows: usize =
            scratch.names().iter().map(|name| read(&scratch.0.join(name)).0.len()).sum();
        assert!(rows as u64 + 4 > 2 * n, "{rows} of {n}");
    }
    sink.finish().unwrap();
    assert_eq!(scratch.names().len(), 3);
}

#[test]
fn files_are_numbered_and_none_is_overwritten() {
    let scratch = Scratch::new("rotate");
    for _ in 0..2 {
        let mut sink = sink(&scratch.path(), Some(Rotate::Time(Duration::from_secs(10))));
        for n in 0..25 {
            let ts_ns = START_NS + n * 1_000_000_000;
            sink.event(&Assignment { ts_ns, ..full() }).unwrap();
            sink.losses(ts_ns, &Losses { ring_full: n, ..Losses::default() }).unwrap();
        }
        sink.finish().unwrap();
    }
    let names = scratch.names();
    insta::assert_snapshot!(names.join(" "), @"ports-000001.parquet ports-000002.parquet ports-000003.parquet ports-000004.parquet ports-000005.parquet ports-000006.parquet");
    let of_first = names[..3].iter().map(|name| read(&scratch.0.join(name)));
    let (rows, lost): (Vec<usize>, Vec<u64>) =
        of_first.map(|(rows, losses)| (rows.len(), losses.ring_full)).unzip();
    assert_eq!((rows.iter().sum::<usize>(), lost.iter().sum::<u64>()), (25, 24));
}

#[test]
fn files_of_a_size() {
    let scratch = Scratch::new("size");
    let mut sink = sink(&scratch.path(), Some(Rotate::Bytes(100_000)));
    for n in 0..schema::MAX_ROWS as u64 * 4 {
        let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let noise = (noise ^ (noise >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        sink.event(&Assignment { cookie: Some(noise), ..numbered(n) }).unwrap();
    }
    sink.finish().unwrap();
    let rows: usize = scratch.names().iter().map(|name| read(&scratch.0.join(name)).0.len()).sum();
    assert!(scratch.names().len() > 2, "{:?}", scratch.names());
    assert_eq!(rows, schema::MAX_ROWS * 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_assignment_is_read_back(
        ts_ns in 0..=i64::MAX as u64, cookie: Option<u64>, name in ".{0,20}",
        saddr: std::net::IpAddr, daddr: std::net::IpAddr, sport in 1_u16.., dport in 1_u16..,
        tried: Option<u32>, step: Option<i32>, latency_ns: Option<u64>, salt_epoch: Option<u64>,
        uid: Option<u32>,
    ) {
        let scratch = Scratch::new("any");
        let (saddr, daddr) = (saddr.to_canonical(), daddr.to_canonical());
        let assignment = Assignment {
            ts_ns, cookie, tried, step, latency_ns, salt_epoch, uid,
            comm: Some(Comm::new(&name)),
            flow: FlowKey { saddr, daddr: Some(daddr), dport: Some(dport), ..full().flow },
            sport: Some(sport),
            ..full()
        };
        let mut sink = sink(&scratch.path(), None);
        sink.event(&assignment).unwrap();
        sink.finish().unwrap();
        prop_assert_eq!(read(&scratch.path()).0, [assignment]);
    }
}

#[test]
fn a_run_that_fails_leaves_no_file_without_rows() {
    let scratch = Scratch::new("unfinished");
    drop(sink(&scratch.path(), None));
    assert_eq!(scratch.names(), [""; 0]);
    drop(sink(&scratch.path(), Some(Rotate::Bytes(1 << 20))));
    assert_eq!(scratch.names(), [""; 0]);
    let mut with_a_row = sink(&scratch.path(), None);
    with_a_row.event(&full()).unwrap();
    with_a_row.losses(START_NS + 3 * CHECKPOINT_NS, &Losses::default()).unwrap();
    drop(with_a_row);
    assert_eq!(scratch.names(), ["ports.parquet"]);
    // ephtrace must not remove a file that existed before.
    drop(sink(&scratch.path(), None));
    assert_eq!(scratch.names(), ["ports.parquet"]);
    sink(&scratch.path(), Some(Rotate::Bytes(1 << 20))).finish().unwrap();
    assert_eq!(scratch.names(), ["ports-000001.parquet", "ports.parquet"]);
}
