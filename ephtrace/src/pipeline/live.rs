//! The live trace: ring → reading → stages.

use anyhow::{Context as _, Result};
use ephtrace_common::Counter;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

use super::{
    counts, namespaces,
    output::{Output, not_written},
    overflow::OverflowTotals,
    reading::{Reading, kernel_rules},
    recording_metadata,
    settings::TraceSettings,
    stages::Stages,
    view,
};
use crate::{
    analyse::{
        findings::DestinationFacts,
        lanes::LaneKey,
        summary::{BUSIEST, CpuTime, KernelCost, KernelCounts, RunContext},
    },
    host::clock::monotonic_ns,
    kernel::{
        cost::Meter,
        module::Change,
        ring::{MAX_PER_DRAIN, Ring},
        sites::Site,
        tracer::{Counts, Tracer},
    },
    output::Sink,
    tui::TallySnapshot,
};

/// Number of looks (one a second) of which one measures the programs' cost: to switch the
/// measurement on and off, the kernel patches its own code.
const MEASURE_EVERY: u64 = 10;

/// The kernel half and all stages behind it.
pub(crate) struct Pipeline {
    tracer: Tracer,
    ring: Ring,
    reading: Reading,
    stages: Stages<Box<dyn Sink>>,
    meter: Meter,
    overflow: OverflowTotals,
    /// Message if an output fails.
    failure: String,
    looks: u64,
    /// Number of records taken out of the ring.
    taken: u64,
    stop_after: Option<u64>,
    failed_only: bool,
}

impl Pipeline {
    pub(crate) fn new(settings: &TraceSettings, tracer: Tracer, output: Output) -> Result<Self> {
        let hook = tracer.hook;
        Self::with_sink(settings, tracer, |started_ns| {
            output.begin(settings, started_ns, || recording_metadata::gather(hook, started_ns))
        })
    }

    /// Creates a pipeline into the sink that `make` creates from the time before which there is no
    /// event, in nanoseconds since the Unix epoch.
    pub(crate) fn with_sink(
        settings: &TraceSettings,
        mut tracer: Tracer,
        make: impl FnOnce(u64) -> Result<Box<dyn Sink>>,
    ) -> Result<Self> {
        let ring = tracer.take_ring().context("the eBPF object has no EVENTS")?;
        let totals = tracer.take_totals().context("the eBPF object has no totals")?;
        let reading = Reading::new(&tracer, &settings.filter)?;
        let clock = reading.clock;
        // Rates are over the time in which everything is seen; events are seen from before.
        let (began_ns, started_ns) =
            (clock.unix_ns(tracer.began_ns), clock.unix_ns(monotonic_ns()?));
        let rules = kernel_rules(&tracer);
        let stages = Stages::new(Some(started_ns), None, make(began_ns)?).knowing(rules);
        let failure = not_written(settings);
        let (ring, meter) = (Ring::new(ring), Meter::new(settings.measures_cost));
        Ok(Self {
            tracer,
            ring,
            reading,
            stages,
            meter,
            overflow: OverflowTotals::new(totals),
            failure,
            looks: 0,
            taken: 0,
            stop_after: settings.count,
            failed_only: settings.filter.failed_only,
        })
    }

    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Returns whether as many events were shown as requested.
    pub(crate) fn is_full(&self) -> bool {
        is_full(&self.stages, self.stop_after)
    }

    /// Marks that no search is in flight any more that began while the hook was only partly
    /// attached.
    pub(crate) fn settle(&mut self) -> Result<()> {
        Ok(self.tracer.settle()?)
    }

    /// Returns a change of a module whose functions are to be hooked.
    pub(crate) fn follow_module(&mut self) -> Option<Change> {
        self.tracer.follow_module()
    }

    /// Returns sites that the hook has gone blind to, each once, with the reason.
    pub(crate) fn blinded(&mut self) -> Vec<(Site, String)> {
        self.tracer.blinded()
    }

    /// Takes the waiting records through all stages. Returns whether more may be waiting.
    pub(crate) fn drain(&mut self) -> Result<bool> {
        let Self { ring, reading, stages, meter, tracer, failure, taken, stop_after, .. } = self;
        let now = ring
            .drain(|bytes| {
                // After the last requested event, the rest is left alone.
                if is_full(stages, *stop_after) {
                    return Ok(());
                }
                reading.read(bytes).map_or(Ok(()), |mut one| stages.take(&mut one).map(|_| ()))
            })
            .and_then(|now| stages.flush().map(|()| now))
            .with_context(|| failure.clone())?;
        *taken += u64::try_from(now)?;
        meter.close_if_due(|| tracer.run_time(), || tracer.searches());
        Ok(now == MAX_PER_DRAIN)
    }

    /// Takes all records that were written to the ring so far, however many: nothing writes to it
    /// any more, or, if a program could not be detached, later records are ignored.
    fn drain_rest(&mut self) -> Result<()> {
        let written = counts::emitted(&self.tracer.counts()?);
        while self.drain()? && self.taken < written && !self.is_full() {}
        Ok(())
    }

