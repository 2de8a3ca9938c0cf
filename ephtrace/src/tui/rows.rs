//! One row for each destination: its last second, and everything known of it.

use std::sync::Arc;

use crate::{
    analyse::{number::as_f64, summary::DestinationSummary},
    model::{Assignment, Comm, PortRange},
};

/// Number of steps whose median is taken: enough to be steady, few enough to be current.
const STEPS: usize = 16;

/// Part of its range that a destination has in use now, according to the kernel's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Ports that can't be given to this destination: in use for it, or bound for every one.
    pub ports: u32,
    /// Number of ports in the range.
    pub of: u32,
}

/// Mark that a destination has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// No mark.
    Below,
    /// The half mark: from there on, each connect scans half of the range first.
    Half,
    /// The whole range: the next connect fails.
    Full,
}

impl InUse {
    /// Returns the percentage in use, rounded as elsewhere; 100 means all.
    pub(crate) fn percent(self) -> u32 {
        let (ports, of) = (u64::from(self.ports), u64::from(self.of.max(1)));
        let percent = (ports * 200 + of) / (2 * of);
        let most = if ports < of { 99 } else { u64::from(u32::MAX) };
        u32::try_from(percent.min(most)).unwrap_or(u32::MAX)
    }

    pub(crate) fn mark(self) -> Mark {
        match u64::from(self.ports) {
            ports if ports >= u64::from(self.of) => Mark::Full,
            ports if ports * 2 >= u64::from(self.of) => Mark::Half,
            _ => Mark::Below,
        }
    }
}

/// One destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Failed assignments.
    pub(crate) failures: u64,
    /// Assignments per second in the last second; unknown before it is over.
    pub(crate) rate: Option<f64>,
    /// Mean time of the kernel's search in nanoseconds, in the last second that had one.
    pub(crate) latency_ns: Option<f64>,
    /// Mean number of candidates that the search looked at, likewise.
    pub(crate) tried: Option<f64>,
    /// Range in force.
    pub(crate) range: Option<PortRange>,
    /// Id of the last process.
    pub(crate) pid: Option<u32>,
    /// Name of the last process.
    pub(crate) comm: Option<Comm>,
    /// Name of its container, or its short id where the name is unknown.
    pub(crate) container: Option<Arc<str>>,
    /// Its pod, as `NAMESPACE/NAME`.
    pub(crate) pod: Option<Arc<str>>,
    /// Result of the tally, as of the last snapshot that included it.
    pub(crate) said: Option<Box<DestinationSummary>>,
    steps: [i32; STEPS],
    step_count: usize,
    second: Second,
}

/// Sums since the end of the last second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    count: u32,
    latency: Sum,
    tried: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    total: u64,
    count: u32,
}

impl Sum {
    fn add(&mut self, value: Option<u64>) {
        if let Some(value) = value {
            self.total = self.total.saturating_add(value);
            self.count = self.count.saturating_add(1);
        }
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| as_f64(self.total) / f64::from(self.count))
    }
}

impl Row {
    /// Records one assignment, with its `step`.
    pub(crate) fn observe(&mut self, assignment: &Assignment) {
        self.failures += u64::from(assignment.is_failed());
        self.second.count = self.second.count.saturating_add(1);
        self.second.latency.add(assignment.latency_ns);
        self.second.tried.add(assignment.tried.map(u64::from));
        self.range = assignment.ports().or(self.range);
        if assignment.pid.is_some() {
            (self.pid, self.comm) = (assignment.pid, assignment.comm);
            if self.container.as_ref() != assignment.container_label() {
                self.container = assignment.container_label().cloned();
            }
            // Most rows have no pod, and it seldom changes.
            self.pod = assignment.full_pod().map(Arc::from);
        }
        // A step across a change of the hash secret is not one of the counter's.
        if let Some(step) = assignment.step.filter(|_| assignment.resalted != Some(true)) {
            self.steps[self.step_count % STEPS] = step;
            self.step_count += 1;
        }
    }

    /// Ends the current second; `elapsed_ns` nanoseconds have passed since the last call.
    pub(crate) fn roll(&mut self, elapsed_ns: u64) {
        let Second { count, latency, tried } = std::mem::take(&mut self.second);
        self.rate = (elapsed_ns > 0).then(|| f64::from(count) * 1e9 / as_f64(elapsed_ns));
        self.latency_ns = latency.mean().or(self.latency_ns);
        self.tried = tried.mean().or(self.tried);
    }

    /// Returns the median of the last steps.
    pub(crate) fn step(&self) -> Option<i32> {
        let mut steps = self.steps;
        let known = steps.get_mut(..self.step_count.min(STEPS))?;
        known.sort_unstable();
        known.get(known.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_the_search_changes() {
        let mark = |ports, of| InUse { ports, of }.mark();
        assert_eq!(
            [mark(13, 28), mark(14, 28), mark(27, 28)],
            [Mark::Below, Mark::Half, Mark::Half]
        );
        assert_eq!([mark(28, 28), mark(0, 0)], [Mark::Full; 2]);
        assert_eq!(InUse { ports: 1999, of: 2000 }.percent(), 99);
        assert_eq!(InUse { ports: 538, of: 1000 }.percent(), 54);
        assert_eq!(InUse { ports: 10, of: 10 }.percent(), 100);
    }

    #[test]
    fn a_second_without_assignments_keeps_what_was_known() {
        let mut row = Row::default();
        assert_eq!((row.rate, row.step(), row.latency_ns), (None, None, None));
        for (latency_ns, step) in [(1000, None), (3000, Some(-7)), (2000, Some(2)), (2000, Some(4))]
        {
            let latency_ns = Some(latency_ns);
            row.observe(&Assignment { latency_ns, step, errno: Some(99), ..Assignment::default() });
        }
        row.roll(2_000_000_000);
        assert_eq!((row.rate, row.latency_ns, row.tried), (Some(2.0), Some(2000.0), None));
        row.roll(1_000_000_000);
        assert_eq!((row.rate, row.latency_ns, row.step()), (Some(0.0), Some(2000.0), Some(2)));
        assert_eq!(row.failures, 4);
    }
}
