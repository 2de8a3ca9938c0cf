//! A question in words, as it is typed and shown.

use std::fmt;

use super::{Question, Transport};

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
