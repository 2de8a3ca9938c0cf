//! Each destination of a recording: how often, and how its ports are handed out.

use std::net::IpAddr;

use serde::Serialize;

use super::top::Top;
use crate::{
    analyse::{
        pattern::{History, Observation, Verdict},
        reuse::{Reuse, Used, Uses},
    },
    event::{Assignment, Destination, Origin, Protocol, origin_name, protocol_name},
};

/// How many destinations are told apart; each takes up to 4 KiB. Once there are more, the quieter
/// ones make room, and are counted.
pub const MAX_DESTINATIONS: usize = 2048;

/// The destinations of a recording.
pub(super) struct Destinations {
    known: Top<Key, Known>,
    uses: Uses,
}

/// What one verdict is given on: one rule of the kernel hands out ports for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    destination: Destination,
    protocol: Option<Protocol>,
    origin: Option<Origin>,
}

#[derive(Default)]
struct Known {
    failures: u64,
    history: History,
}

/// What is said of one destination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DestinationReport {
    /// Inode number of the network namespace, where known.
    pub netns: Option<u32>,
    /// Source address.
    pub saddr: IpAddr,
    /// Destination address.
    pub daddr: IpAddr,
    /// Destination port.
    pub dport: u16,
    /// Transport protocol, where known.
    pub protocol: Option<&'static str>,
    /// How the assignments came about, where known.
    pub origin: Option<&'static str>,
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Whether `assignments` is exact; else it is a lower bound.
    pub complete: bool,
    /// Failed ones.
    pub failures: u64,
    /// How its ports are handed out.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Destinations {
    pub(super) fn new() -> Self {
        Self { known: Top::with_limit(MAX_DESTINATIONS), uses: Uses::default() }
    }

    /// Takes note of one assignment; `event` is `None` for a failed one.
    pub(super) fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let Assignment { destination, protocol, origin, ts_ns, .. } = *assignment;
        let entry = self.known.see(Key { destination, protocol, origin });
        let Some(event) = event else {
            entry.value.failures += 1;
            return;
        };
        if origin != Some(Origin::Explicit) {
            let nth = entry.value.history.total();
            let used = Used { lane: entry.serial, nth, port: event.port, ts_ns };
            self.uses.observe(used, &destination);
        }
        entry.value.history.observe(event);
    }

    pub(super) fn reuse(&self) -> Reuse {
        self.uses.reuse()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.known.evicted()
    }

    /// Busiest first.
    pub(super) fn reports(&self) -> Vec<DestinationReport> {
        let report = |(key, entry): (&Key, &super::top::Entry<Known>)| DestinationReport {
            netns: Some(key.destination.netns).filter(|&netns| netns != 0),
            saddr: key.destination.saddr,
            daddr: key.destination.daddr,
            dport: key.destination.dport,
            protocol: key.protocol.map(protocol_name),
            origin: key.origin.map(origin_name),
            assignments: entry.count,
            complete: entry.complete,
            failures: entry.value.failures,
            verdict: entry.value.history.verdict(),
        };
        self.known.ranked().into_iter().map(report).collect()
    }
}
