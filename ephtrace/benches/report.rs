//! Throughput of `ephtrace report`: reading, all verdicts, the report.

use std::{
    fmt::Write as _,
    hint::black_box,
    io::{self, Cursor},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ephtrace::{
    analyse::{destinations::MAX_DESTINATIONS, summary::RunContext, tally::Tally},
    commands::report,
    model::Assignment,
    output::{JsonSink, Notices, Sink as _},
    replay::{Item, Recording},
};

/// Number of assignments of one recording: enough that models which are far behind rest.
const ASSIGNMENTS: u32 = 200_000;

/// Number of destinations of one recording.
const DESTINATIONS: u32 = 32;

/// Returns ports as Linux 5.18 and later assigns them, with the five necessary keys and a few more.
fn minimal() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut offsets: Vec<u32> = (0..DESTINATIONS).map(|_| rng.u32(0..14_116) * 2).collect();
    let mut text = String::new();
    for n in 0..ASSIGNMENTS {
        let lane = rng.u32(0..DESTINATIONS);
        let Some(offset) = usize::try_from(lane).ok().and_then(|lane| offsets.get_mut(lane)) else {
            continue;
        };
        *offset = (*offset + 2 * rng.u32(1..=8)) % 28_232;
        let ts_ns = 1_795_000_000_000_000_000 + u64::from(n) * 20_000;
        let (sport, pid) = (32_768 + *offset, 100 + n % 4);
        let _ = writeln!(
            text,
            "{{\"ts_ns\":{ts_ns},\"saddr\":\"10.0.0.1\",\"sport\":{sport},\
             \"daddr\":\"10.0.1.{lane}\",\"dport\":443,\"protocol\":\"tcp\",\
             \"origin\":\"connect\",\"range_low\":32768,\"range_high\":60999,\
             \"pid\":{pid},\"comm\":\"curl\",\"errno\":0}}"
        );
    }
    text.into_bytes()
}

/// Returns the same recording with all keys, as ephtrace itself writes it.
fn complete(minimal: &[u8]) -> Vec<u8> {
    let mut sink = JsonSink::new(Vec::new(), Notices::new(io::sink(), true));
    for mut assignment in assignments(minimal) {
        assignment.uid = Some(1000);
        assignment.tid = assignment.pid;
        assignment.cgroup_id = Some(8123);
        assignment.latency_ns = Some(1850);
        assignment.first_candidate = assignment.sport;
        assignment.tried = Some(1);
        assignment.step = Some(8);
        assignment.cookie = Some(77_000);
        assignment.flow.netns = Some(4_026_531_840);
        assignment.hook = Some(ephtrace::model::Hook::Fentry);
        let _ = sink.event(&assignment);
    }
    let _ = sink.flush();
    sink.target().clone()
}

fn recording(bytes: Vec<u8>) -> Option<Recording> {
    Recording::from_reader("bench", Cursor::new(bytes)).ok()
}

fn assignments(bytes: &[u8]) -> Vec<Assignment> {
    let items = recording(bytes.to_vec()).into_iter().flatten();
    items
        .filter_map(|item| match item {
            Ok(Item::Assignment(assignment)) => Some(assignment),
            _ => None,
        })
        .collect()
}

fn reports(criterion: &mut Criterion) {
    let minimal = minimal();
    let complete = complete(&minimal);
    let mut group = criterion.benchmark_group("report");
    group.throughput(Throughput::Elements(ASSIGNMENTS.into())).sample_size(10);
    for (name, bytes) in [("some keys", &minimal), ("all keys", &complete)] {
        group.bench_function(format!("read, {name}"), |bencher| {
            let count = |bytes| recording(bytes).map(Iterator::count);
            bencher.iter_batched(|| bytes.clone(), count, BatchSize::PerIteration);
        });
        group.bench_function(format!("report, {name}"), |bencher| {
            let report = |bytes| {
                recording(bytes).and_then(|recording| report::read(recording, &mut io::sink()).ok())
            };
            bencher.iter_batched(|| bytes.clone(), report, BatchSize::PerIteration);
        });
    }
    let assignments = assignments(&complete);
    group.bench_function("verdicts alone", |bencher| {
        bencher.iter(|| {
            let mut tally = Tally::new(None);
            for assignment in &assignments {
                tally.observe(black_box(assignment));
            }
            tally.summary(None, MAX_DESTINATIONS, RunContext::default())
        });
    });
    group.finish();
}

criterion_group!(benches, reports);
criterion_main!(benches);
