//! Conversion of packets to assignments: detects packets that begin a new connection or flow. In
//! bounded memory.
//!
//! A SYN with a known sequence number is a retransmission. One with another number, soon after the
//! last one of the same addresses and ports, is a connection of its own if the last one was
//! accepted, for only a refused connect is retried. Whether it is a retry otherwise is left to
//! [`Retries`](super::retries::Retries), which sees the assignments of all recordings in order.

use std::{
    collections::{HashMap, HashSet},
    mem,
    net::IpAddr,
};

use rustc_hash::FxBuildHasher;

use super::{
    flows::{Before, Flow, MAX_SEEN, RecentFlows, Stage},
    item::Item,
    told::{Sent, Told},
};
use crate::model::{Assignment, LeftOut, PacketKind};

/// The connections and flows of the packets so far.
#[derive(Default)]
pub(super) struct Connections {
    seen: RecentSyns,
    flows: RecentFlows,
    pub(super) left_out: LeftOut,
}

impl Connections {
    /// Returns the assignment that a packet shows, unless an earlier packet did.
    pub(super) fn assigned(&mut self, ts_ns: u64, told: Told) -> Option<Item> {
        let packets = &mut self.left_out.packets;
        match told {
            Told::Nothing(kind) => {
                packets.count(kind);
                None
            }
            Told::Later(sent) => {
                packets.count(PacketKind::MidStream);
                self.flows.goes_on(sent.flow());
                None
            }
            Told::Reset(sent) => {
                packets.count(PacketKind::MidStream);
                self.flows.is_reset_by(sent.flow(), ts_ns);
                None
            }
            Told::Datagram(sent) => {
                packets.count(PacketKind::Udp);
                self.flows.begins(sent, ts_ns).then(|| sent.assignment(ts_ns))
            }
            Told::Begun(sent) => {
                packets.count(PacketKind::Syn);
                self.begun(ts_ns, sent)
            }
            Told::Answered(sent) => {
                packets.count(PacketKind::SynAck);
                self.answered(ts_ns, sent)
            }
        }
    }

    fn begun(&mut self, ts_ns: u64, sent: Sent) -> Option<Item> {
        let last = self.flows.last(sent.flow(), ts_ns);
        let before = last.map_or(Before::Nothing, |last| last.before(sent.sequence, ts_ns));
        let is_repeated = match sent.sequence {
            Some(_) => !self.seen.is_new(sent),
            // Without a number, a retransmission looks like any other SYN.
            None => before == Before::Undecided,
        };
        let stage = last.filter(|_| is_repeated).map_or(Stage::Begun, |last| last.stage);
        self.flows.put(sent.flow(), Flow { last_ns: ts_ns, stage, number: sent.sequence });
        if is_repeated {
            self.left_out.repeated += 1;
            return None;
        }
        let sent = self.before_nat(ts_ns, sent)?;
        let is_another = before == Before::Another;
        Some(Item::Assignment(Assignment { is_another, ..sent.row(ts_ns) }))
    }

    fn answered(&mut self, ts_ns: u64, sent: Sent) -> Option<Item> {
        let last = self.flows.last(sent.flow(), ts_ns);
        let is_another = last.is_some_and(|last| last.is_over_before_answer(sent.sequence));
        let answered = Flow { last_ns: ts_ns, stage: Stage::Answered, number: sent.sequence };
        match last.filter(|_| !is_another) {
            Some(last) => {
                let stage = last.stage.max(Stage::Answered);
                self.flows.put(sent.flow(), Flow { last_ns: ts_ns, stage, ..last });
                return None;
            }
            None if !self.seen.is_new(sent) => return None,
            None => self.flows.put(sent.flow(), answered),
        }
        let sent = self.before_nat(ts_ns, sent)?;
        self.left_out.known_by_answer += 1;
        Some(Item::Assignment(Assignment { is_another, ..sent.row(ts_ns) }))
    }

    /// Returns the packet, unless a NAT of the same host derived it from another one.
    fn before_nat(&mut self, ts_ns: u64, sent: Sent) -> Option<Sent> {
        let Some(original) = self.seen.original_of(sent, ts_ns) else { return Some(sent) };
        self.left_out.translated += 1;
        self.left_out.translated_kept_port += u64::from(original.sport == sent.sport);
        None
    }
}

/// Maximum time between two captures of a packet on all interfaces, before and behind NAT, in
/// nanoseconds: more than the same host needs to forward it.
const PASSED_ON_NS: u64 = 1_000_000_000;

/// Sequence number up to which programs make up packets with the same one for all of their clients
/// (0 in Scapy): of those that kernels choose at random, one in 65,536 is below.
const MADE_UP_END: u32 = 1 << 16;

/// Part of a packet that a NAT does not change: the first sequence number, and one end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Passed {
    To(u32, IpAddr, u16),
    From(u32, IpAddr, u16),
}

/// A packet that a NAT may change.
#[derive(Clone, Copy)]
struct Passing {
    sent: Sent,
    ts_ns: u64,
    /// True if it was found with another destination.
    is_redirected: bool,
}

/// Recent connections, in two generations, as in `analyse::recent`.
#[derive(Default)]
struct RecentSyns {
    young: HashSet<Sent, FxBuildHasher>,
    old: HashSet<Sent, FxBuildHasher>,
    /// Last one with a sequence number, by that and each of its ends.
    last: HashMap<Passed, Passing, FxBuildHasher>,
}

impl RecentSyns {
    /// Returns the packet that `syn` was before a NAT, which changes the source address, and at
    /// most the source port besides, or the destination. The first sequence number of a connection
    /// stays. A scanner has one number for many destinations: only the first other one counts as
    /// the same.
    fn original_of(&mut self, syn: Sent, ts_ns: u64) -> Option<Sent> {
        // Without such a number, nothing shows that two packets are one.
        let number = syn.sequence.filter(|number| *number >= MADE_UP_END)?;
        let to = Passed::To(number, syn.daddr, syn.dport);
        let from = Passed::From(number, syn.saddr, syn.sport);
        let recent = |last: &&mut Passing| ts_ns.abs_diff(last.ts_ns) <= PASSED_ON_NS;
        if let Some(before) = self.last.get_mut(&to).filter(recent)
            && before.sent.saddr != syn.saddr
        {
            return Some(before.sent);
        }
        let mut passing = Passing { sent: syn, ts_ns, is_redirected: false };
        let before = self.last.get_mut(&from).filter(recent);
        if let Some(before) = before.filter(|before| before.sent.daddr != syn.daddr) {
            if !mem::replace(&mut before.is_redirected, true) {
                let original = before.sent;
                self.note(to, Passing { sent: original, ..passing });
                return Some(original);
            }
            passing.is_redirected = true;
        }
        self.note(to, passing);
        self.note(from, passing);
        None
    }

    fn note(&mut self, end: Passed, passing: Passing) {
        if self.last.len() >= MAX_SEEN {
            self.last.clear();
        }
        self.last.insert(end, passing);
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
