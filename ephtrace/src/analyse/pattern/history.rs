//! The last few assignments of one destination, judged on request: far smaller than a judge, since
//! there are many destinations.

use std::collections::VecDeque;

use super::observation::{Clock, Observation, Search};
use crate::model::{Origin, Protocol, RangeInForce};

/// Maximum number of assignments that are kept, 48 bytes each. A verdict on this many is as good as
/// any on one destination (`docs/patterns.md`).
pub const MAX_HISTORY: usize = 64;

/// The last [`MAX_HISTORY`] assignments of one destination.
#[derive(Clone, Debug, Default)]
pub struct History {
    kept: VecDeque<Kept>,
    total: u64,
}

/// The part of an [`Observation`] that differs between observations of one destination.
#[derive(Clone, Copy, Debug)]
struct Kept {
    clock: Clock,
    netns: u32,
    word_step: Option<u32>,
    first_candidate: Option<u16>,
    at_once: bool,
    port: u16,
    range: Option<RangeInForce>,
    origin: Option<Origin>,
    protocol: Option<Protocol>,
    linux: bool,
}

impl History {
    /// Creates an empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next assignment.
    pub fn observe(&mut self, event: &Observation) {
        if self.kept.len() == MAX_HISTORY {
            self.kept.pop_front();
        }
        let search = event.search.as_ref();
        self.kept.push_back(Kept {
            clock: event.clock,
            netns: event.netns,
            word_step: search.and_then(|search| search.word_step),
            first_candidate: search.and_then(|search| search.first_candidate),
            at_once: search.is_some_and(|search| search.tried == Some(1)),
            port: event.port,
            range: event.range,
            origin: event.origin,
            protocol: event.protocol,
            linux: event.linux,
        });
        self.total += 1;
    }

    /// Number of assignments, including those no longer kept.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the assignments that are kept, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = Observation> + '_ {
        self.kept.iter().map(|kept| kept.observation())
    }
}

impl Kept {
    fn observation(self) -> Observation {
        let Self { word_step, first_candidate, at_once, .. } = self;
        // Of a longer search, only its being longer matters.
        let tried = Some(if at_once { 1 } else { u32::MAX });
        let is_seen = word_step.is_some() || first_candidate.is_some();
        Observation {
            port: self.port,
            key: 0,
            peer: 0,
            netns: self.netns,
            range: self.range,
            origin: self.origin,
            protocol: self.protocol,
            clock: self.clock,
            linux: self.linux,
            search: is_seen.then_some(Search { word_step, first_candidate, tried }),
        }
    }
}
