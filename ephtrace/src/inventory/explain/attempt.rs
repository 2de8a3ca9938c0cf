//! Outcome of one way to get a port.

use serde::Serialize;

/// Ports of the range as one way of asking finds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PortCount {
    /// Usable ports: the range minus the reserved ports.
    pub usable: u32,
    /// Free ports.
    pub free: u32,
    /// Ports for which this is unknown.
    pub unsure: u32,
}

/// A way to get a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// Label, as in text.
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

/// Expected outcome of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Answer"))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The call succeeds.
    Free,
    /// The outcome depends on state that the kernel does not list.
    Unknown,
    /// The call fails.
    NotFree,
}

impl Verdict {
    /// Name, as in text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Unknown => "not known",
            Self::NotFree => "not free",
        }
    }
}

/// Outcome of one way to get a port.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Kind of call.
    pub way: Way,
    /// The kernel's answer: expected from its lists, or given if it was asked.
    #[serde(rename = "answer")]
    pub verdict: Verdict,
    /// Error that the call ends with, if the port is not free.
    pub error: Option<&'static str>,
    /// Reason, in words.
    pub because: String,
    /// Ports of the range, if the kernel chooses; else null.
    #[serde(rename = "port_count")]
    pub ports: Option<PortCount>,
    /// Average number of ports that a search tries; null if unknown.
    pub candidates: Option<u32>,
    /// Whether the kernel was asked with a test socket.
    pub probed: bool,
    /// Ends of the range that one search finds and the next one leaves out.
    #[serde(skip)]
    pub(super) chance_ends: Vec<u16>,
}

impl Attempt {
    /// Creates an attempt without an error, and without ports to count.
    pub(super) fn new(way: Way, verdict: Verdict, because: String) -> Self {
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
