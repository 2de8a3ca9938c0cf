//! Streams of assignments by the kernel rule that makes them.

use super::observation::Observation;
use crate::model::{Origin, Protocol, RangeInForce};

/// Assignments made by one rule of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// `connect` (`inet_hash_connect`).
    Connect,
    /// `connect` by a socket with `IP_LOCAL_PORT_RANGE`, which Linux 6.8 and later search by one.
    ConnectSocketRange,
    /// `bind` to port 0 and `listen` on an unbound socket (`inet_csk_get_port`).
    Bind,
    /// UDP, whatever the origin (`udp_lib_get_port`).
    Udp,
    /// Ping sockets (`ping_get_port`).
    Ping,
    /// SCTP, whatever the origin (`sctp_get_port_local`).
    Sctp,
    /// A NAT that chooses other ports than its clients (`nf_nat_l4proto_unique_tuple`).
    Nat,
    /// Origin unknown to the source.
    Unknown,
}

impl Stream {
    /// All streams.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::ConnectSocketRange,
        Self::Bind,
        Self::Udp,
        Self::Ping,
        Self::Sctp,
        Self::Nat,
        Self::Unknown,
    ];

    /// Returns the stream of an event; `None` for a port that the program named.
    pub fn of(event: &Observation) -> Option<Self> {
        match (event.origin, event.protocol) {
            (Some(Origin::Explicit), _) => None,
            (Some(Origin::Nat), _) => Some(Self::Nat),
            (Some(Origin::Ping), _) => Some(Self::Ping),
            (Some(Origin::Sctp), _) | (_, Some(Protocol::Sctp)) => Some(Self::Sctp),
            (Some(Origin::Udp), _) | (_, Some(Protocol::Udp | Protocol::UdpLite)) => {
                Some(Self::Udp)
            }
            (Some(Origin::Connect), _) if event.range.is_some_and(RangeInForce::is_by_socket) => {
                Some(Self::ConnectSocketRange)
            }
            (Some(Origin::Connect), _) => Some(Self::Connect),
            (Some(Origin::Bind | Origin::Listen), _) => Some(Self::Bind),
            (None, _) => Some(Self::Unknown),
        }
    }

    /// Name for a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectSocketRange => "connect, socket range",
            Self::Bind => "bind",
            Self::Udp => "udp",
            Self::Ping => "ping",
            Self::Sctp => "sctp",
            Self::Nat => "nat",
            Self::Unknown => "unknown origin",
        }
    }
}
