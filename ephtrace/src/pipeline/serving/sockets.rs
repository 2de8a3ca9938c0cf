//! The sockets of all network namespaces, listed as often as their number allows.

use std::time::Duration;

use crate::{
    host::{snapshot, snapshot::Which},
    inventory::{Inventory, Mark, Namespace, PastOwners},
    output::metrics::NetnsUse,
    pipeline::pause::Pause,
};

/// Number of destinations of a namespace that are examined one by one: all that can be past half of
/// a range have a place among them, as a port serves each once.
const LISTED: usize = 4096;

/// Ratio of the pause after an examination of all sockets to the processor time that it took.
const SHARE: u32 = 20;

/// The last examination of all sockets.
pub(super) struct Sockets {
    pub(super) seen: Option<Inventory>,
    pause: Pause,
}

impl Sockets {
    /// Creates it for looks that are due once each `interval`.
    pub(super) fn new(interval: Duration) -> Self {
        Self { seen: None, pause: Pause::new(interval, SHARE) }
    }

    /// Looks are due once each `interval` from now on.
    pub(super) fn follow(&mut self, interval: Duration) {
        self.pause = Pause::new(interval, SHARE);
    }

    /// Examines all sockets, unless the last time cost much; what is not known stays as it was.
    pub(super) fn look(&mut self) {
        let list =
            || snapshot::snapshot_without_holders(&Which::All, LISTED, &PastOwners::default());
        match self.pause.look(list) {
            Some(Ok(inventory)) => self.seen = Some(inventory),
            Some(Err(error)) => log::info!("port use unknown: {error}"),
            None => {}
        }
    }
}

/// Returns the use of ports in a namespace.
pub(super) fn netns_use(namespace: &Namespace) -> NetnsUse {
    let marked = |mark| namespace.destinations.iter().filter(|one| one.mark == mark).count() as u64;
    NetnsUse {
        netns: namespace.place.netns,
        name: namespace.place.name.clone().unwrap_or_default(),
        range: namespace.settings.range.len(),
        reserved: namespace.settings.reserved,
        in_use: namespace.ports,
        bound: namespace.bound.ports,
        udp: namespace.udp.ports.total(),
        time_wait: namespace.tcp.connected.time_wait,
        fullest: namespace.fullest(),
        past_half: marked(Mark::Half) + marked(Mark::Full),
        full: marked(Mark::Full),
    }
}
