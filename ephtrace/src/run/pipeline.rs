//! What one record goes through: ring → decode → enrich → analyse → sink.

use std::io;

use anyhow::{Context as _, Result};
use ephtrace_common::Counter;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

use super::{counts, facts, view};
use crate::{
    analyse::{
        findings::DestinationFacts,
        lanes::{Lane, Lanes},
        selection::{self, Rules},
        storm::Interval,
        summary::{BUSIEST, Circumstances, CpuTime, KernelCost, KernelCounts},
        tally::Tally,
    },
    decode::{Decoded, Machine, decode},
    enrich::{
        Enricher,
        clock::{Clock, monotonic_ns},
    },
    inventory::netns,
    kernel::{
        cost::Meter,
        module::Change,
        ring::{MAX_PER_DRAIN, Ring},
        totals::{Taken, TotalsReader},
        tracer::{Counts, Tracer},
    },
    losses::Losses,
    settings::Settings,
    sink::{
        self, Notices, Sink,
        live::Glance,
        parquet::{Fact, PreparedRecording},
    },
};

/// Out of how many looks (one a second) one measures the programs' cost: to switch the measurement
/// on and off, the kernel patches its own code.
const MEASURE_EVERY: u64 = 10;

/// The kernel half and everything behind it.
pub(super) struct Pipeline {
    tracer: Tracer,
    ring: Ring,
    stages: Stages,
    meter: Meter,
    totals: TotalsReader,
    /// What to say when the output fails.
    failure: String,
    looks: u64,
    /// Records that came out of the ring.
    taken: u64,
}

/// The stages behind the ring, in their order.
struct Stages {
    clock: Clock,
    machine: Machine,
    enricher: Enricher,
    rules: Rules,
    lanes: Lanes,
    tally: Tally,
    sink: Box<dyn Sink>,
    undecodable: u64,
    stop_after: Option<u64>,
}

/// Where events go. A file is as it was before until it is begun.
pub(super) enum Output {
    /// As text, NDJSON or CSV.
    Events(sink::Output),
    /// As rows.
    Recording(Box<PreparedRecording>),
}

impl Output {
    /// The sink, for a run that began at `started_ns`, in nanoseconds since the Unix epoch; `facts`
    /// are for the metadata of a recording. A file is emptied.
    pub(super) fn begin(
        self,
        settings: &Settings,
        started_ns: u64,
        facts: impl FnOnce() -> Vec<Fact>,
    ) -> Result<Box<dyn Sink>> {
        let sink = match self {
            Self::Events(output) => output
                .begin()
                .map(|file| sink::build(&settings.view, started_ns, file, io::stderr())),
            Self::Recording(prepared) => {
                prepared.begin(facts()).map(|sink| Box::new(sink) as Box<dyn Sink>)
            }
        };
        sink.with_context(|| not_opened(settings))
    }
}

/// Opens where events go.
pub(super) fn open_output(settings: &Settings) -> Result<Output> {
    let opened = match &settings.record {
        Some(options) => {
            let notices = Notices::new(io::stderr(), settings.view.quiet);
            let notices = notices.with_plots(settings.view.plot);
            let prepared = PreparedRecording::open(options.clone(), notices);
            prepared.map(|prepared| Output::Recording(Box::new(prepared)))
        }
        None => sink::Output::open(settings.output.as_deref()).map(Output::Events),
    };
    opened.with_context(|| not_opened(settings))
}

fn not_opened(settings: &Settings) -> String {
    format!("can't open {} for writing", output_name(settings))
}

fn output_name(settings: &Settings) -> String {
    let recorded = settings.record.as_ref().map(|record| &record.path);
    let path = recorded.or(settings.output.as_ref());
    path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
}

pub(super) fn not_written(settings: &Settings) -> String {
    let output = output_name(settings);
    if settings.record.is_some() {
        return format!(
            "can't record to {output} (what was recorded up to a few seconds ago is in it and can be \
             read; make room, or name another file)"
        );
    }
    format!("can't write events to {output} (all lines before are intact; try another --output)")
}

impl Pipeline {
    pub(super) fn new(settings: &Settings, tracer: Tracer, output: Output) -> Result<Self> {
        let hook = tracer.hook;
        Self::with_sink(settings, tracer, |started_ns| {
            output.begin(settings, started_ns, || facts::gather(hook, started_ns))
        })
    }

