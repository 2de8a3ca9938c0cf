//! Conversion of packets to assignments: detects packets that begin a new connection or flow. In
//! bounded memory.

use std::{
    collections::{HashMap, HashSet},
    mem,
    net::IpAddr,
};

use rustc_hash::FxBuildHasher;

use super::item::Item;
use crate::model::{Assignment, FlowKey, LeftOut, Origin, PacketKind, Protocol};

/// Information in one packet about a client's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A client begins a connection.
    Begun(Sent),
    /// A server accepts a connection, which shows what the client sent.
    Answered(Sent),
    /// A datagram, which has no beginning.
    Datagram(Sent),
    /// Nothing about a client's port.
    Nothing(PacketKind),
}

/// A packet that a client sends from its own port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) protocol: Protocol,
    pub(super) saddr: IpAddr,
    pub(super) daddr: IpAddr,
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// First sequence number of a connection: the same if the packet is sent again. `None` for UDP.
    pub(super) sequence: Option<u32>,
}

/// End of the ports that services listen on and that are never assigned.
const SERVICES_END: u16 = 1024;

/// Beginning of the ports that Linux assigns, and of those above which most other systems do: a
/// port below is more likely a service's than one above.
const EPHEMERAL_BEGIN: u16 = 32_768;

impl Sent {
    /// Returns the opposite direction.
    pub(super) fn reversed(self) -> Self {
        let Self { saddr, daddr, sport, dport, .. } = self;
        Self { saddr: daddr, daddr: saddr, sport: dport, dport: sport, ..self }
    }

    /// Returns an assignment of unknown origin at that time.
    pub(super) fn assignment(self, ts_ns: u64) -> Item {
        self.assignment_by(None, ts_ns)
    }

    /// Returns an assignment of that origin at that time.
    pub(super) fn assignment_by(self, origin: Option<Origin>, ts_ns: u64) -> Item {
        let Self { protocol, saddr, sport, daddr, dport, .. } = self;
        Item::Assignment(Assignment {
            ts_ns,
            origin,
            flow: FlowKey { netns: None, saddr, daddr: Some(daddr), dport: Some(dport) },
            protocol: Some(protocol),
            sport: Some(sport),
            ..Assignment::default()
        })
    }

    /// Returns whether a client may have sent this datagram from an assigned port: an answer looks
    /// like a question, and a program may name the same port on both sides.
    fn may_be_a_client_s(self) -> bool {
        let is_answer = self.dport >= EPHEMERAL_BEGIN && self.sport < EPHEMERAL_BEGIN;
        self.dport != 0 && self.sport >= SERVICES_END && self.sport != self.dport && !is_answer
    }
}

/// The connections and flows of the packets so far.
#[derive(Default)]
pub(super) struct Connections {
    seen: RecentSyns,
    flows: RecentFlows,
    pub(super) left_out: LeftOut,
}

impl Connections {
    /// Returns the port that a packet shows, unless an earlier packet did.
    pub(super) fn assigned(&mut self, ts_ns: u64, told: Told) -> Option<Sent> {
        let packets = &mut self.left_out.packets;
        match told {
            Told::Nothing(kind) => {
                packets.count(kind);
                None
            }
            Told::Datagram(sent) => {
                packets.count(PacketKind::Udp);
                self.flows.begins(sent, ts_ns).then_some(sent)
            }
            Told::Begun(sent) => {
                packets.count(PacketKind::Syn);
                self.flows.is_new(Sent { sequence: None, ..sent }, ts_ns);
                if !self.seen.is_new(sent) {
                    self.left_out.repeated += 1;
                    return None;
                }
                self.before_nat(ts_ns, sent)
            }
            Told::Answered(sent) => {
                packets.count(PacketKind::SynAck);
                // Data in the SYN (TCP Fast Open) changes the number that comes back.
                let is_new = self.flows.is_new(Sent { sequence: None, ..sent }, ts_ns);
                if !is_new || !self.seen.is_new(sent) {
                    return None;
                }
                let sent = self.before_nat(ts_ns, sent)?;
                self.left_out.known_by_answer += 1;
                Some(sent)
            }
        }
    }

