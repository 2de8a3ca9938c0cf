//! Facts about a client's port in one packet, or in one row of a flow log.

use std::net::IpAddr;

use super::item::Item;
use crate::model::{Assignment, FlowKey, Origin, PacketKind, Protocol};

/// Information in one packet about a client's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A client begins a connection.
    Begun(Sent),
    /// A server accepts a connection, which shows what the client sent.
    Answered(Sent),
    /// A datagram, which has no beginning.
    Datagram(Sent),
    /// A later packet of a connection, from either side.
    Later(Sent),
    /// A packet that refuses a connection, or ends it at once, from either side.
    Reset(Sent),
    /// Nothing about a client's port.
    Nothing(PacketKind),
}

/// A packet that a client sends from its own port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) protocol: Protocol,
    pub(super) saddr: IpAddr,
    pub(super) daddr: IpAddr,
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// First sequence number of a connection: the same if the packet is sent again. `None` for UDP.
    pub(super) sequence: Option<u32>,
}

/// End of the ports that services listen on and that are never assigned.
const SERVICES_END: u16 = 1024;

/// Beginning of the ports that Linux assigns, and of those above which most other systems do: a
/// port below is more likely a service's than one above.
const EPHEMERAL_BEGIN: u16 = 32_768;

impl Sent {
    /// Returns the opposite direction.
    pub(super) fn reversed(self) -> Self {
        let Self { saddr, daddr, sport, dport, .. } = self;
        Self { saddr: daddr, daddr: saddr, sport: dport, dport: sport, ..self }
    }

    /// Returns the connection or flow of this packet, whatever its sequence number.
    pub(super) fn flow(self) -> Self {
        Self { sequence: None, ..self }
    }

    /// Returns an assignment of unknown origin at that time.
    pub(super) fn assignment(self, ts_ns: u64) -> Item {
        self.assignment_by(None, ts_ns)
    }

    /// Returns an assignment of that origin at that time.
    pub(super) fn assignment_by(self, origin: Option<Origin>, ts_ns: u64) -> Item {
        Item::Assignment(Assignment { origin, ..self.row(ts_ns) })
    }

    pub(super) fn row(self, ts_ns: u64) -> Assignment {
        let Self { protocol, saddr, sport, daddr, dport, .. } = self;
        Assignment {
            ts_ns,
            flow: FlowKey { netns: None, saddr, daddr: Some(daddr), dport: Some(dport) },
            protocol: Some(protocol),
            sport: Some(sport),
            ..Assignment::default()
        }
    }

    /// Returns whether a client may have sent this datagram from an assigned port: an answer looks
    /// like a question, and a program may name the same port on both sides.
    pub(super) fn may_be_a_client_s(self) -> bool {
        let is_answer = self.dport >= EPHEMERAL_BEGIN && self.sport < EPHEMERAL_BEGIN;
        self.dport != 0 && self.sport >= SERVICES_END && self.sport != self.dport && !is_answer
    }
}
