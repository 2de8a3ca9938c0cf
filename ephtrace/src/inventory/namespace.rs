//! The ports in use in one network namespace, as data: the keys of `ephtrace ports --json`.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

pub use super::netns_ref::NetnsRef;
use super::{
    asked::Asked,
    bound::Bound,
    owners::{Holder, Program},
    port_set::Parity,
    socket::ByState,
};
use crate::inventory::sysctls::{Conntrack, Sysctls};
use crate::model::{FlowKey, PortRange, port_range::serialize_ends};

/// The ports in use in one network namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Namespace {
    /// The namespace.
    #[serde(flatten)]
    pub place: NetnsRef,
    /// Time of the list of TCP sockets, in nanoseconds since the Unix epoch.
    #[serde(skip)]
    pub listed_ns: u64,
    /// Settings of the namespace.
    pub settings: NetnsSettings,
    /// Connected TCP sockets on ports that a connect could have chosen: the sum of all `in_use`.
    pub sockets: u64,
    /// `sockets` by state.
    pub by_state: ByState,
    /// Distinct ports of these sockets: one port can serve many destinations.
    pub ports: u32,
    /// Even ports of `ports`.
    pub even: u32,
    /// Odd ports of `ports`.
    pub odd: u32,
    /// Connected sockets in the range that a listener accepted; they do not use up the range.
    pub accepted: u64,
    /// Connected sockets in the range on reserved ports; they do not use up the range either.
    pub on_reserved: u64,
    /// Number of destinations.
    pub destinations_known: usize,
    /// The fullest destinations, fullest first.
    pub destinations: Vec<DestinationUse>,
    /// All other destinations together; null if there are none.
    pub others: Option<Others>,
    /// Ports of the range that are unavailable for every destination.
    pub bound: Bound,
    /// Ports left for programs that ask for one without a destination.
    pub asked: Vec<Asked>,
    /// Source of the socket list.
    pub source: Source,
    /// All TCP sockets, whatever their port.
    pub tcp: TcpTotals,
    /// All UDP sockets; UDP and TCP ports are separate.
    pub udp: UdpTotals,
    /// Usable ports that a connect skips whatever the destination, in order: those of `bound`, and
    /// those that were seen to be bound before their socket connected.
    #[serde(skip)]
    pub taken: Vec<u16>,
    /// Ports of all listeners, inside the range or not, in order.
    #[serde(skip)]
    pub listening: Vec<u16>,
}

impl Namespace {
    /// Returns the taken share, 0 to 1, of the range for the way of asking that finds fewest ports.
    pub fn fullest(&self) -> f64 {
        let connect = self.destinations.iter().map(|one| one.blocked_share(&self.settings));
        connect.chain(self.asked.iter().map(|asked| asked.share)).fold(0.0, f64::max)
    }

    /// Number of ports of a [part](NetnsSettings::part) that a connect can still choose for `one`.
    pub fn left_in(&self, one: &DestinationUse, part: PortRange) -> u32 {
        let from = self.taken.partition_point(|&port| port < part.low);
        let taken = self.taken.iter().skip(from).take_while(|&&port| port <= part.high);
        let has = |port: &u16| one.ports.binary_search_by_key(port, |(port, _)| *port).is_ok();
        let beside = taken.filter(|port| !has(port)).count();
        let taken = one.in_use_in(part).0 + u32::try_from(beside).unwrap_or(u32::MAX);
        self.settings.usable_in(part).saturating_sub(taken)
    }

    /// Returns the number of such ports for a destination that has nothing in use.
    pub fn left_for_others(&self, part: PortRange) -> u32 {
        let taken = self.taken.iter().filter(|port| part.contains(**port)).count();
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        self.settings.usable_in(part).saturating_sub(taken)
    }

    /// Keeps the fullest `limit` destinations; the rest are added to the others.
    pub fn cut(&mut self, limit: usize) {
        for one in self.destinations.drain(limit.min(self.destinations.len())..) {
            self.others.get_or_insert_default().add(&one);
        }
    }
}

/// Source of a list of sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The kernel's `sock_diag`.
    #[default]
    SockDiag,
    /// The files of `/proc/net`: there is no `sock_diag` for TCP or UDP, or no right to use it.
    Proc,
}

