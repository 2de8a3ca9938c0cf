//! Input of the findings, whatever its source: totals of a storm, an inventory of ports in use, a
//! summary.

use std::{fmt, net::IpAddr};

use crate::{
    analyse::{capacity::Capacity, reuse::Reuse, self_connect::SelfConnect, storm::Row},
    model::{
        FlowKey, Origin, PortRange,
        errno::{is_no_address, is_no_port},
        losses::Losses,
    },
};

/// Known facts about a host.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Destinations, the busiest or fullest first.
    pub destinations: Vec<DestinationFacts>,
    /// Ports left for programs that ask for one without a destination.
    pub asked: Vec<AskedFacts>,
    /// Network namespaces, that of the host first.
    pub namespaces: Vec<NetnsFacts>,
    /// Further namespaces that are known only well enough for remedies.
    pub for_remedies: Vec<NetnsFacts>,
    /// True if only failed assignments were kept: shares of failures are unknown.
    pub failed_only: bool,
    /// Inode number of the namespace that commands are typed in, if known.
    pub own_netns: Option<u32>,
    /// The fullest connection tracker.
    pub conntrack: Option<Tracker>,
    /// Reuse of 4-tuples.
    pub reuse: Option<Reuse>,
    /// Sockets that are connected to themselves.
    pub self_connects: Option<SelfConnect>,
    /// A storm that began or ended.
    pub storm: Option<Storm>,
    /// Gaps of a summary.
    pub completeness: Completeness,
}

/// Gaps of a summary; all zero where there is no summary.
#[derive(Clone, Debug, Default)]
pub struct Completeness {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed assignments.
    pub failures: u64,
    /// Number of failures by errno, most frequent first.
    pub errors: Vec<(Option<u16>, u64)>,
    /// Events that were lost.
    pub losses: Losses,
    /// True if the recording has not ended.
    pub is_cut: bool,
    /// The time of the last assignment, in nanoseconds since the Unix epoch.
    pub last_ns: Option<u64>,
    /// Assignments that came too late to be put in order.
    pub disordered: u64,
    /// Destinations evicted for lack of room.
    pub destinations_evicted: u64,
    /// Hosts evicted for lack of room.
    pub hosts_evicted: u64,
    /// Processes evicted for lack of room.
    pub processes_evicted: u64,
    /// Lanes evicted for lack of room.
    pub lanes_evicted: u64,
}

/// One destination; counts cover the time that was observed.
#[derive(Clone, Debug, Default)]
pub struct DestinationFacts {
    /// Source and destination.
    pub flow: FlowKey,
    /// Origin of the assignments, if known.
    pub origin: Option<Origin>,
    /// Process that asked for the ports, such as `curl (4711)`.
    pub process: Option<String>,
    /// Id of a process that holds such ports, in its namespace.
    pub pid: Option<u32>,
    /// Lowest and highest port of the range.
    pub range: Option<PortRange>,
    /// Range in which attempts found no port, if it was another one: the range has changed since.
    pub failed_range: Option<PortRange>,
    /// True if the socket narrowed the range (`IP_LOCAL_PORT_RANGE`), as far as that is known.
    pub by_socket: bool,
    /// Holder of the ports in use for the destination, as a phrase such as `mostly curl (4711)`.
    pub held_by: Option<String>,
    /// Ports in use for the destination.
    pub in_use: Option<u32>,
    /// Ports that a connect could still choose, not counting a `TIME_WAIT` that it may take over.
    pub left: Option<u32>,
    /// Upper bound on ports of `left` that are taken if connected sockets of unknown history were
    /// bound before they connected.
    pub unsure: Option<u32>,
    /// Ports of the range that are not reserved.
    pub usable: Option<u32>,
    /// Ports in use that are in `TIME_WAIT`.
    pub time_wait: Option<u32>,
    /// Upper bound on ports of `time_wait` that a connect may take over (`tcp_tw_reuse`).
    pub reusable: Option<u32>,
    /// Ports of `reusable` that are old enough now.
    pub reusable_now: Option<u32>,
    /// Ports in use by the states that show what is wrong.
    pub states: Option<StateFacts>,
    /// Capacity and forecast, if the destination was sampled more than once.
    pub capacity: Option<Capacity>,
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed assignments, whatever the error.
    pub failures: u64,
    /// Assignments per second.
    pub per_second: Option<f64>,
    /// Assignments that failed with EADDRNOTAVAIL or EADDRINUSE, or EAGAIN for UDP: no port was
    /// free.
    pub no_port: u64,
    /// Failed attempts for a port that the program named or already had: no search was made.
    pub refused: u64,
    /// Attempts of `refused` that were a `bind()` to an address that the host lacks, whatever the
    /// port.
    pub no_address: u64,
    /// Port of the latest of `refused`.
    pub refused_port: Option<u16>,
    /// True if `refused` concerns other ports, too.
    pub refused_ports_differ: bool,
    /// Holder of that port, or of the connection that was asked for, if an inventory found it.
    pub taken_by: Option<TakenBy>,
    /// Searches of known length.
    pub searches_known: u64,
    /// Searches of these that went on to the other parity.
    pub second_pass: u64,
    /// Median number of candidates of the known searches.
    pub tried_p50: Option<u32>,
    /// 99th percentile of the number of candidates of the known searches.
    pub tried_p99: Option<u32>,
    /// 99th percentile of the port search latency, in nanoseconds.
    pub latency_p99_ns: Option<u64>,
    /// Upper bound on the number of processors kept busy by searches: their latency includes
    /// waiting for a processor.
    pub search_cpus_at_most: Option<f64>,
}