    /// Returns the packet, unless a NAT of the same host derived it from another one.
    fn before_nat(&mut self, ts_ns: u64, sent: Sent) -> Option<Sent> {
        let Some(original) = self.seen.original_of(sent, ts_ns) else { return Some(sent) };
        self.left_out.translated += 1;
        self.left_out.translated_kept_port += u64::from(original.sport == sent.sport);
        None
    }
}

/// Maximum number of remembered connections, to recognize a repeated SYN: 64 bytes each. Linux
/// retransmits a SYN for two minutes (`tcp_syn_retries`).
const MAX_SEEN: usize = 65_536;

/// Time without packets after which a UDP flow is over, in nanoseconds: NAT forgets it then (RFC
/// 4787, section 4.3).
const QUIET_NS: u64 = 120_000_000_000;

/// Maximum time between two captures of a packet on all interfaces, before and behind NAT, in
/// nanoseconds: more than the same host needs to forward it.
const PASSED_ON_NS: u64 = 1_000_000_000;

/// Part of a packet that a NAT does not change: the first sequence number and the destination.
type Passed = (Option<u32>, IpAddr, u16);

/// Recent connections, in two generations, as in `analyse::recent`.
#[derive(Default)]
struct RecentSyns {
    young: HashSet<Sent, FxBuildHasher>,
    old: HashSet<Sent, FxBuildHasher>,
    /// Last one with a sequence number, by that and the destination, with its time.
    last: HashMap<Passed, (Sent, u64), FxBuildHasher>,
}

impl RecentSyns {
    /// Returns the packet that `syn` was before a NAT, which changes the source address, and at
    /// most the source port besides. The first sequence number of a connection stays.
    fn original_of(&mut self, syn: Sent, ts_ns: u64) -> Option<Sent> {
        let key = (syn.sequence, syn.daddr, syn.dport);
        if let Some(&(before, then_ns)) = self.last.get(&key)
            && before.saddr != syn.saddr
            && ts_ns.abs_diff(then_ns) <= PASSED_ON_NS
        {
            return Some(before);
        }
        if self.last.len() == MAX_SEEN {
            self.last.clear();
        }
        self.last.insert(key, (syn, ts_ns));
        None
    }

    fn is_new(&mut self, syn: Sent) -> bool {
        if self.young.contains(&syn) || self.old.contains(&syn) {
            return false;
        }
        if self.young.len() == MAX_SEEN / 2 {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(syn)
    }
}

/// Recent flows, likewise, with the time of their last packet.
#[derive(Default)]
struct RecentFlows {
    young: HashMap<Sent, u64, FxBuildHasher>,
    old: HashMap<Sent, u64, FxBuildHasher>,
}

impl RecentFlows {
    /// Returns whether a datagram begins a flow of its sender: an answer to one does not.
    fn begins(&mut self, datagram: Sent, ts_ns: u64) -> bool {
        let answered = datagram.reversed();
        if self.is_known(answered, ts_ns) {
            self.touch(answered, ts_ns);
            return false;
        }
        datagram.may_be_a_client_s() && self.is_new(datagram, ts_ns)
    }

    /// Returns whether the flow is new, and remembers it.
    fn is_new(&mut self, flow: Sent, ts_ns: u64) -> bool {
        let is_known = self.is_known(flow, ts_ns);
        self.touch(flow, ts_ns);
        !is_known
    }

    fn is_known(&self, flow: Sent, ts_ns: u64) -> bool {
        let last = self.young.get(&flow).or_else(|| self.old.get(&flow));
        last.is_some_and(|last| ts_ns.saturating_sub(*last) <= QUIET_NS)
    }

    fn touch(&mut self, flow: Sent, ts_ns: u64) {
        if self.young.len() == MAX_SEEN / 2 && !self.young.contains_key(&flow) {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(flow, ts_ns);
    }
}