/// Settings of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetnsSettings {
    /// Range of the ephemeral ports (`ip_local_port_range`).
    #[serde(flatten, serialize_with = "serialize_ends")]
    #[cfg_attr(test, schemars(with = "crate::model::port_range::Ends<u16>"))]
    pub range: PortRange,
    /// Whether both ends have the same parity: the kernel expects one of each and may skip a port.
    pub ends_of_equal_parity: bool,
    /// Ports of the range that are reserved (`ip_local_reserved_ports`).
    pub reserved: u32,
    /// All reserved ports as runs, inside the range or not.
    pub reserved_runs: Vec<PortRange>,
    /// The longest block inside the range, which connect has to walk over.
    pub longest_reserved: Option<PortRange>,
    /// Ports of the range that are not reserved: the full mark.
    pub usable: u32,
    /// Usable ports that a connect tries first, those of one parity: the half mark.
    pub half_mark: u32,
    /// `ip_local_port_step_width`; null before Linux 7.1.
    pub step_width: Option<u32>,
    /// `tcp_tw_reuse`: 0 never, 1 always, 2 on loopback only.
    pub tw_reuse: Option<u8>,
    /// `tcp_tw_reuse_delay`, in milliseconds; null on kernels without it.
    pub tw_reuse_delay_ms: Option<u32>,
    /// `tcp_timestamps`; at 0, no TIME_WAIT socket can be taken over.
    pub timestamps: Option<u8>,
    /// `ip_autobind_reuse`; null before Linux 5.7.
    pub autobind_reuse: Option<bool>,
    /// Connections in the conntrack table; null without connection tracking.
    pub conntrack: Option<Conntrack>,
}

impl NetnsSettings {
    /// Derives the settings from the sysctls.
    pub fn new(sysctls: &Sysctls) -> Self {
        let range = sysctls.range;
        Self {
            range,
            ends_of_equal_parity: (range.low ^ range.high).is_multiple_of(2),
            reserved: sysctls.reserved.count(range),
            reserved_runs: sysctls.reserved.runs(PortRange::ALL),
            longest_reserved: sysctls.reserved.longest_run(range),
            usable: sysctls.usable(),
            half_mark: sysctls.tried_first(),
            step_width: sysctls.step_width,
            tw_reuse: sysctls.tw_reuse,
            tw_reuse_delay_ms: sysctls.tw_reuse_delay_ms,
            timestamps: sysctls.timestamps,
            autobind_reuse: sysctls.autobind_reuse,
            conntrack: sysctls.conntrack,
        }
    }

    /// Returns the part of a socket's `range` that is inside this one; all of this one if no range
    /// is known, or if this one was another when the socket connected.
    pub fn part(&self, range: Option<PortRange>) -> PortRange {
        let inside = range.map(|range| range.intersection(self.range));
        inside.filter(|part| !part.is_empty()).unwrap_or(self.range)
    }

    /// Number of ports of a [part](Self::part) that a connect can use.
    pub fn usable_in(&self, part: PortRange) -> u32 {
        part.len_outside(self.reserved_runs.iter().copied())
    }
}

/// One destination, and its use of the range.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DestinationUse {
    /// Source and destination; the namespace is that of the parent object.
    #[serde(flatten, serialize_with = "addresses")]
    #[cfg_attr(test, schemars(with = "Addresses"))]
    pub flow: FlowKey,
    /// Ports in use for the destination.
    pub in_use: u32,
    /// `in_use` divided by the usable ports: 0 to 1.
    pub share: f64,
    /// Even ports of `in_use`.
    pub even: u32,
    /// Odd ports of `in_use`.
    pub odd: u32,
    /// `in_use` by state.
    pub by_state: ByState,
    /// Those in SYN_SENT that have retransmitted their SYN: the destination did not answer within a
    /// second.
    pub syn_resent: u32,
    /// Those closed by their program that still wait for the peer.
    pub orphans: u32,
    /// Ports that connect can still choose: usable, not in use for it, not bound, and not known to
    /// be bound and connected.
    pub left: u32,
    /// Lower bound of `left`: as if every connected socket whose assignment was not seen had been
    /// bound before, which the kernel does not list.
    pub left_least: u32,
    /// Those of `left` that connect tries first. At 0, each connect scans half of the range before
    /// it finds one.
    pub first_left: u32,
    /// The mark that is reached; a TIME_WAIT socket that can be taken over now does not count.
    pub mark: Mark,
    /// Upper bound on those in `TIME_WAIT` that connect can take over by `tcp_tw_reuse`, including
    /// young ones: the peer must also have sent timestamps, which the kernel does not list.
    pub time_wait_reusable: Option<u32>,
    /// Ports of `time_wait_reusable` that are old enough now (`tcp_tw_reuse_delay`, or a second).
    pub time_wait_reusable_now: Option<u32>,
    /// Holders of most of `in_use`; processes of one name in one container are one holder.
    pub holders: Vec<Holder>,
    /// Program that has most of `in_use`, over all containers; null if no holder is known.
    pub program: Option<Program>,
    /// Ports of holders that are not listed.
    pub other_holders: u32,
    /// Ports whose socket is open, but whose owner is unseen: missing rights, or the kernel itself.
    pub unknown_open: u32,
    /// Ports that no process has open now, as in `TIME_WAIT`, and whose opening was not seen.
    pub unknown_closed: u32,
    /// Ports in use, in order, each with whether it is in `TIME_WAIT`.
    #[serde(skip)]
    pub ports: Vec<(u16, bool)>,
}