    /// Into the sink that `make` makes, given when the run began, in nanoseconds since the Unix epoch.
    pub(super) fn with_sink(
        settings: &Settings,
        mut tracer: Tracer,
        make: impl FnOnce(u64) -> Result<Box<dyn Sink>>,
    ) -> Result<Self> {
        let ring = tracer.take_ring().context("the eBPF object has no EVENTS")?;
        let totals = tracer.take_totals().context("the eBPF object has no totals")?;
        let clock = Clock::read().context("can't read the clocks")?;
        let started_ns = clock.unix_ns(monotonic_ns()?);
        let stages = Stages {
            clock,
            machine: machine(clock),
            enricher: Enricher::default(),
            rules: Rules { own_range_steps_by_one: tracer.own_range_steps_by_one },
            lanes: Lanes::default(),
            tally: Tally::new(Some(started_ns)),
            sink: make(started_ns)?,
            undecodable: 0,
            stop_after: settings.count,
        };
        let failure = not_written(settings);
        let (ring, meter) = (Ring::new(ring), Meter::default());
        Ok(Self { tracer, ring, stages, meter, totals, failure, looks: 0, taken: 0 })
    }

    pub(super) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// As many events were shown as were asked for.
    pub(super) fn is_full(&self) -> bool {
        self.stages.is_full()
    }

    /// Nothing is in flight any more that began while the hook was attached half.
    pub(super) fn settle(&mut self) -> Result<()> {
        Ok(self.tracer.settle()?)
    }

    /// What has become of a module whose functions are to be hooked.
    pub(super) fn follow_module(&mut self) -> Option<Change> {
        self.tracer.follow_module()
    }

    /// Takes what waits in the ring through all stages. Returns whether more may be waiting.
    pub(super) fn drain(&mut self) -> Result<bool> {
        let Self { ring, stages, meter, tracer, failure, taken, .. } = self;
        let now = ring
            .drain(|bytes| stages.take(bytes))
            .and_then(|now| stages.sink.flush().map(|()| now))
            .with_context(|| failure.clone())?;
        *taken += u64::try_from(now)?;
        meter.close_if_due(|| tracer.searches(), || tracer.cost());
        Ok(now == MAX_PER_DRAIN)
    }

    /// Takes what was written to the ring so far, however large that is: nothing writes to it any
    /// more, or, where a program could not be detached, what it writes from now on is left alone.
    fn drain_rest(&mut self) -> Result<()> {
        let written = counts::emitted(&self.tracer.counts()?);
        while self.drain()? && self.taken < written && !self.is_full() {}
        Ok(())
    }

    /// What is due once a second.
    pub(super) fn look(&mut self) -> Result<()> {
        let Self { tracer, stages, meter, failure, looks, .. } = self;
        stages.clock = Clock::read().context("can't read the clocks")?;
        stages.machine = machine(stages.clock);
        if *looks % MEASURE_EVERY == 0 {
            meter.open(|| tracer.cost());
        }
        *looks += 1;
        tracer.flush_log();
        let losses = stages.losses(&tracer.counts()?);
        let now_ns = stages.clock.unix_ns(monotonic_ns()?);
        stages.sink.losses(now_ns, &losses).with_context(|| failure.clone())
    }

    /// What a live view is to show of the run so far, with the destinations that it wants.
    pub(super) fn glance(&self, wanted: &[Lane]) -> Result<Glance> {
        let Self { tracer, stages, .. } = self;
        let counts = tracer.counts()?;
        let around = Circumstances {
            losses: stages.losses(&counts),
            kernel: Some(kernel_counts(&counts)),
            hook: Some(tracer.hook),
            cpu: cpu_time(),
            kernel_cost: None,
            lanes_evicted: stages.lanes.evicted(),
            overflow: None,
            own_netns: netns::own().ok(),
        };
        Ok(view::glance(&stages.tally, stages.clock.unix_ns(monotonic_ns()?), wanted, around))
    }

    /// What findings are made from, of all destinations that are known.
    pub(super) fn facts(&self) -> Vec<DestinationFacts> {
        self.stages.tally.facts()
    }