/// A socket that blocks another one with the same port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBy {
    /// State of the socket, as `ss` spells it.
    pub state: &'static str,
    /// Process that has the socket open, such as `curl (4711)`; `None` if none has, or if the owner
    /// can't be read.
    pub who: Option<String>,
}

/// Sockets of one destination by the states that show what is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateFacts {
    /// Connecting.
    pub syn_sent: u64,
    /// Sockets of `syn_sent` that have sent their SYN again.
    pub syn_resent: u64,
    /// Closed by the peer, not by the program.
    pub close_wait: u64,
    /// Closed by the program, not by the peer.
    pub fin_wait2: u64,
    /// Closed by the program, waiting for the peer in whatever state.
    pub orphans: u64,
    /// Sockets in any state.
    pub all: u64,
}

/// One way of asking for a port without naming a destination, in one network namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedFacts {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// `bind` (TCP) or `udp`.
    pub ask: &'static str,
    /// Error that a program gets when no port is left.
    pub error: &'static str,
    /// Address asked for: the unspecified one.
    pub saddr: IpAddr,
    /// Usable ports that are taken.
    pub in_use: u32,
    /// Ports of the range that are not reserved.
    pub usable: u32,
    /// Ports of `in_use` held only by `TIME_WAIT` sockets that a connect may take over, and a bind
    /// may not.
    pub time_wait_reusable: u32,
    /// Further ports that may be taken.
    pub unsure: u32,
    /// True if sockets with `SO_REUSEADDR` may find a port although none is left.
    pub may_share: bool,
    /// Holder of the ports, as a phrase.
    pub held_by: Option<String>,
}

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetnsFacts {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Display name of the namespace.
    pub name: String,
    /// True for the host's own namespace.
    pub is_host: bool,
    /// Command prefix that enters the namespace, if known.
    pub enter: Option<String>,
    /// `ip_local_port_range`; `None` if nothing but the name is known.
    pub range: Option<PortRange>,
    /// `ip_local_reserved_ports`, inside the range or not, as spans in order.
    pub reserved: Vec<PortRange>,
    /// `tcp_tw_reuse`.
    pub tw_reuse: Option<u8>,
    /// `tcp_timestamps`.
    pub timestamps: Option<u8>,
    /// Failures of the namespace's connection tracking.
    pub tracked: Option<TrackedFacts>,
    /// Listeners inside the range whose port is not reserved.
    pub listeners: Vec<Listener>,
    /// Ports of all listeners, inside the range or not, in order.
    pub listening: Vec<u16>,
    /// `ip_local_port_step_width`; `None` where the kernel has none, or if it is not known.
    pub step_width: Option<u32>,
    /// Ports inside the range that a bind without a destination blocks for every socket.
    pub bound: Option<u32>,
}

/// Failures of connection tracking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackedFacts {
    /// Entries that clashed with another entry: their packet was dropped.
    pub insert_failed: u64,
    /// Packets dropped because the table was full.
    pub drop: u64,
    /// Entries that were dropped early to make room.
    pub early_drop: u64,
    /// Look-ups that had to restart.
    pub search_restart: u64,
    /// True if the counts cover the observed time; else they cover the time since the namespace was
    /// created.
    pub is_now: bool,
}

