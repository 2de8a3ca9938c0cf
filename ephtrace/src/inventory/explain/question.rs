//! What can be asked.

use std::{fmt, net::SocketAddr};

use serde::Serialize;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Can an unbound socket connect to it?
    Destination(SocketAddr),
    /// Can a socket connect from here to there?
    Tuple {
        /// From where.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
    },
    /// Can a socket be bound to this port of every address?
    Port {
        /// Which.
        port: u16,
        /// One transport protocol alone; both if `None`.
        transport: Option<Transport>,
    },
}

/// A transport protocol with ports of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Question {
    /// The one port that it is about, if it is about one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Destination(_) => None,
            Self::Tuple { from, .. } => Some(from.port()),
            Self::Port { port, .. } => Some(*port),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destination(to) => write!(f, "{to}"),
            Self::Tuple { from, to } => write!(f, "{from}->{to}"),
            Self::Port { port, transport: None } => write!(f, ":{port}"),
            Self::Port { port, transport: Some(Transport::Tcp) } => write!(f, ":{port}/tcp"),
            Self::Port { port, transport: Some(Transport::Udp) } => write!(f, ":{port}/udp"),
        }
    }
}
