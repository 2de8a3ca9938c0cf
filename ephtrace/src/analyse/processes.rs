//! Each process, and how its ports are handed out.

use std::sync::Arc;

use super::{
    heavy_hitters::{Entry, HeavyHitters},
    pattern::{Judge, Observation, Verdict, WHOLE},
    summary::ProcessSummary,
};
use crate::model::{Assignment, Comm};

/// How many processes are told apart; each takes about 1 MiB if it talks to thousands of
/// destinations. Once there are more, the quieter ones make room, and are counted.
pub const MAX_PROCESSES: usize = 16;

/// Assignments that wait before a process gets a judge: many live for one connect only.
const MAX_WAITING: usize = 32;

/// The busiest processes.
pub(super) struct Processes {
    known: HeavyHitters<(u32, Name), Known>,
}

/// Sorts by the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name(Option<Comm>);

#[derive(Default)]
struct Known {
    failures: u64,
    container: Option<Arc<str>>,
    waiting: Vec<Observation>,
    judge: Option<Judge>,
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text().cmp(&other.text())
    }
}

impl Name {
    fn text(&self) -> Option<&str> {
        self.0.as_ref().map(Comm::as_str)
    }
}

impl Processes {
    pub(super) fn new() -> Self {
        Self { known: HeavyHitters::with_limit(MAX_PROCESSES) }
    }

    /// Takes note of one assignment; `event` is `None` for a failed one.
    pub(super) fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let Some(pid) = assignment.pid else { return };
        let known = &mut self.known.see((pid, Name(assignment.comm))).value;
        if known.container.is_none() {
            known.container.clone_from(&assignment.container);
        }
        match event {
            Some(event) => known.observe(event),
            None => known.failures += 1,
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.known.evicted()
    }

    /// Busiest first.
    pub(super) fn summaries(&self) -> Vec<ProcessSummary> {
        let summary = |((pid, name), entry): (&(u32, Name), &Entry<Known>)| ProcessSummary {
            pid: *pid,
            comm: name.text().map(str::to_owned),
            container: entry.value.container.as_deref().map(str::to_owned),
            assignments: entry.count,
            complete: entry.complete,
            failures: entry.value.failures,
            verdict: entry.value.verdict(),
        };
        self.known.ranked().into_iter().map(summary).collect()
    }
}

impl Known {
    fn observe(&mut self, event: &Observation) {
        if let Some(judge) = &mut self.judge {
            judge.observe(event);
            return;
        }
        self.waiting.push(*event);
        if self.waiting.len() == MAX_WAITING {
            self.judge = Some(judged(&std::mem::take(&mut self.waiting)));
        }
    }

    fn verdict(&self) -> Verdict {
        match &self.judge {
            Some(judge) => judge.verdict(),
            None => judged(&self.waiting).verdict(),
        }
    }
}

fn judged(events: &[Observation]) -> Judge {
    let mut judge = Judge::new(WHOLE);
    for event in events {
        judge.observe(event);
    }
    judge
}
