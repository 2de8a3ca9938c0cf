//! One assignment as the models need it: small, `Copy`, nothing that they do not use.

use std::hash::{Hash, Hasher as _};

use rustc_hash::FxHasher;

use crate::model::{Assignment, Origin, Protocol, RangeInForce};

/// One port that was handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The port.
    pub port: u16,
    /// Source address, destination address and destination port, hashed. Linux keys its counters
    /// on exactly these, without the namespace (`secure_ipv4_port_ephemeral`).
    pub key: u64,
    /// The destination address by itself, hashed.
    pub peer: u32,
    /// Network namespace, which holds the occupied ports; where unknown, the source address in its
    /// place, as a recording may hold several hosts; 0 where neither is known.
    pub netns: u32,
    /// The range in force at the call, where known.
    pub range: Option<RangeInForce>,
    /// How the assignment came about, where known.
    pub origin: Option<Origin>,
    /// Transport protocol, where known.
    pub protocol: Option<Protocol>,
    /// What tells the epochs of the hash secret apart.
    pub clock: Clock,
    /// Seen by one of our own hooks, thus on Linux 5.10 or later.
    pub linux: bool,
    /// What the kernel's own search did, where the hook sees it.
    pub search: Option<Search>,
}

/// What tells the ten-second epochs of Linux's hash secret apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The epoch itself, `jiffies64 / (10 * HZ)`.
    Epoch(u64),
    /// A time in nanoseconds; where in it the epochs begin is learned.
    Time(u64),
    /// Neither.
    Unknown,
}

/// The kernel's own search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// By how much the perturbation word grew, where both of its values are known.
    pub word_step: Option<u32>,
    /// Where the search began.
    pub first_candidate: Option<u16>,
    /// How many candidates it looked at.
    pub tried: Option<u32>,
}

impl Observation {
    /// From an assignment; `None` for a failed one.
    pub fn new(assignment: &Assignment) -> Option<Self> {
        let port = assignment.sport?;
        let clock = match (assignment.salt_epoch, assignment.ts_ns) {
            (Some(epoch), _) => Clock::Epoch(epoch),
            (None, 0) => Clock::Unknown,
            (None, ts_ns) => Clock::Time(ts_ns),
        };
        Some(Self {
            port,
            key: lane_key(assignment),
            peer: hashed(&assignment.flow.daddr),
            netns: netns(assignment),
            range: assignment.range,
            origin: assignment.origin,
            protocol: assignment.protocol,
            clock,
            linux: assignment.hook.is_some(),
            search: search_of(assignment),
        })
    }
}

fn netns(assignment: &Assignment) -> u32 {
    let destination = &assignment.flow;
    if let Some(netns) = destination.netns {
        return netns;
    }
    if destination.saddr.is_unspecified() {
        return 0;
    }
    hashed(&destination.saddr)
}

fn hashed(address: &impl Hash) -> u32 {
    let mut hasher = FxHasher::default();
    address.hash(&mut hasher);
    // The upper half is the better one.
    u32::try_from(hasher.finish() >> 32).unwrap_or(0)
}

fn lane_key(assignment: &Assignment) -> u64 {
    let destination = &assignment.flow;
    let mut hasher = FxHasher::default();
    (destination.saddr, destination.daddr, destination.dport).hash(&mut hasher);
    hasher.finish()
}

fn search_of(assignment: &Assignment) -> Option<Search> {
    let Assignment { word_step, first_candidate, tried, .. } = *assignment;
    let is_known = word_step.is_some() || first_candidate.is_some();
    is_known.then_some(Search { word_step, first_candidate, tried })
}
