//! Reads counts and sockets periodically, and publishes what they say.

use std::{collections::BTreeSet, fs, io, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use ephtrace_common::Counter;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, interval_at},
};

use super::{
    board::Board,
    recorder::{Keeping, RING_BYTES, Recorder},
    sockets::{Sockets, netns_use},
};
use crate::{
    analyse::{
        counters::Counters,
        findings::{Facts, Finding, findings},
        pattern::{Algorithm, Stream},
        storm::{Detector, Interval},
    },
    host::clock::{Clock, monotonic_ns},
    inventory::{Inventory, Namespace, facts},
    model::{Filter, Hook, escape::shown, grouping::By},
    output::{
        PendingFile,
        metrics::{Exposition, Recorded, Snapshot},
    },
    pipeline::{
        announce::{announce, tell, tell_blinded, tell_module},
        counting::{self, Counting, CountingOptions, Naming},
        live,
        occupancy::Occupancy,
        reading::kernel_rules,
        rights::{self, Later},
        timing::{DRAIN_EVERY, block_on},
    },
};

/// Maximum number of namespaces with series of their own: all metrics stay below 2,000 series.
const MAX_NAMESPACES: usize = 100;

/// Mode of a new file: other users' collectors read it.
const READABLE: u32 = 0o644;

/// Settings of the measurement.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) filter: Filter,
    pub(crate) hook: Option<Hook>,
    pub(crate) btf: Option<PathBuf>,
    pub(crate) top_destinations: usize,
    /// Settings of the flight recorder; `None` to keep no assignments.
    pub(crate) keeping: Option<Keeping>,
    pub(crate) quiet: bool,
    pub(crate) log_level: u8,
}

/// Settings that may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changeable {
    /// Time between two readings.
    pub(crate) interval: Duration,
    /// File for `node_exporter`.
    pub(crate) textfile: Option<PathBuf>,
}

/// Message to the thread that measures.
pub(crate) enum Order {
    /// From now on, do it so.
    Change(Changeable),
    /// Write the assignments that are kept.
    Incident,
    /// Detach, and end.
    End,
}

/// Measures until it is told to end. Says through `begun` whether the kernel half is attached.
///
/// # Errors
///
/// Clocks or maps can't be read. Sockets that can't be listed are listed again later.
pub(crate) fn measure(
    what: &Measurement,
    how: Changeable,
    board: &Board,
    orders: mpsc::UnboundedReceiver<Order>,
    begun: oneshot::Sender<Result<()>>,
) -> Result<()> {
    block_on(async {
        let options = CountingOptions {
            hook: what.hook,
            btf: what.btf.as_deref(),
            filter: &what.filter,
            rows: None,
            copies: what.keeping.as_ref().map(|_| RING_BYTES),
            log_level: what.log_level,
        };
        let started = match Counting::start(options).await {
            Ok(mut counting) => {
                recorder_of(what, how.interval, &mut counting).map(|recorder| (counting, recorder))
            }
            Err(error) => Err(error),
        };
        let (counting, recorder) = match started {
            Ok(started) => started,
            Err(error) => {
                // The receiver waits for it.
                let _ = begun.send(Err(error));
                return Ok(());
            }
        };
        let missing = rights::restrict(&counting.tracer, Later::serving(how.textfile.as_deref()));
        let mut measuring = Measuring::new(what, how, counting, recorder);
        measuring.look(board).await?;
        // Not before: a first look may take long, and who reads this may send a signal.
        if !what.quiet {
            announce(&measuring.counting.tracer);
            missing.tell();
        }
        let _ = begun.send(Ok(()));
        measuring.follow(board, orders).await
    })
}

fn recorder_of(
    what: &Measurement,
    interval: Duration,
    counting: &mut Counting,
) -> Result<Option<Recorder>> {
    let keeping = what.keeping.clone();
    keeping.map(|keeping| Recorder::new(keeping, interval, &mut counting.tracer)).transpose()
}

struct Measuring {
    how: Changeable,
    quiet: bool,
    counting: Counting,
    recorder: Option<Recorder>,
    /// Findings of the last look.
    found: Vec<Finding>,
    counters: Counters,
    naming: Naming,
    detector: Detector,
    occupancy: Occupancy,
    kernel: String,
    trouble: Option<String>,
    /// Rule by which this kernel assigns the ports of connects, if known.
    expected: Option<Algorithm>,
    sockets: Sockets,
}

