//! What findings are made from, whoever knows it: totals of a storm, what is in use now, a summary.

use std::{fmt, net::IpAddr};

use crate::{
    analyse::{capacity::Capacity, reuse::Reuse, self_connect::SelfConnect, storm::Row},
    model::{
        FlowKey, Origin, PortRange,
        errno::{is_no_address, is_no_port},
        losses::Losses,
    },
};

/// What is known of a host, as far as it is.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Destinations, the busiest or fullest first.
    pub destinations: Vec<DestinationFacts>,
    /// What programs find that ask for a port without a destination.
    pub asked: Vec<AskedFacts>,
    /// Network namespaces, that of the host first.
    pub namespaces: Vec<NetnsFacts>,
    /// Inode number of the one that commands are typed in, if known.
    pub own_netns: Option<u32>,
    /// The fullest connection tracker.
    pub conntrack: Option<Tracker>,
    /// Reuse of 4-tuples.
    pub reuse: Option<Reuse>,
    /// Sockets that are connected to themselves.
    pub self_connects: Option<SelfConnect>,
    /// A storm that began or ended.
    pub storm: Option<Storm>,
    /// What a summary lacks.
    pub completeness: Completeness,
}

/// What a summary lacks; nothing where none is made.
#[derive(Clone, Debug, Default)]
pub struct Completeness {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed ones.
    pub failures: u64,
    /// How many of them with which errno, most frequent first.
    pub errors: Vec<(Option<u16>, u64)>,
    /// What did not arrive.
    pub losses: Losses,
    /// The recording has not ended.
    pub is_cut: bool,
    /// The time of the last assignment, in nanoseconds since the Unix epoch.
    pub last_ns: Option<u64>,
    /// Assignments that came too late to be put in order.
    pub disordered: u64,
    /// Destinations that were left out for lack of room.
    pub destinations_evicted: u64,
    /// Hosts that were.
    pub hosts_evicted: u64,
    /// Processes that were.
    pub processes_evicted: u64,
    /// Lanes that were.
    pub lanes_evicted: u64,
}

/// One destination; counts are those of the time that was looked at.
#[derive(Clone, Debug, Default)]
pub struct DestinationFacts {
    /// From where, and where to.
    pub flow: FlowKey,
    /// How ports came about, if known.
    pub origin: Option<Origin>,
    /// Who asked for the ports, such as `curl (4711)`.
    pub process: Option<String>,
    /// A process behind it, which is in the namespace.
    pub pid: Option<u32>,
    /// Lowest and highest port of the range.
    pub range: Option<PortRange>,
    /// The socket narrowed the range (`IP_LOCAL_PORT_RANGE`), as far as that is known.
    pub by_socket: bool,
    /// Who has the ports that are in use for it, as a phrase such as `mostly curl (4711)`.
    pub held_by: Option<String>,
    /// Ports in use for it.
    pub in_use: Option<u32>,
    /// Ports that a connect could still choose, a TIME_WAIT that it may take over aside.
    pub left: Option<u32>,
    /// Those of them at most that are taken if connected sockets, of which nobody saw how they came
    /// by their ports, were bound before.
    pub unsure: Option<u32>,
    /// Ports of the range that are not reserved.
    pub usable: Option<u32>,
    /// Ports in use that are in `TIME_WAIT`.
    pub time_wait: Option<u32>,
    /// Those of them that a connect may take over (`tcp_tw_reuse`), at most.
    pub reusable: Option<u32>,
    /// Those of them that are old enough now.
    pub reusable_now: Option<u32>,
    /// Ports in use by the states that say what is wrong.
    pub states: Option<StateFacts>,
    /// How the use goes on, if it was looked at more than once.
    pub capacity: Option<Capacity>,
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed ones, whatever the error.
    pub failures: u64,
    /// Assignments per second.
    pub per_second: Option<f64>,
    /// Assignments that failed with EADDRNOTAVAIL or EADDRINUSE, or EAGAIN for UDP: no port was
    /// free.
    pub no_port: u64,
    /// Failed attempts for a port that the program named or had: no search was made.
    pub refused: u64,
    /// Those of a `bind()` to an address that is not there, whatever the port.
    pub no_address: u64,
    /// The port of the latest of `refused`.
    pub refused_port: Option<u16>,
    /// They were about more ports than that one.
    pub refused_ports_differ: bool,
    /// Who has that port, or the connection that was asked for, if somebody looked and found it.
    pub taken_by: Option<TakenBy>,
    /// Searches of known length.
    pub searches_known: u64,
    /// Of these, how many went on to the other parity.
    pub second_pass: u64,
    /// Half of the known ones looked at no more candidates.
    pub tried_p50: Option<u32>,
    /// 99 of 100 of the known ones looked at no more candidates.
    pub tried_p99: Option<u32>,
    /// 99 of 100 searches took at most so long, in nanoseconds.
    pub latency_p99_ns: Option<u64>,
    /// How many processors searches kept busy at most: their time includes waiting for a processor.
    pub search_cpus_at_most: Option<f64>,
}

/// A socket that is in the way of another with the same port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBy {
    /// Its state, as `ss` spells it.
    pub state: &'static str,
    /// Who has it open, such as `curl (4711)`; `None` if nobody has, or nobody may know.
    pub who: Option<String>,
}

