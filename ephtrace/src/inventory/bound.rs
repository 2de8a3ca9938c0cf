//! Ports that are taken for every destination, as data.

use std::net::IpAddr;

use serde::Serialize;

use super::owners::Owner;
use crate::model::{Origin, names::serialize_origin};

/// Ports of the range taken by bind or listen: a connect skips them whatever the destination.
///
/// A socket that was bound and then connected takes its port in the same way, but the kernel does
/// not list how a connected socket got its port: only a recording shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Bound {
    /// Number of ports.
    pub ports: u32,
    /// Ports with a listener.
    pub listening: u32,
    /// Ports with a listener that are not reserved: while the listener restarts, a connect can take
    /// them.
    pub listening_unreserved: u32,
    /// Ports of sockets that are only bound; null where the kernel does not list them: before Linux
    /// 6.8, and without `sock_diag`.
    pub bound_only: Option<u32>,
    /// Connected sockets of the range whose port was seen to come from bind, by the program or by
    /// the kernel; not among `ports`. Null without a recording.
    pub connected: Option<u64>,
    /// Ports of `connected` that are not in `ports`; also unavailable for every destination.
    pub connected_ports: Option<u32>,
    /// Each of `ports`, by port.
    pub held: Vec<Held>,
    /// Number of sockets not listed.
    #[serde(rename = "more_held")]
    pub others: usize,
}

/// State in which a socket blocks a port for every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HeldState {
    /// The socket listens.
    Listen,
    /// The socket is only bound.
    Bound,
}

impl HeldState {
    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Bound => "bound",
        }
    }
}

/// A port that is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Held {
    /// Number of the port.
    #[serde(rename = "sport")]
    pub port: u16,
    /// Which call.
    pub state: HeldState,
    /// Whether the port is in `ip_local_reserved_ports`.
    #[serde(rename = "is_reserved")]
    pub reserved: bool,
    /// Address that the socket is bound to.
    pub saddr: IpAddr,
    /// Number of sockets that share the port and address.
    pub sockets: usize,
    /// `bind` or `listen` if the kernel chose the port, `explicit` if the program did; null if not
    /// seen.
    #[serde(serialize_with = "serialize_origin")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::origin"))]
    pub origin: Option<Origin>,
    /// Who has it open; null if unknown.
    pub holder: Option<Owner>,
}
