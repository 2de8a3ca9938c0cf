//! The connections and flows of late, in bounded memory.

use std::{
    collections::{HashMap, HashSet},
    mem,
    net::IpAddr,
};

use rustc_hash::FxBuildHasher;

use super::packet::Sent;

/// Connections that are remembered, so that a repeated SYN is known: 64 bytes each. Linux sends a
/// SYN again for two minutes (`tcp_syn_retries`).
const MAX_SEEN: usize = 65_536;

/// A flow of UDP that was quiet for longer is over, in nanoseconds: NAT forgets it then (RFC 4787,
/// section 4.3).
const QUIET_NS: u64 = 120_000_000_000;

/// Between the two looks that a capture on all interfaces has at a packet, before and behind NAT,
/// in nanoseconds: more than the same host needs to pass it on.
const PASSED_ON_NS: u64 = 1_000_000_000;

/// What a packet keeps behind a NAT: the first sequence number and the destination.
type Passed = (Option<u32>, IpAddr, u16);

/// The connections of late: two generations, as in `analyse::lanes`.
#[derive(Default)]
pub(super) struct RecentSyns {
    young: HashSet<Sent, FxBuildHasher>,
    old: HashSet<Sent, FxBuildHasher>,
    /// The last one with a sequence number, by that and the destination, and its time.
    last: HashMap<Passed, (Sent, u64), FxBuildHasher>,
}

impl RecentSyns {
    /// The packet that `syn` is behind a NAT, which changes the source address, and at most the
    /// source port beside. The first sequence number of a connection stays.
    pub(super) fn original_of(&mut self, syn: Sent, ts_ns: u64) -> Option<Sent> {
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

    pub(super) fn is_new(&mut self, syn: Sent) -> bool {
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
pub(super) struct RecentFlows {
    young: HashMap<Sent, u64, FxBuildHasher>,
    old: HashMap<Sent, u64, FxBuildHasher>,
}

impl RecentFlows {
    /// Whether a datagram begins a flow of its sender's: an answer to one does not.
    pub(super) fn begins(&mut self, datagram: Sent, ts_ns: u64) -> bool {
        let answered = datagram.reversed();
        if self.is_known(answered, ts_ns) {
            self.touch(answered, ts_ns);
            return false;
        }
        datagram.may_be_a_client_s() && self.is_new(datagram, ts_ns)
    }

    /// Whether the flow is not known; it is from now on.
    pub(super) fn is_new(&mut self, flow: Sent, ts_ns: u64) -> bool {
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