    /// Now, in nanoseconds since the Unix epoch.
    pub(super) fn now_ns(&self) -> Result<u64> {
        Ok(self.stages.clock.unix_ns(monotonic_ns()?))
    }

    /// Counts from now on, for the final summary, too.
    pub(super) fn reset(&mut self) -> Result<()> {
        let now_ns = self.now_ns()?;
        self.stages.tally = Tally::new(Some(now_ns));
        Ok(())
    }

    /// No search that begins from now on is seen.
    pub(super) fn detach_start(&mut self) {
        let Self { tracer, meter, .. } = self;
        // The programs' own numbers go with them.
        meter.close(|| tracer.cost());
        tracer.detach_start();
    }

    /// The last events, losses and the summary.
    pub(super) fn finish(mut self) -> Result<()> {
        self.tracer.detach_end();
        self.drain_rest()?;
        let Self { mut tracer, mut stages, meter, totals, failure, taken, .. } = self;
        tracer.flush_log();
        let counts = tracer.counts()?;
        let mut losses = stages.losses(&counts);
        losses.return_missed += counts::never_ended(&counts);
        if !stages.is_full() {
            losses.undecodable += counts::emitted(&counts).saturating_sub(taken);
        }
        let now_ns = stages.clock.unix_ns(monotonic_ns()?);
        let around = Circumstances {
            losses,
            kernel: Some(kernel_counts(&counts)),
            hook: Some(tracer.hook),
            cpu: cpu_time(),
            kernel_cost: meter.total().map(|cost| KernelCost {
                run_time_ns: cost.run_time_ns,
                runs: cost.runs,
                searches: cost.searches,
            }),
            lanes_evicted: stages.lanes.evicted(),
            overflow: overflow(totals, now_ns)?,
            own_netns: netns::own().ok(),
        };
        let summary = stages.tally.summary(Some(now_ns), BUSIEST, around);
        let Stages { sink, .. } = &mut stages;
        sink.losses(now_ns, &losses)
            .and_then(|()| sink.summary(now_ns, &summary))
            .and_then(|()| sink.finish())
            .context(failure)
    }
}

impl Stages {
    fn is_full(&self) -> bool {
        self.stop_after.is_some_and(|count| self.tally.assignments() >= count)
    }

    /// One record. What comes after the last one that was asked for is left alone.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        let Decoded { mut assignment, secrets } = match decode(bytes, &self.machine) {
            Ok(decoded) => decoded,
            Err(error) => {
                log::warn!("a record can't be read: {error}");
                self.undecodable += 1;
                return Ok(());
            }
        };
        self.enricher.enrich(&mut assignment);
        selection::apply(&mut assignment, &secrets, self.rules);
        self.lanes.follow(&mut assignment);
        self.tally.observe(&assignment);
        self.sink.event(&assignment)
    }

    fn losses(&self, counts: &Counts) -> Losses {
        Losses { undecodable: self.undecodable, ..counts::losses(counts) }
    }
}

/// What the kernel half counted because the ring buffer was full. Nothing adds to it any more.
fn overflow(mut totals: TotalsReader, now_ns: u64) -> Result<Option<Interval>> {
    totals.switch()?;
    let Taken { rows, other } = totals.take()?;
    let is_empty = rows.is_empty() && other.is_none();
    Ok((!is_empty).then(|| Interval::new(now_ns, 0, &rows, other.as_ref())))
}

fn kernel_counts(counts: &Counts) -> KernelCounts {
    let count = |counter: Counter| counts[counter as usize];
    KernelCounts {
        seen: count(Counter::Seen),
        filtered: count(Counter::Filtered),
        emitted: count(Counter::Emitted),
        already_bound: count(Counter::AlreadyBound),
        read_failed: count(Counter::ReadFailed),
    }
}

fn machine(clock: Clock) -> Machine {
    Machine { unix_offset_ns: clock.unix_ns(0) }
}

fn cpu_time() -> Option<CpuTime> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let ns = |time: nix::sys::time::TimeVal| u64::try_from(time.num_nanoseconds()).unwrap_or(0);
    Some(CpuTime { user_ns: ns(usage.user_time()), system_ns: ns(usage.system_time()) })
}
