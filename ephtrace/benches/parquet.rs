//! Cost of a Parquet recording: rows per second in and out, bytes per row.

use std::{
    fs,
    hint::black_box,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ephtrace::{
    analyse::lanes::StepTracker,
    model::{Assignment, Comm, FlowKey, Hook, Origin, Protocol, RangeInForce},
    output::{
        Notices, Sink as _,
        stream::parquet::{Options, ParquetSink},
    },
    replay::Recording,
};

/// Number of rows of one recording: several row groups.
const ROWS: u32 = 1_000_000;

/// Number of destinations of a storm.
const DESTINATIONS: u8 = 32;

/// Number of cookies that a processor takes at once (`gen_cookie`, batches of 4096).
const COOKIES: u64 = 4096;

/// A storm from two processors, with ports as Linux 5.18 and later assigns them, and with all
/// columns known.
struct Storm {
    rng: fastrand::Rng,
    ts_ns: u64,
    offsets: [u32; DESTINATIONS as usize],
    cookies: [u64; 2],
    last_cookie: u64,
}

impl Storm {
    fn new() -> Self {
        let mut rng = fastrand::Rng::with_seed(7);
        let offsets = [(); DESTINATIONS as usize].map(|()| rng.u32(0..14_116) * 2);
        let cookies = [4_391_371, 4_391_371 + COOKIES];
        let last_cookie = 4_391_371 + 2 * COOKIES;
        Self { rng, ts_ns: 1_795_000_000_000_000_000, offsets, cookies, last_cookie }
    }

    /// Returns an exponential waiting time with this mean.
    fn wait_ns(&mut self, mean_ns: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small, positive"
        )]
        let ns = (-(1.0 - self.rng.f64()).ln() * mean_ns) as u64;
        ns
    }

    fn cookie(&mut self, processor: usize) -> u64 {
        let cookie = self.cookies[processor];
        self.cookies[processor] += 1;
        if (cookie + 1 - 4_391_371).is_multiple_of(COOKIES) {
            self.cookies[processor] = self.last_cookie;
            self.last_cookie += COOKIES;
        }
        cookie
    }

    fn next(&mut self) -> Assignment {
        self.ts_ns += 4_000 + self.wait_ns(12_000.0);
        let lane = self.rng.u8(0..DESTINATIONS);
        let step = 2 * self.rng.u32(1..=8);
        let offset = &mut self.offsets[usize::from(lane)];
        *offset = (*offset + step) % 28_232;
        // Some candidates are taken: the search continues by two.
        let first = u16::try_from(32_768 + *offset).unwrap_or(u16::MAX);
        let tried = if self.rng.u8(..) < 24 { self.rng.u16(2..6) } else { 1 };
        let port = (first + 2 * (tried - 1)).min(60_998);
        *offset = u32::from(port) - 32_768;
        let processor = usize::from(self.rng.bool());
        let id = 10_353 + u32::try_from(processor).unwrap_or(0);
        Assignment {
            ts_ns: self.ts_ns,
            pid: Some(10_353),
            tid: Some(id),
            comm: Some(Comm::new("storm-client")),
            uid: Some(1000),
            cgroup_id: Some(8123),
            container: Some("0123456789ab".into()),
            flow: FlowKey {
                netns: Some(4_026_531_840),
                saddr: [10, 0, 0, 1].into(),
                daddr: Some([10, 0, 1, lane].into()),
                dport: Some(443),
            },
            protocol: Some(Protocol::Tcp),
            origin: Some(Origin::Connect),
            sport: Some(port),
            errno: Some(0),
            latency_ns: Some(900 + u64::from(tried) * 60 + self.wait_ns(400.0)),
            range: Some(RangeInForce::of_netns(32_768, 60_999)),
            salt_epoch: Some(self.ts_ns / 10_000_000_000),
            first_candidate: Some(first),
            tried: Some(tried.into()),
            pass: Some(ephtrace::model::Pass::First),
            cookie: Some(self.cookie(processor)),
            hook: Some(Hook::Fentry),
            ..Assignment::default()
        }
    }
}

fn storm() -> Vec<Assignment> {
    let mut storm = Storm::new();
    let mut lanes = StepTracker::default();
    let next = |_| {
        let mut assignment = storm.next();
        lanes.follow(&mut assignment);
        assignment
    };
    (0..ROWS).map(next).collect()
}

fn record(path: &Path, assignments: &[Assignment]) -> io::Result<()> {
    let options = Options { path: path.to_owned(), rotate: None, mode: None };
    let mut sink = ParquetSink::create(options, Notices::new(io::sink(), true))?;
    assignments.iter().try_for_each(|assignment| sink.event(black_box(assignment)))?;
    sink.finish()
}

fn file() -> PathBuf {
    std::env::temp_dir().join(format!("ephtrace-bench-{}.parquet", std::process::id()))
}

fn recordings(criterion: &mut Criterion) {
    let (assignments, path) = (storm(), file());
    let mut group = criterion.benchmark_group("parquet");
    group.throughput(Throughput::Elements(ROWS.into())).sample_size(10);
    group.bench_function("record", |bencher| {
        bencher.iter(|| record(&path, &assignments));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| Recording::open(&path).map(Iterator::count).ok());
    });
    group.finish();
    if let Ok(metadata) = fs::metadata(&path) {
        let tenths = metadata.len() * 10 / u64::from(ROWS);
        let _ = writeln!(io::stderr(), "{}.{} bytes a row", tenths / 10, tenths % 10);
    }
    let _ = fs::remove_file(&path);
}

criterion_group!(benches, recordings);
criterion_main!(benches);
