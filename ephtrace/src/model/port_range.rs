//! Ranges of ports.

use std::fmt;

use serde::{Serialize, Serializer};

/// A run of ports, both ends inclusive. Data has it as two numbers: `[32768, 60999]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self::new(0, u16::MAX);

    /// From `low` to `high`, both inclusive; empty if they are the wrong way round.
    pub const fn new(low: u16, high: u16) -> Self {
        Self { low, high }
    }

    /// Number of ports in it.
    pub fn len(self) -> u32 {
        (u32::from(self.high) + 1).saturating_sub(u32::from(self.low))
    }

    /// Whether no port is in it, which the kernel does not allow.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// Whether `port` is in it.
    pub fn contains(self, port: u16) -> bool {
        (self.low..=self.high).contains(&port)
    }

    /// Its ports, in order.
    pub fn ports(self) -> impl DoubleEndedIterator<Item = u16> {
        self.low..=self.high
    }

    /// The ports that are in both; empty if there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// From the lowest to the highest port of both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Number of its ports that are in none of the `runs`, which do not overlap.
    pub fn len_outside(self, runs: impl IntoIterator<Item = Self>) -> u32 {
        let inside = runs.into_iter().map(|run| self.intersection(run).len());
        self.len().saturating_sub(inside.sum())
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.low, self.high).serialize(serializer)
    }
}

/// Both ends of the ephemeral ports, each under a key of its own: two numbers are easier to query
/// than a list, and assignments have the same keys.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ends<T> {
    /// Lowest port of the range in force.
    range_low: T,
    /// Highest port of the range in force.
    range_high: T,
}

/// A range as data has it.
pub fn serialize_ends<S: Serializer>(range: &PortRange, serializer: S) -> Result<S::Ok, S::Error> {
    Ends { range_low: range.low, range_high: range.high }.serialize(serializer)
}

/// The same of a range that may be unknown: null then, each of both.
pub fn serialize_known_ends<S: Serializer>(
    range: &Option<PortRange>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let (range_low, range_high) = range.map(|range| (range.low, range.high)).unzip();
    Ends { range_low, range_high }.serialize(serializer)
}

/// Who set a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeSource {
    /// The network namespace (`net.ipv4.ip_local_port_range`).
    Netns,
    /// The socket (`IP_LOCAL_PORT_RANGE`), which on Linux 6.8 and later also makes the search walk
    /// both parities at once, even where neither end is inside the namespace's range.
    Socket,
}

impl RangeSource {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Netns, Self::Socket];

    /// As it stands in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Netns => "netns",
            Self::Socket => "socket",
        }
    }

    /// The source called `name`, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

/// The ephemeral ports that a search may choose from, and who narrowed them last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RangeInForce {
    /// The ports.
    pub ports: PortRange,
    /// Who set them.
    pub source: RangeSource,
}

impl RangeInForce {
    /// A range that the namespace set.
    pub const fn of_netns(low: u16, high: u16) -> Self {
        Self { ports: PortRange::new(low, high), source: RangeSource::Netns }
    }

    /// A range that the socket set.
    pub const fn of_socket(low: u16, high: u16) -> Self {
        Self { ports: PortRange::new(low, high), source: RangeSource::Socket }
    }

    /// The namespace's range, narrowed by the socket's `IP_LOCAL_PORT_RANGE`, if that is set.
    ///
    /// Each end of the socket's range counts only if it is inside the namespace's
    /// (`inet_sk_get_local_port_range`, Linux 6.3 and later).
    pub fn narrowed(netns: PortRange, socket: Option<PortRange>) -> Self {
        let Some(socket) = socket else {
            return Self { ports: netns, source: RangeSource::Netns };
        };
        let mut ports = netns;
        if ports.contains(socket.low) {
            ports.low = socket.low;
        }
        if ports.contains(socket.high) {
            ports.high = socket.high;
        }
        Self { ports, source: RangeSource::Socket }
    }

    /// Whether the socket set it.
    pub fn is_by_socket(self) -> bool {
        self.source == RangeSource::Socket
    }
}
