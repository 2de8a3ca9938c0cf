//! `ephtrace storm`: the kernel half adds up, this looks at the sums from time to time.
//!
//! ```text
//! totals (per CPU) ─ switch, wait, take ─→ analyse::storm ─→ analyse::findings ─→ sink::storm
//! ```

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    io::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, Result};
use ephtrace_common::totals::{Totals as Sums, TotalsKey};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use super::{GRACE, SETTLE, announce, block_on, counts, occupancy::Occupancy, tell_module};
use crate::{
    analyse::{
        findings::{DestinationFacts, Facts, Finding, findings},
        storm::{Detector, Interval},
    },
    enrich::{
        clock::{Clock, monotonic_ns},
        container::Containers,
    },
    kernel::{
        attach::{self, Options, Totals},
        support::Support,
        totals::{self, Taken, TotalsReader},
        tracer::Tracer,
    },
    losses::Losses,
    settings::storm::StormSettings,
    sink::storm::{Look, WHOLE, write_findings},
};

/// Rows that are remembered for the last table: beyond, they are summed up as others. 30 MiB.
const MAX_ROWS: usize = 1 << 16;

/// The ring buffer is not used, but there has to be one: the smallest.
pub(super) const RING_BYTES: u32 = 4 << 10;

/// Looks until a signal, the end that was asked for, or an error.
pub fn storm(settings: &StormSettings, log_level: u8) -> Result<()> {
    block_on(run(settings, log_level))
}