    /// Runs the tasks of once a second.
    pub(crate) fn look(&mut self) -> Result<()> {
        let Self { tracer, reading, stages, meter, overflow, failure, looks, .. } = self;
        reading.follow_clock()?;
        if *looks % MEASURE_EVERY == 0 {
            meter.open(|| tracer.run_time(), || tracer.searches());
        }
        *looks += 1;
        tracer.flush_log();
        let losses = reading.losses(&tracer.counts()?);
        overflow.look(losses.ring_full)?;
        let now_ns = reading.clock.unix_ns(monotonic_ns()?);
        stages.losses(now_ns, &losses).with_context(|| failure.clone())
    }

    /// Returns the snapshot of the run for a live view, with the destinations that it wants.
    pub(crate) fn snapshot(&self, wanted: &[LaneKey]) -> Result<TallySnapshot> {
        let Self { tracer, reading, stages, .. } = self;
        let counts = tracer.counts()?;
        let around = RunContext {
            losses: reading.losses(&counts),
            kernel: Some(kernel_counts(tracer, &counts, reading.unwanted)),
            hook: Some(tracer.hook),
            unseen_failures: tracer.unseen_failures(),
            cpu: cpu_time(),
            failed_only: self.failed_only,
            ..RunContext::default()
        };
        Ok(view::snapshot(stages, self.now_ns()?, wanted, around))
    }

    /// Returns the facts for findings about all known destinations.
    pub(crate) fn facts(&self) -> Vec<DestinationFacts> {
        self.stages.facts()
    }

    /// Returns the present time, in nanoseconds since the Unix epoch.
    pub(crate) fn now_ns(&self) -> Result<u64> {
        Ok(self.reading.clock.unix_ns(monotonic_ns()?))
    }

    /// Restarts the counts from now on, for the final summary, too.
    pub(crate) fn reset(&mut self) -> Result<()> {
        let now_ns = self.now_ns()?;
        self.stages.reset(now_ns);
        Ok(())
    }

    /// Stops seeing searches begin.
    pub(crate) fn detach_start(&mut self) {
        let Self { tracer, meter, .. } = self;
        // The programs' own numbers disappear with the programs.
        meter.close(|| tracer.run_time(), || tracer.searches());
        tracer.detach_start();
    }

    /// Writes the last events, the losses and the summary.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.tracer.detach_end();
        self.drain_rest()?;
        let (is_full, failed_only) = (self.is_full(), self.failed_only);
        let Self { mut tracer, reading, stages, meter, overflow, failure, taken, .. } = self;
        tracer.flush_log();
        let counts = tracer.counts()?;
        let mut losses = reading.losses(&counts);
        losses.return_missed += counts::never_ended(&counts);
        if !is_full {
            losses.undecodable += counts::emitted(&counts).saturating_sub(taken);
        }
        let now_ns = reading.clock.unix_ns(monotonic_ns()?);
        let around = RunContext {
            losses,
            kernel: Some(kernel_counts(&tracer, &counts, reading.unwanted)),
            hook: Some(tracer.hook),
            unseen_failures: tracer.unseen_failures(),
            cpu: cpu_time(),
            kernel_cost: meter.total().map(|cost| KernelCost {
                run_time_ns: cost.run_time_ns,
                runs: cost.runs,
                searches: cost.searches,
            }),
            overflow: overflow.finish(now_ns)?,
            namespaces: namespaces::of(&stages.facts()),
            failed_only,
            ..RunContext::default()
        };
        let summary = stages.summary(Some(now_ns), BUSIEST, around);
        stages.finish(now_ns, &summary).context(failure)
    }
}

fn is_full<S: Sink>(stages: &Stages<S>, stop_after: Option<u64>) -> bool {
    stop_after.is_some_and(|count| stages.assignments() >= count)
}

/// Returns the kernel half's counts. Assignments with other names than wanted have left its ring,
/// and count as filtered.
fn kernel_counts(tracer: &Tracer, counts: &Counts, unwanted: u64) -> KernelCounts {
    let count = |counter: Counter| counts[counter as usize];
    KernelCounts {
        seen: count(Counter::Seen),
        filtered: count(Counter::Filtered) + unwanted,
        emitted: count(Counter::Emitted).saturating_sub(unwanted),
        already_bound: count(Counter::AlreadyBound),
        read_failed: count(Counter::ReadFailed),
        map_bytes: tracer.map_bytes,
    }
}

/// Returns the processor time of this process, if the kernel tells it.
pub(crate) fn cpu_time() -> Option<CpuTime> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let ns = |time: nix::sys::time::TimeVal| u64::try_from(time.num_nanoseconds()).unwrap_or(0);
    Some(CpuTime { user_ns: ns(usage.user_time()), system_ns: ns(usage.system_time()) })
}