impl TrackedFacts {
    /// Returns the increase since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            insert_failed: self.insert_failed.saturating_sub(before.insert_failed),
            drop: self.drop.saturating_sub(before.drop),
            early_drop: self.early_drop.saturating_sub(before.early_drop),
            search_restart: self.search_restart.saturating_sub(before.search_restart),
            is_now: true,
        }
    }
}

/// A connection tracker. One table serves all namespaces; each namespace counts its own entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tracker {
    /// Number of entries.
    pub count: u64,
    /// Maximum number of entries.
    pub max: u64,
    /// Inode number of the namespace that the entries belong to.
    pub netns: u32,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port of the socket.
    pub port: u16,
    /// Process that listens, if known.
    pub process: Option<String>,
}

/// A change of the load.
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// Assignments a second before.
    pub before: f64,
    /// Assignments a second at the peak.
    pub peak: f64,
    /// Start of the storm, in nanoseconds since the Unix epoch.
    pub began_ns: u64,
    /// End of the storm; `None` while it goes on.
    pub ended_ns: Option<u64>,
    /// Process that began the storm, and its share of the rise, from 0 to 1.
    pub initiator: Option<(String, f64)>,
}

/// Returns whether an attempt was a `bind()`: an attempt without a destination. `connect()` returns
/// the same errno for another reason.
pub(in crate::analyse) fn is_bind(flow: &FlowKey, origin: Option<Origin>) -> bool {
    let binds = [Origin::Bind, Origin::Udp, Origin::Explicit];
    !flow.has_destination() && origin.is_some_and(|origin| binds.contains(&origin))
}

impl DestinationFacts {
    /// Returns the facts in a totals row.
    pub fn of_row(row: &Row) -> Self {
        let numbers = &row.numbers;
        let is_no_port = |errno: &Option<u16>| errno.is_some_and(|e| is_no_port(row.origin, e));
        Self {
            flow: row.flow,
            origin: row.origin,
            process: Some(row.process()),
            pid: row.pid,
            range: numbers.range,
            assignments: numbers.assignments,
            failures: numbers.failed,
            per_second: Some(numbers.per_second),
            no_port: numbers
                .errors
                .iter()
                .filter(|(errno, _)| is_no_port(errno))
                .map(|e| e.1)
                .sum(),
            refused: if row.origin == Some(Origin::Explicit) { numbers.failed } else { 0 },
            no_address: if is_bind(&row.flow, row.origin) {
                numbers.errors.iter().filter(|e| e.0.is_some_and(is_no_address)).map(|e| e.1).sum()
            } else {
                0
            },
            refused_port: numbers.refused_port,
            refused_ports_differ: numbers.refused_ports_differ,
            searches_known: numbers.searches_known,
            second_pass: numbers.second_pass,
            tried_p50: numbers.tried_p50,
            tried_p99: numbers.tried_p99,
            latency_p99_ns: numbers.latency.map(|latency| latency.p99_ns),
            search_cpus_at_most: Some(numbers.search_cpus_at_most),
            ..Self::default()
        }
    }

    /// Returns whether the socket had its port, or the program named it: no search was made.
    pub(super) fn is_explicit(&self) -> bool {
        self.origin == Some(Origin::Explicit)
    }

    /// Returns the destination alone: address and port.
    pub(super) fn peer(&self) -> String {
        self.flow.remote().map_or_else(|| "the peer".to_owned(), |to| to.to_string())
    }

    /// Returns the number of ports that no connect can have now or soon: neither left, nor in a
    /// `TIME_WAIT` that it may take over.
    pub fn blocked(&self) -> Option<u32> {
        let usable = self.usable?;
        match self.left {
            Some(left) => Some(usable.saturating_sub(left + self.reusable.unwrap_or(0))),
            None => Some(self.in_use?.saturating_sub(self.reusable.unwrap_or(0)).min(usable)),
        }
    }

    /// Returns [`Self::blocked`] over the usable ports, from 0 to 1.
    pub fn blocked_share(&self) -> Option<f64> {
        let usable = self.usable.filter(|&usable| usable > 0)?;
        Some(f64::from(self.blocked()?) / f64::from(usable))
    }

    /// Returns whether `other` is about the same destination.
    pub fn is_same(&self, other: &Self) -> bool {
        self.flow == other.flow
    }

    /// Number of ports of the range, the reserved ones included.
    pub(super) fn range_ports(&self) -> Option<u32> {
        self.range.map(PortRange::len)
    }
}

impl fmt::Display for DestinationFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.flow.saddr)?;
        self.flow.remote().map_or(Ok(()), |to| write!(f, " -> {to}"))
    }
}
