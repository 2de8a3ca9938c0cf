//! Ranges of ports.

use std::fmt;

use serde::{Serialize, Serializer};

/// A range of ports, both ends inclusive. Data has it as two numbers: `[32768, 60999]`.
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

    /// Creates a range from `low` to `high`, both inclusive; empty if `low` exceeds `high`.
    pub const fn new(low: u16, high: u16) -> Self {
        Self { low, high }
    }

    /// Number of ports in the range.
    pub fn len(self) -> u32 {
        (u32::from(self.high) + 1).saturating_sub(u32::from(self.low))
    }

    /// Returns whether the range has no port, which the kernel does not allow.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// Returns whether the range has `port`.
    pub fn contains(self, port: u16) -> bool {
        (self.low..=self.high).contains(&port)
    }

    /// Iterates over its ports, in order.
    pub fn ports(self) -> impl DoubleEndedIterator<Item = u16> {
        self.low..=self.high
    }

    /// Returns the ports that are in both; empty if there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// Returns the range from the lowest to the highest port of both.
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

/// Serializes a range.
pub fn serialize_ends<S: Serializer>(range: &PortRange, serializer: S) -> Result<S::Ok, S::Error> {
    Ends { range_low: range.low, range_high: range.high }.serialize(serializer)
}

/// Serializes a range that may be unknown: both ends are null then.
pub fn serialize_known_ends<S: Serializer>(
    range: &Option<PortRange>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let (range_low, range_high) = range.map(|range| (range.low, range.high)).unzip();
    Ends { range_low, range_high }.serialize(serializer)
}

/// Setter of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeSource {
    /// The network namespace (`net.ipv4.ip_local_port_range`).
    Netns,
    /// The socket (`IP_LOCAL_PORT_RANGE`), which on Linux 6.8 and later also makes the search walk
    /// both parities at once, even if neither end is inside the namespace's range.
    Socket,
}

impl RangeSource {
    /// All sources.
    pub const ALL: [Self; 2] = [Self::Netns, Self::Socket];

    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Netns => "netns",
            Self::Socket => "socket",
        }
    }

    /// Returns the source called `name`, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

/// The ephemeral ports that a search may choose from, and the source that narrowed them last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RangeInForce {
    /// The ports.
    pub ports: PortRange,
    /// Source of the range.
    pub source: RangeSource,
}

impl RangeInForce {
    /// Creates a range that the namespace set.
    pub const fn of_netns(low: u16, high: u16) -> Self {
        Self { ports: PortRange::new(low, high), source: RangeSource::Netns }
    }

    /// Creates a range that the socket set.
    pub const fn of_socket(low: u16, high: u16) -> Self {
        Self { ports: PortRange::new(low, high), source: RangeSource::Socket }
    }

    /// Returns the namespace's range, narrowed by the socket's `IP_LOCAL_PORT_RANGE`, if that is
    /// set.
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

    /// Returns whether the socket set the range.
    pub fn is_by_socket(self) -> bool {
        self.source == RangeSource::Socket
    }
}
