//! Questions about a port.

use std::{fmt, net::SocketAddr};

use serde::Serialize;

/// A question about a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Can an unbound socket connect to this destination?
    Destination(SocketAddr),
    /// Can a socket connect from one address and port to another?
    Tuple {
        /// Source address and port.
        from: SocketAddr,
        /// Destination address and port.
        to: SocketAddr,
    },
    /// Can a socket be bound to this port of every address?
    Port {
        /// Port in question.
        port: u16,
        /// Transport protocol; both if `None`.
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
    /// Returns the one port that the question is about, if any.
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
