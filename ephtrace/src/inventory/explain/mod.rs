//! Whether a port can be had now: by a connect, a bind, a UDP socket. Pure: `host::explain` lists
//! the sockets, this says what the kernel will answer, or why that can't be known.
//!
//! A wrong "free" sends people away from the cause, and a wrong "not free" to the wrong one. So
//! each rule here answers only what follows from what is listed; what the kernel hides makes the
//! answer unknown, and says what was hidden.

mod answer;
mod connect;
mod meets;
mod port;
mod probe;
mod question;
mod search;
mod shortage;
mod words;

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

pub use self::{
    answer::{Answer, Holding, answer},
    search::PortCount,
    shortage::{Shortage, shortage},
};
use super::{socket::Socket, sysctls::Sysctls};

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
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A way to get a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// `connect()` on an unbound TCP socket.
    Connect,
    /// `connect()` on a TCP socket that is bound to the port of the 4-tuple.
    ConnectFrom,
    /// TCP `bind()` to port 0 of every IPv4 address.
    BindAny,
    /// TCP `bind()` to the port in question.
    BindPort,
    /// UDP `bind()` to port 0 of every IPv4 address, and the first use of an unbound socket.
    UdpAny,
    /// UDP `bind()` to the port in question.
    UdpPort,
}

impl Way {
    /// As it stands in text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectFrom => "bind and connect",
            Self::BindAny => "bind to port 0",
            Self::BindPort => "TCP bind",
            Self::UdpAny => "UDP, any port",
            Self::UdpPort => "UDP bind",
        }
    }
}

/// What the kernel will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The call succeeds.
    Free,
    /// That depends on what the kernel does not list.
    Unknown,
    /// The call fails.
    NotFree,
}

impl Verdict {
    /// As it stands in text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Unknown => "not known",
            Self::NotFree => "not free",
        }
    }
}

/// What one way to get a port meets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// Which way.
    pub way: Way,
    /// What the kernel will say, as far as its lists tell; what it said, if it was asked.
    pub verdict: Verdict,
    /// The error that the call ends with, if it is not free.
    pub error: Option<&'static str>,
    /// Why, in words.
    pub because: String,
    /// Ports of the range, where the kernel chooses.
    pub ports: Option<PortCount>,
    /// Ports that the search looks at, on average; null where it is not known.
    pub candidates: Option<u32>,
    /// The kernel was asked, by a socket of ephtrace's own.
    pub probed: bool,
    /// Ends of the range that one search finds and the next one leaves out.
    #[serde(skip)]
    chance_ends: Vec<u16>,
}

impl Attempt {
    /// Without the error, and without ports to count.
    fn new(way: Way, verdict: Verdict, because: String) -> Self {
        Self {
            way,
            verdict,
            error: None,
            because,
            ports: None,
            candidates: None,
            probed: false,
            chance_ends: Vec::new(),
        }
    }
}

/// What was seen of one network namespace.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Inode number of the namespace.
    pub netns: u32,
    /// What it is set to.
    pub sysctls: Sysctls,
    /// TCP sockets: those of the range, or of the port in question.
    pub tcp: Vec<Socket>,
    /// UDP sockets likewise.
    pub udp: Vec<Socket>,
    /// TCP sockets that may be bound to ports of the namespace and that are in no list, at most.
    pub hidden: Hidden,
    /// The address that a connect to the destination is made from, or the errno in place of a
    /// route; `None` if that can't be asked.
    pub source: Option<Result<IpAddr, i32>>,
    /// Whether the source address of the 4-tuple is one of this machine's.
    pub is_local: Option<bool>,
    /// Ports below it take a right (`ip_unprivileged_port_start`).
    pub privileged_below: u16,
    /// What the kernel said to sockets of ephtrace's own.
    pub probed: Vec<Probed>,
}

/// What the kernel said when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// How it was asked.
    pub way: Way,
    /// The call's errno; 0 if it succeeded.
    pub errno: i32,
    /// The port that the socket was given.
    pub port: Option<u16>,
}

/// TCP sockets that are bound and in no list, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// How many there may be.
    pub sockets: u32,
    /// Why there may be any.
    pub why: HiddenWhy,
}

/// Why sockets may be hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HiddenWhy {
    /// None are.
    #[default]
    None,
    /// The kernel does not list sockets that are bound and nothing else: before Linux 6.8, and in
    /// `/proc/net`.
    BoundOnly,
    /// There are more sockets than are kept.
    TooMany,
}

#[cfg(test)]
mod tests;
