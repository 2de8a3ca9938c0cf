//! Processor time that one assignment takes from the decoder to NDJSON.

use std::{hint::black_box, io, net::Ipv4Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ephtrace::{
    analyse::{lanes::StepTracker, tally::Tally},
    model::{Assignment, Comm, FlowKey, Hook, Origin, Protocol, RangeInForce},
    output::{JsonSink, Notices, Sink as _, Target},
};

/// Number of assignments in one drain of the ring buffer.
const BATCH: u32 = 1000;

/// A writer that discards everything.
struct Nowhere;

impl io::Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Nowhere {}

fn assignment(n: u32) -> Assignment {
    let port = u16::try_from(32_768 + n * 2 % 28_000).unwrap_or(32_768);
    Assignment {
        ts_ns: 1_795_000_000_123_456_789 + u64::from(n) * 12_345,
        pid: Some(4242 + n % 2),
        tid: Some(4242 + n % 2),
        comm: Some(Comm::new("storm-client")),
        uid: Some(1000),
        cgroup_id: Some(8123),
        container: None,
        names: None,
        flow: FlowKey {
            netns: Some(4_026_531_840),
            saddr: Ipv4Addr::LOCALHOST.into(),
            daddr: Some(Ipv4Addr::new(127, 10, (n % 8).to_le_bytes()[0], 1).into()),
            dport: Some(8080),
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: Some(port),
        errno: Some(0),
        latency_ns: Some(1800 + u64::from(n) % 700),
        range: Some(RangeInForce::of_netns(32_768, 60_999)),
        word_step: None,
        salt_epoch: Some(12_345),
        first_candidate: Some(port),
        tried: Some(1),
        pass: None,
        search_unknown: None,
        step: None,
        resalted: None,
        cookie: Some(u64::from(n) + 77_000),
        hook: Some(Hook::Fentry),
        host_pid: None,
        recording: 0,
        is_another: false,
    }
}

fn batch() -> Vec<Assignment> {
    (0..BATCH).map(assignment).collect()
}

fn serialize(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(BATCH.into()));
    group.bench_function("ndjson", |bencher| {
        let assignments = batch();
        let mut sink = JsonSink::new(Nowhere, Notices::new(io::sink(), false));
        bencher.iter(|| assignments.iter().try_for_each(|a| sink.event(black_box(a))));
    });
    group.bench_function("lanes", |bencher| {
        let mut assignments = batch();
        let mut lanes = StepTracker::default();
        bencher.iter(|| assignments.iter_mut().for_each(|a| lanes.follow(black_box(a))));
    });
    group.bench_function("tally", |bencher| {
        let assignments = batch();
        let mut tally = Tally::new(Some(0));
        bencher.iter(|| assignments.iter().for_each(|a| tally.observe(black_box(a))));
    });
    group.finish();
}

criterion_group!(benches, serialize);
criterion_main!(benches);
