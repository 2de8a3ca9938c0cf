//! From packets to assignments: which of them begin a connection, or a flow, that is new. In
//! bounded memory.

use std::{
    collections::{HashMap, HashSet},
    mem,
    net::IpAddr,
};

use rustc_hash::FxBuildHasher;

use super::item::Item;
use crate::model::{Assignment, FlowKey, LeftOut, Origin, PacketKind, Protocol};

/// One packet's news of a client's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A client begins a connection.
    Begun(Sent),
    /// A server agrees to one: what the client sent is known by that.
    Answered(Sent),
    /// A datagram, which has no beginning.
    Datagram(Sent),
    /// Nothing of a client's port.
    Nothing(PacketKind),
}

/// A packet that a client sends from a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) protocol: Protocol,
    pub(super) saddr: IpAddr,
    pub(super) daddr: IpAddr,
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// The first sequence number of a connection: the same if the packet is sent again. `None` for
    /// UDP.
    pub(super) sequence: Option<u32>,
}

/// Services listen below this port, and nobody is given one of them.
const SERVICES_END: u16 = 1024;

/// Linux gives ports from here on, and most others from above it: a port below is rather a
/// service's than one above.
const EPHEMERAL_BEGIN: u16 = 32_768;

impl Sent {
    /// The other way round.
    pub(super) fn reversed(self) -> Self {
        let Self { saddr, daddr, sport, dport, .. } = self;
        Self { saddr: daddr, daddr: saddr, sport: dport, dport: sport, ..self }
    }

    /// As an assignment at that time, of an origin that is not known.
    pub(super) fn assignment(self, ts_ns: u64) -> Item {
        self.assignment_by(None, ts_ns)
    }

    /// As an assignment of that origin at that time.
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

    /// True if a client may have sent this datagram from a port that it was given: an answer looks
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
    /// The port that a packet tells of, unless another packet did before.
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

    /// Unless a NAT of the same host made it of another one.
    fn before_nat(&mut self, ts_ns: u64, sent: Sent) -> Option<Sent> {
        let Some(original) = self.seen.original_of(sent, ts_ns) else { return Some(sent) };
        self.left_out.translated += 1;
        self.left_out.translated_kept_port += u64::from(original.sport == sent.sport);
        None
    }
}

/// Connections that are remembered, so that a repeated SYN is known: 64 bytes each. Linux sends a
/// SYN again for two minutes (`tcp_syn_retries`).
const MAX_SEEN: usize = 65_536;

/// A flow of UDP that was quiet for longer is over, in nanoseconds: NAT forgets it then (RFC 4787,
/// section 4.3).
const QUIET_NS: u64 = 120_000_000_000;

/// Between the two looks that a capture on all interfaces has at a packet, before and behind NAT,
/// in nanoseconds: more than the same host needs to pass it on.
const PASSED_ON_NS: u64 = 1_000_000_000;

/// The part of a packet that stays behind a NAT: the first sequence number and the destination.
type Passed = (Option<u32>, IpAddr, u16);

/// The connections of late: two generations, as in `analyse::lanes`.
#[derive(Default)]
struct RecentSyns {
    young: HashSet<Sent, FxBuildHasher>,
    old: HashSet<Sent, FxBuildHasher>,
    /// The last one with a sequence number, by that and the destination, and its time.
    last: HashMap<Passed, (Sent, u64), FxBuildHasher>,
}

impl RecentSyns {
    /// The packet that `syn` is behind a NAT, which changes the source address, and at most the
    /// source port beside. The first sequence number of a connection stays.
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

/// The flows of late, likewise, with the time of their last packet.
#[derive(Default)]
struct RecentFlows {
    young: HashMap<Sent, u64, FxBuildHasher>,
    old: HashMap<Sent, u64, FxBuildHasher>,
}

impl RecentFlows {
    /// True if a datagram begins a flow of its sender's: an answer to one does not.
    fn begins(&mut self, datagram: Sent, ts_ns: u64) -> bool {
        let answered = datagram.reversed();
        if self.is_known(answered, ts_ns) {
            self.touch(answered, ts_ns);
            return false;
        }
        datagram.may_be_a_client_s() && self.is_new(datagram, ts_ns)
    }

    /// True if the flow is not known; it is from now on.
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
