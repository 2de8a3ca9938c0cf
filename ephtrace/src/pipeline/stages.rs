//! The one chain of stages for every assignment, live or from a recording.
//!
//! ```text
//! assignment ─→ steps ─→ filter ─→ tally ─→ sink
//! ```

use std::io;

use crate::{
    analyse::{
        findings::DestinationFacts,
        lanes::{LaneKey, StepTracker},
        pattern::KernelRules,
        summary::{DestinationSummary, RunContext, Summary},
        tally::Tally,
    },
    host::netns,
    model::{Assignment, filter::Filter, losses::Losses},
    output::Sink,
};

/// Steps, filter, tally and sink, in their order.
pub(crate) struct Stages<S> {
    rules: KernelRules,
    /// The filter of a recording. A live trace has none: the kernel half has applied it.
    filter: Option<Filter>,
    steps: StepTracker,
    tally: Tally,
    sink: S,
}

impl<S: Sink> Stages<S> {
    /// Creates the chain into `sink`. The run began at `started_ns`, in nanoseconds since the Unix
    /// epoch; if `None`, with its first assignment.
    pub(crate) fn new(started_ns: Option<u64>, filter: Option<Filter>, sink: S) -> Self {
        let (steps, tally) = (StepTracker::default(), Tally::new(started_ns));
        Self { rules: KernelRules::default(), filter, steps, tally, sink }
    }

    /// Sets the rules of the kernel that assigns the ports.
    #[must_use]
    pub(crate) fn knowing(self, rules: KernelRules) -> Self {
        let tally = self.tally.knowing(rules);
        Self { rules, tally, ..self }
    }

    /// Takes one assignment through all stages. Returns whether the filter kept it.
    pub(crate) fn take(&mut self, assignment: &mut Assignment) -> io::Result<bool> {
        // Before the filter: a step is the distance to the previous port, kept or not.
        self.steps.follow(assignment);
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(assignment)) {
            return Ok(false);
        }
        self.tally.observe(assignment);
        self.sink.event(assignment)?;
        Ok(true)
    }

    /// Number of assignments that passed the filter, failed ones included.
    pub(crate) fn assignments(&self) -> u64 {
        self.tally.assignments()
    }

    /// Returns the facts for findings about all known destinations.
    pub(crate) fn facts(&self) -> Vec<DestinationFacts> {
        self.tally.facts()
    }

    /// Returns the summary of one destination, if it is known.
    pub(crate) fn destination(&self, lane: &LaneKey) -> Option<DestinationSummary> {
        self.tally.destination(lane)
    }

    /// Returns the summary of the run until `now_ns`, or until its last assignment, with its
    /// `busiest` destinations. `around` is completed with the chain's own state.
    pub(crate) fn summary(
        &self,
        now_ns: Option<u64>,
        busiest: usize,
        around: RunContext,
    ) -> Summary {
        let around = RunContext {
            lanes_evicted: self.steps.evicted(),
            // A recording names the namespace of its own ephtrace.
            own_netns: around.own_netns.or_else(|| netns::own().ok()),
            failed_only: around.failed_only
                || self.filter.as_ref().is_some_and(|filter| filter.failed_only),
            ..around
        };
        self.tally.summary(now_ns, busiest, around)
    }

    /// Starts a new tally at `now_ns`; steps go on.
    pub(crate) fn reset(&mut self, now_ns: u64) {
        self.tally = Tally::new(Some(now_ns)).knowing(self.rules);
    }

    /// Writes out the sink's buffer.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Passes the losses until `ts_ns` to the sink, counted from the start.
    pub(crate) fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()> {
        self.sink.losses(ts_ns, losses)
    }

    /// Passes the last losses and the summary to the sink, and completes the output.
    pub(crate) fn finish(mut self, ts_ns: u64, summary: &Summary) -> io::Result<()> {
        self.sink.flush()?;
        self.sink.losses(ts_ns, &summary.losses)?;
        self.sink.summary(ts_ns, summary)?;
        self.sink.finish()
    }
}
