//! Events that did not reach the output, by the stage that lost them. Every sink shows them.

use serde::Serializer;

/// Serializes losses as a number for each stage.
pub fn serialize_losses<S: Serializer>(losses: &Losses, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(losses.stages())
}

/// Losses so far, by stage. Each number only grows during a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct Losses {
    /// Kernel: no room in the ring buffer.
    pub ring_full: u64,
    /// Kernel: no room for the state of a search in flight.
    pub in_flight_full: u64,
    /// Kernel: the end of a search was never seen (missed return probe, evicted state).
    pub return_missed: u64,
    /// Kernel: a hook was skipped because it was being run on that processor for another task. With
    /// kprobes, this includes searches that no filter would have kept.
    pub hook_missed: u64,
    /// User side: a record that could not be decoded, or that was in the ring buffer and never came
    /// out of it.
    pub undecodable: u64,
    /// User side: a line of a recording that could not be read.
    pub unreadable: u64,
}

impl Losses {
    /// Returns the stage names, as in every output, with their numbers.
    pub fn stages(&self) -> [(&'static str, u64); 6] {
        let Self {
            // Each field is named, so that none is forgotten.
            ring_full,
            in_flight_full,
            return_missed,
            hook_missed,
            undecodable,
            unreadable,
        } = *self;
        [
            ("ring_full", ring_full),
            ("in_flight_full", in_flight_full),
            ("return_missed", return_missed),
            ("hook_missed", hook_missed),
            ("undecodable", undecodable),
            ("unreadable", unreadable),
        ]
    }

    /// Returns the losses after `before`, stage by stage.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            ring_full: self.ring_full.saturating_sub(before.ring_full),
            in_flight_full: self.in_flight_full.saturating_sub(before.in_flight_full),
            return_missed: self.return_missed.saturating_sub(before.return_missed),
            hook_missed: self.hook_missed.saturating_sub(before.hook_missed),
            undecodable: self.undecodable.saturating_sub(before.undecodable),
            unreadable: self.unreadable.saturating_sub(before.unreadable),
        }
    }

    /// Returns the sum with `others`, stage by stage, saturating.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self {
            ring_full: self.ring_full.saturating_add(others.ring_full),
            in_flight_full: self.in_flight_full.saturating_add(others.in_flight_full),
            return_missed: self.return_missed.saturating_add(others.return_missed),
            hook_missed: self.hook_missed.saturating_add(others.hook_missed),
            undecodable: self.undecodable.saturating_add(others.undecodable),
            unreadable: self.unreadable.saturating_add(others.unreadable),
        }
    }

    /// Returns the sum over all stages; it saturates if a recording claims more.
    pub fn total(&self) -> u64 {
        self.stages().into_iter().fold(0, |total, (_, n)| total.saturating_add(n))
    }
}