async fn run(settings: &StormSettings, log_level: u8) -> Result<()> {
    let mut ends = Ends::new()?;
    let support = Support::gather(settings.btf.as_deref());
    let options = Options {
        filter: &settings.filter,
        ring_bytes: RING_BYTES,
        totals: Totals::Only(settings.rows),
        log_level,
    };
    let mut tracer = attach::attach(settings.hook, &support, &options)?;
    let reader = tracer.take_totals().context("the eBPF object has no totals")?;
    sleep(SETTLE).await;
    tracer.settle()?;
    if !settings.quiet {
        announce(&tracer);
    }
    let mut storm = Storm::new(settings, tracer, reader)?;
    let mut ticks = interval_at(Instant::now() + settings.interval, settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..settings.count.unwrap_or(u64::MAX) {
        tokio::select! {
            biased;
            () = ends.wait() => break,
            _ = ticks.tick() => storm.look(totals::GRACE).await?,
        }
    }
    storm.finish().await
}

/// What ends the run from outside.
struct Ends {
    interrupted: Signal,
    terminated: Signal,
}

impl Ends {
    fn new() -> Result<Self> {
        let interrupted = signal(SignalKind::interrupt())?;
        Ok(Self { interrupted, terminated: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {},
            _ = self.terminated.recv() => {},
        }
    }
}

struct Storm<'a> {
    settings: &'a StormSettings,
    tracer: Tracer,
    reader: TotalsReader,
    containers: Containers,
    detector: Detector,
    occupancy: Occupancy,
    whole: Whole,
    since_ns: u64,
    told: BTreeSet<String>,
}

/// All looks together.
#[derive(Default)]
struct Whole {
    began_ns: u64,
    rows: HashMap<TotalsKey, Sums>,
    other: Option<Sums>,
}

impl<'a> Storm<'a> {
    fn new(settings: &'a StormSettings, tracer: Tracer, reader: TotalsReader) -> Result<Self> {
        let since_ns = monotonic_ns()?;
        let whole = Whole { began_ns: since_ns, ..Whole::default() };
        let (containers, detector) = (Containers::new("/proc"), Detector::default());
        let (occupancy, told) = (Occupancy::new(settings.interval), BTreeSet::new());
        Ok(Self {
            settings,
            tracer,
            reader,
            containers,
            detector,
            occupancy,
            whole,
            since_ns,
            told,
        })
    }

    /// Takes what was added up since the last look, and shows it.
    async fn look(&mut self, grace: Duration) -> Result<()> {
        let (taken, duration_ns) = self.take(grace).await?;
        let end_ns = unix_ns(self.since_ns)?;
        let mut interval = Interval::new(end_ns, duration_ns, &taken.rows, taken.other.as_ref());
        self.whole.add(&taken);
        self.name_containers(&mut interval);
        let mut facts = Facts { storm: self.detector.observe(&interval), ..facts(&interval) };
        self.occupancy.look(&mut interval, &mut facts);
        let found = findings(&facts);
        let losses = counts::losses(&self.tracer.counts()?);
        self.tracer.flush_log();
        tell_module(self.tracer.follow_module(), self.settings.quiet);
        let look = Look::new("storm", self.tracer.hook, &interval, &found, losses);
        let mut out = io::stdout().lock();
        if self.settings.json {
            look.write_json(&mut out)?;
        } else {
            look.write_text(&mut out, self.settings.limit)?;
            write_findings(&mut out, &self.new_ones(&found))?;
            writeln!(out)?;
        }
        Ok(out.flush()?)
    }

    async fn take(&mut self, grace: Duration) -> Result<(Taken, u64)> {
        self.reader.switch()?;
        let now_ns = monotonic_ns()?;
        let duration_ns = now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
        sleep(grace).await;
        Ok((self.reader.take()?, duration_ns))
    }

    /// Findings that were not told before: their evidence changes from look to look.
    fn new_ones(&mut self, found: &[Finding]) -> Vec<Finding> {
        let told = &mut self.told;
        found.iter().filter(|finding| told.insert(finding.sentence.clone())).cloned().collect()
    }

    fn name_containers(&mut self, interval: &mut Interval) {
        let now_ns = interval.end_ns;
        for row in &mut interval.rows {
            let container = self.containers.container(row.pid, Some(row.cgroup_id), now_ns);
            row.container = container.map(|name| name.as_ref().to_owned());
        }
    }

    /// Detaches, takes the rest, and shows the whole.
    async fn finish(mut self) -> Result<()> {
        self.tracer.detach_start();
        sleep(GRACE).await;
        self.tracer.detach_end();
        // Both pairs of maps may hold something: that in use, and what came late to the other.
        for _ in 0..2 {
            let (taken, _) = self.take(totals::GRACE).await?;
            self.whole.add(&taken);
        }
        let counts = self.tracer.counts()?;
        let mut losses = counts::losses(&counts);
        losses.return_missed += counts::never_ended(&counts);
        let end_ns = unix_ns(self.since_ns)?;
        let mut interval = self.whole.interval(end_ns, self.since_ns);
        self.name_containers(&mut interval);
        let mut facts = facts(&interval);
        self.occupancy.look(&mut interval, &mut facts);
        let found = findings(&facts);
        self.show_whole(&interval, &found, losses)
    }

    fn show_whole(&self, interval: &Interval, found: &[Finding], losses: Losses) -> Result<()> {
        let look = Look::new(WHOLE, self.tracer.hook, interval, found, losses);
        let mut out = io::stdout().lock();
        if self.settings.json {
            look.write_json(&mut out)?;
        } else {
            look.write_text(&mut out, self.settings.limit)?;
            write_findings(&mut out, found)?;
            for (stage, lost) in losses.stages().into_iter().filter(|(_, lost)| *lost > 0) {
                writeln!(out, "lost: {lost} assignments are not in these numbers ({stage})")?;
            }
        }
        Ok(out.flush()?)
    }
}

impl Whole {
    fn add(&mut self, taken: &Taken) {
        for (key, sums) in &taken.rows {
            let has_room = self.rows.len() < MAX_ROWS;
            match self.rows.entry(*key) {
                Entry::Occupied(mut mine) => mine.get_mut().merge(sums),
                Entry::Vacant(place) if has_room => drop(place.insert(*sums)),
                Entry::Vacant(_) => self.add_other(sums),
            }
        }
        if let Some(other) = &taken.other {
            self.add_other(other);
        }
    }

    fn add_other(&mut self, sums: &Sums) {
        match &mut self.other {
            Some(other) => other.merge(sums),
            None => self.other = Some(*sums),
        }
    }

    fn interval(&self, end_ns: u64, now_ns: u64) -> Interval {
        let rows: Vec<_> = self.rows.iter().map(|(key, sums)| (*key, *sums)).collect();
        Interval::new(end_ns, now_ns.saturating_sub(self.began_ns), &rows, self.other.as_ref())
    }
}

/// What a look tells of destinations.
fn facts(interval: &Interval) -> Facts {
    let destinations = interval.rows.iter().map(DestinationFacts::of_row).collect();
    Facts { destinations, ..Facts::default() }
}

fn unix_ns(monotonic_ns: u64) -> Result<u64> {
    Ok(Clock::read().context("can't read the clocks")?.unix_ns(monotonic_ns))
}