impl DestinationUse {
    /// Share of the usable ports that no connect can have, even by taking over a `TIME_WAIT`: 0 to
    /// 1.
    pub fn blocked_share(&self, settings: &NetnsSettings) -> f64 {
        f64::from(self.blocked(settings)) / f64::from(settings.usable.max(1))
    }

    /// Number of usable ports that no connect can have, even by taking over a `TIME_WAIT`.
    pub fn blocked(&self, settings: &NetnsSettings) -> u32 {
        settings.usable.saturating_sub(self.left + self.time_wait_reusable.unwrap_or(0))
    }

    /// Returns the number of ports in use in a part of the range, and of those in `TIME_WAIT`.
    pub fn in_use_in(&self, part: PortRange) -> (u32, u32) {
        let from = self.ports.partition_point(|(port, _)| *port < part.low);
        let inside = self.ports.iter().skip(from).take_while(|(port, _)| *port <= part.high);
        inside.fold((0, 0), |(all, waiting), (_, waits)| (all + 1, waiting + u32::from(*waits)))
    }
}

/// A flow whose namespace is that of the parent object.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Addresses {
    /// Source address.
    saddr: IpAddr,
    /// Destination address; null if it is not known.
    daddr: Option<IpAddr>,
    /// Destination port; null if it is not known.
    dport: Option<u16>,
}

fn addresses<S: Serializer>(flow: &FlowKey, serializer: S) -> Result<S::Ok, S::Error> {
    let FlowKey { netns: _, saddr, daddr, dport } = *flow;
    Addresses { saddr, daddr, dport }.serialize(serializer)
}

/// Level of use of a range for one destination, bound ports included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Less than half.
    None,
    /// Half: connects get slow, since they try ports of the preferred parity first.
    Half,
    /// All: connects fail, unless one takes over a `TIME_WAIT`.
    Full,
}

impl Mark {
    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Half => "half",
            Self::Full => "full",
        }
    }
}

/// Destinations that are not listed, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Others {
    /// Number of destinations.
    #[serde(rename = "destination_count")]
    pub destinations: usize,
    /// Sum of their `in_use`.
    pub in_use: u64,
    /// Sum of their `even`.
    pub even: u64,
    /// Sum of their `odd`.
    pub odd: u64,
    /// Sum of their `by_state`.
    pub by_state: ByState,
}

impl Others {
    fn add(&mut self, one: &DestinationUse) {
        self.destinations += 1;
        self.in_use += u64::from(one.in_use);
        self.even += u64::from(one.even);
        self.odd += u64::from(one.odd);
        self.by_state.add_all(&one.by_state);
    }
}

/// All TCP sockets of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TcpTotals {
    /// Number of sockets.
    pub sockets: u64,
    /// Listening sockets.
    pub listening: u64,
    /// Sockets that are only bound, as far as the kernel lists them.
    pub bound_only: u64,
    /// Connected sockets, by state.
    #[serde(rename = "by_state")]
    pub connected: ByState,
    /// Sockets in the range that are in no other number, to bound memory.
    pub left_out: u64,
    /// Whether the list changed in each attempt to read it: sockets may be missing.
    pub interrupted: bool,
}

/// All UDP sockets of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UdpTotals {
    /// Number of sockets.
    pub sockets: u64,
    /// Distinct ports of the range that they have, even and odd.
    #[serde(flatten, serialize_with = "counted")]
    #[cfg_attr(test, schemars(with = "Counted"))]
    pub ports: Parity,
}

/// Ports as data has them: the number, and the number of each parity.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Counted {
    /// Distinct ports of the range.
    ports: u32,
    /// Even ports of `ports`.
    even: u32,
    /// Odd ports of `ports`.
    odd: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn counted<S: Serializer>(ports: &Parity, serializer: S) -> Result<S::Ok, S::Error> {
    let Parity { even, odd } = *ports;
    Counted { ports: ports.total(), even, odd }.serialize(serializer)
}

/// A namespace that could not be examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unreadable {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Its name as in `ip netns`.
    pub name: Option<String>,
    /// Reason, and remedy.
    pub reason: String,
}
