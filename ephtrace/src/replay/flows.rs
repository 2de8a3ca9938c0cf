//! The last packets of each connection or flow: how far it came decides what its next SYN is.

use std::{collections::HashMap, mem};

use rustc_hash::FxBuildHasher;

use super::told::Sent;

/// Maximum number of remembered connections, and of their flows: some 64 bytes each. Linux
/// retransmits a SYN for two minutes (`tcp_syn_retries`).
pub(super) const MAX_SEEN: usize = 65_536;

/// Time without packets after which a UDP flow is over, in nanoseconds: NAT forgets it then (RFC
/// 4787, section 4.3).
const QUIET_NS: u64 = 120_000_000_000;

/// Maximum pause between a refusal and the next attempt of the same connect, in nanoseconds.
/// Windows waits for half a second; the rest is for the way between the client and the capture.
const RETRY_NS: u64 = 3_000_000_000;

/// Maximum number of bytes in a SYN (TCP Fast Open), which its answer acknowledges with it.
const MAX_SYN_DATA: u32 = 65_535;

/// A connection or flow, as far as its packets tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// Time of its last packet that changed it.
    pub(super) last_ns: u64,
    pub(super) stage: Stage,
    /// First sequence number, if it is a connection and known.
    pub(super) number: Option<u32>,
}

/// Stages of a connection, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Begun, or a flow of datagrams.
    Begun,
    /// Refused, with a reset in place of an answer.
    Refused,
    /// Accepted by the server.
    Answered,
    /// The client sent more than a SYN, so that the answer reached it.
    Established,
}

/// Relation of a SYN to the connection before it, of the same addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// There was none.
    Nothing,
    /// A retry is possible.
    Undecided,
    /// The other connection was accepted, or its retries are over.
    Another,
}

impl Flow {
    /// Returns what a SYN of that number is to this connection, which came before.
    pub(super) fn before(&self, number: Option<u32>, ts_ns: u64) -> Before {
        let is_another = match self.stage {
            // Nothing in between: where a filter keeps only SYNs, a retry looks like this, and the
            // answer of a connection that was accepted is there.
            Stage::Begun => false,
            Stage::Refused => ts_ns.saturating_sub(self.last_ns) > RETRY_NS,
            // The answer may be captured before its SYN.
            Stage::Answered => number.is_some_and(|number| !self.is_answer_to(number)),
            Stage::Established => true,
        };
        if is_another { Before::Another } else { Before::Undecided }
    }

    /// Returns whether an answer to that number is to another SYN, whose connection came after this
    /// one.
    pub(super) fn is_over_before_answer(&self, number: Option<u32>) -> bool {
        let Some((mine, its)) = self.number.zip(number) else { return false };
        self.stage >= Stage::Answered && its.wrapping_sub(mine) > MAX_SYN_DATA
    }

    fn is_answer_to(&self, number: u32) -> bool {
        self.number.is_none_or(|mine| mine.wrapping_sub(number) <= MAX_SYN_DATA)
    }
}

/// Recent flows, in two generations, as in `analyse::recent`.
#[derive(Default)]
pub(super) struct RecentFlows {
    young: HashMap<Sent, Flow, FxBuildHasher>,
    old: HashMap<Sent, Flow, FxBuildHasher>,
}

impl RecentFlows {
    /// Returns whether a datagram begins a flow of its sender: an answer to one does not.
    pub(super) fn begins(&mut self, datagram: Sent, ts_ns: u64) -> bool {
        let answered = datagram.reversed();
        if self.touch(answered, ts_ns) {
            return false;
        }
        if !datagram.may_be_a_client_s() || self.touch(datagram, ts_ns) {
            return false;
        }
        self.put(datagram, Flow { last_ns: ts_ns, stage: Stage::Begun, number: None });
        true
    }

    /// Notes that a client sent more than its SYN.
    pub(super) fn goes_on(&mut self, flow: Sent) {
        if let Some(known) = self.known(&flow) {
            known.stage = Stage::Established;
        }
    }

    /// Notes a reset: one from the server before any answer refuses the connection.
    pub(super) fn is_reset_by(&mut self, sender: Sent, ts_ns: u64) {
        if let Some(known) = self.known(&sender.reversed())
            && known.stage == Stage::Begun
        {
            (known.stage, known.last_ns) = (Stage::Refused, ts_ns);
        }
    }

    /// Returns the flow, unless it was quiet for too long.
    pub(super) fn last(&mut self, flow: Sent, ts_ns: u64) -> Option<Flow> {
        self.known(&flow).copied().filter(|known| known.is_current(ts_ns))
    }

    /// Sets a flow.
    pub(super) fn put(&mut self, flow: Sent, now: Flow) {
        if self.young.len() == MAX_SEEN / 2 && !self.young.contains_key(&flow) {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(flow, now);
    }

    /// Returns whether the flow is known, and keeps it then.
    fn touch(&mut self, flow: Sent, ts_ns: u64) -> bool {
        let Some(last) = self.last(flow, ts_ns) else { return false };
        self.put(flow, Flow { last_ns: ts_ns, ..last });
        true
    }

    fn known(&mut self, flow: &Sent) -> Option<&mut Flow> {
        let Self { young, old } = self;
        young.get_mut(flow).or_else(|| old.get_mut(flow))
    }
}

impl Flow {
    fn is_current(&self, ts_ns: u64) -> bool {
        ts_ns.saturating_sub(self.last_ns) <= QUIET_NS
    }
}