impl Measuring {
    fn new(
        what: &Measurement,
        how: Changeable,
        counting: Counting,
        recorder: Option<Recorder>,
    ) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let expected = kernel_rules(&counting.tracer).of(Stream::Connect);
        Self {
            expected,
            occupancy: Occupancy::new(how.interval),
            sockets: Sockets::new(how.interval),
            how,
            quiet: what.quiet,
            counting,
            recorder,
            found: Vec::new(),
            counters: Counters::new(what.top_destinations),
            naming: Naming::new(&what.filter, By::Process),
            detector: Detector::default(),
            kernel: kernel.trim_end().to_owned(),
            trouble: None,
        }
    }

    async fn follow(
        &mut self,
        board: &Board,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) -> Result<()> {
        let mut ticks = self.ticks();
        let mut modules = interval(DRAIN_EVERY);
        modules.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drain = interval(DRAIN_EVERY);
        drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Change(how)) => {
                        self.sockets.follow(how.interval);
                        self.how = how;
                        ticks = self.ticks();
                    }
                    Some(Order::Incident) => self.incident()?,
                    Some(Order::End) | None => break,
                },
                _ = ticks.tick() => self.look(board).await?,
                _ = drain.tick(), if self.recorder.is_some() => self.drain(),
                _ = modules.tick(), if self.counting.tracer.awaits_module() => {
                    tell_module(self.counting.tracer.follow_module(), self.quiet);
                }
            }
        }
        let rest = self.counting.finish().await?;
        for taken in &rest.taken {
            self.counters.add(&taken.rows, taken.other.as_ref(), self.counting.since_ns / NS);
        }
        Ok(())
    }

    fn ticks(&self) -> tokio::time::Interval {
        let every = self.how.interval;
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    /// Takes the sums since the last look, looks at the sockets, and publishes all of it.
    async fn look(&mut self, board: &Board) -> Result<()> {
        let began = Instant::now();
        let (taken, duration_ns) = self.counting.take().await?;
        let now_s = self.counting.since_ns / NS;
        let (rows, other) = (&taken.rows, taken.other.as_ref());
        self.counters.add(rows, other, now_s);
        let clock = Clock::read().context("can't read the clocks")?;
        let end_ns = clock.unix_ns(self.counting.since_ns);
        let naming = &mut self.naming;
        let mut interval = counting::interval(end_ns, duration_ns, rows, other, naming);
        let facts = self.facts(&mut interval);
        self.found = findings(&facts);
        let recorded = self.record(end_ns, interval.all.per_second)?;
        self.counting.tracer.flush_log();
        let blinded = self.counting.tracer.blinded();
        tell_blinded(&blinded);
        if let Some((_, why)) = blinded.first() {
            self.trouble = Some(why.clone());
        }
        let full_in_s = interval.rows.iter().filter_map(|row| row.capacity?.full_in_s);
        let inventory = self.sockets.seen.as_ref();
        let namespaces = inventory.map_or(&[][..], |inventory| &inventory.namespaces);
        let unreadable = inventory.map_or(0, |inventory| inventory.unreadable.len());
        let left_out = namespaces.len().saturating_sub(MAX_NAMESPACES) + unreadable;
        let snapshot = Snapshot {
            ts_ns: end_ns,
            hook: Some(self.counting.tracer.hook),
            trouble: self.trouble.clone(),
            kernel: self.kernel.clone(),
            counters: self.counters.clone(),
            namespaces: namespaces.iter().take(MAX_NAMESPACES).map(netns_use).collect(),
            sockets_ts_ns: inventory.map(|inventory| inventory.ts_ns),
            namespaces_left_out: left_out as u64,
            full_in_s: full_in_s.min_by(f64::total_cmp),
            recorded,
            expected: self.expected,
            findings: self.found.iter().map(|one| (one.rule.name(), one.severity)).collect(),
            losses: self.counting.losses()?,
            cpu: live::cpu_time().unwrap_or_default(),
            resident_bytes: resident_bytes(),
            map_bytes: self.counting.tracer.map_bytes,
            measuring_s: began.elapsed().as_secs_f64(),
        };
        board.publish(snapshot);
        self.write_textfile(board);
        Ok(())
    }

    /// Has the flight recorder look at the findings, and returns its state at `now_ns`. `rate` is
    /// that of the assignments since the last look, a second.
    fn record(&mut self, now_ns: u64, rate: f64) -> Result<Option<Recorded>> {
        self.take_copies()?;
        let Some(recorder) = &mut self.recorder else { return Ok(None) };
        recorder.look(now_ns, rate)?;
        recorder.judge(now_ns, &self.found);
        Ok(Some(recorder.recorded(now_ns)))
    }

    /// Has the flight recorder take all that was counted so far.
    fn take_copies(&mut self) -> Result<()> {
        if let Some(recorder) = &mut self.recorder {
            let counted = totalled(&self.counting)?;
            recorder.drain();
            recorder.compare(counted);
        }
        Ok(())
    }

    fn drain(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.drain();
        }
    }

    /// Passes on the assignments that are kept, because somebody asked for them.
    fn incident(&mut self) -> Result<()> {
        self.take_copies()?;
        let now_ns = Clock::read().context("can't read the clocks")?.unix_ns(monotonic_ns()?);
        if let Some(recorder) = &mut self.recorder {
            recorder.incident(now_ns, Vec::new(), &self.found);
        }
        Ok(())
    }

    /// Returns the facts of an interval, and of the sockets of all namespaces.
    fn facts(&mut self, interval: &mut Interval) -> Facts {
        let storm = self.detector.observe(interval);
        let mut facts = Facts { storm, ..counting::facts(interval) };
        self.occupancy.count(&interval.rows);
        self.occupancy.look(interval, &mut facts);
        self.sockets.look();
        if let Some(inventory) = &self.sockets.seen {
            let known: BTreeSet<u32> = facts.namespaces.iter().map(|one| one.netns).collect();
            let is_new = |one: &&Namespace| !known.contains(&one.place.netns);
            let others = inventory.namespaces.iter().filter(is_new).cloned().collect();
            facts::add_inventory(
                &mut facts,
                &Inventory { namespaces: others, ..inventory.clone() },
            );
        }
        facts
    }

    fn write_textfile(&self, board: &Board) {
        let Some(path) = &self.how.textfile else { return };
        let text = board.latest().text(Exposition::Prometheus);
        let written = text
            .map_err(io::Error::other)
            .and_then(|text| PendingFile::open(path, Some(READABLE))?.put(&text));
        if let Err(error) = written {
            tell(&format!("can't write {}: {error}", shown(path)));
        }
    }
}

/// Returns the number of assignments that were counted so far.
fn totalled(counting: &Counting) -> Result<u64> {
    Ok(counting.tracer.counts()?[Counter::Totalled as usize])
}

/// Nanoseconds of a second.
const NS: u64 = 1_000_000_000;

/// Returns the resident memory of this process, 0 if it is not known.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    kib.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok())
        .map_or(0, |kib: u64| kib << 10)
}