/// Sockets of one destination by the states that say what is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateFacts {
    /// Connecting.
    pub syn_sent: u64,
    /// Those of them that have sent their SYN again.
    pub syn_resent: u64,
    /// Closed by the peer, not by the program.
    pub close_wait: u64,
    /// Closed by the program, not by the peer.
    pub fin_wait2: u64,
    /// Closed by the program, waiting for the peer in whatever state.
    pub orphans: u64,
    /// In whatever state.
    pub all: u64,
}

/// One way of asking for a port without naming a destination, in one network namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedFacts {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// `bind` (TCP) or `udp`.
    pub ask: &'static str,
    /// The error that a program gets when no port is left.
    pub error: &'static str,
    /// The address asked for: the unspecified one.
    pub saddr: IpAddr,
    /// Usable ports that are taken.
    pub in_use: u32,
    /// Ports of the range that are not reserved.
    pub usable: u32,
    /// Ports of `in_use` that only `TIME_WAIT`s have which connect may take over, and a bind may
    /// not.
    pub time_wait_reusable: u32,
    /// Ports that may be taken besides.
    pub unsure: u32,
    /// Sockets with `SO_REUSEADDR` may find a port although none is left.
    pub may_share: bool,
    /// Who has the ports, as a phrase.
    pub held_by: Option<String>,
}

/// One network namespace.
#[derive(Clone, Debug, Default)]
pub struct NetnsFacts {
    /// Its inode number.
    pub netns: u32,
    /// How to call it.
    pub name: String,
    /// Whether the namespace is the host's own.
    pub is_host: bool,
    /// What to type before a command so that it runs in there, if that is known.
    pub enter: Option<String>,
    /// `ip_local_port_range`.
    pub range: Option<PortRange>,
    /// `ip_local_reserved_ports`, inside the range or not, as spans in order.
    pub reserved: Vec<PortRange>,
    /// `tcp_tw_reuse`.
    pub tw_reuse: Option<u8>,
    /// `tcp_timestamps`.
    pub timestamps: Option<u8>,
    /// What its connection tracking could not do.
    pub tracked: Option<TrackedFacts>,
    /// Listeners inside the range whose port is not reserved.
    pub listeners: Vec<Listener>,
    /// Ports of all listeners, inside the range or not, in order.
    pub listening: Vec<u16>,
    /// `ip_local_port_step_width`; `None` where the kernel has none, or if it is not known.
    pub step_width: Option<u32>,
    /// Ports inside the range that a bind without a destination holds against everybody.
    pub bound: Option<u32>,
}

/// What connection tracking could not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackedFacts {
    /// Entries that clashed with another: their packet was dropped.
    pub insert_failed: u64,
    /// Packets that were dropped as the table was full.
    pub drop: u64,
    /// Entries that were dropped early to make room.
    pub early_drop: u64,
    /// Look-ups that had to begin again.
    pub search_restart: u64,
    /// It happened in the time that was looked at; else at any time since the namespace was made.
    pub is_now: bool,
}

impl TrackedFacts {
    /// What was added since it was `before`.
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

/// A connection tracker. One table serves all namespaces: each tells its own entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tracker {
    /// Its entries.
    pub count: u64,
    /// How many there may be.
    pub max: u64,
    /// Inode number of the namespace that they belong to.
    pub netns: u32,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// Its process, if known.
    pub process: Option<String>,
}

/// A change of the load.
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// Assignments a second before.
    pub before: f64,
    /// The same at its height.
    pub peak: f64,
    /// When it began, in nanoseconds since the Unix epoch.
    pub began_ns: u64,
    /// When it ended; `None` while it goes on.
    pub ended_ns: Option<u64>,
    /// Who began it, and its share of the rise, from 0 to 1.
    pub initiator: Option<(String, f64)>,
}

/// Whether an attempt was a `bind()`: one without a destination. `connect()` has the same errno for
/// another reason.
pub(in crate::analyse) fn is_bind(flow: &FlowKey, origin: Option<Origin>) -> bool {
    let binds = [Origin::Bind, Origin::Udp, Origin::Explicit];
    !flow.has_destination() && origin.is_some_and(|origin| binds.contains(&origin))
}

impl DestinationFacts {
    /// As a totals row tells it.
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

    /// The socket had its port, or the program named it: no port was looked for.
    pub(super) fn is_explicit(&self) -> bool {
        self.origin == Some(Origin::Explicit)
    }

    /// The destination alone: address and port.
    pub(super) fn peer(&self) -> String {
        self.flow.remote().map_or_else(|| "the peer".to_owned(), |to| to.to_string())
    }

    /// Ports that no connect can have now or soon: neither left, nor in a TIME_WAIT that it may
    /// take over.
    pub fn blocked(&self) -> Option<u32> {
        let usable = self.usable?;
        match self.left {
            Some(left) => Some(usable.saturating_sub(left + self.reusable.unwrap_or(0))),
            None => Some(self.in_use?.saturating_sub(self.reusable.unwrap_or(0)).min(usable)),
        }
    }

    /// [`Self::blocked`] by the usable ports, from 0 to 1.
    pub fn blocked_share(&self) -> Option<f64> {
        let usable = self.usable.filter(|&usable| usable > 0)?;
        Some(f64::from(self.blocked()?) / f64::from(usable))
    }

    /// Whether it is the same destination as `other`.
    pub fn is_same(&self, other: &Self) -> bool {
        self.flow == other.flow
    }

    /// Ports of its range, the reserved ones included.
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
