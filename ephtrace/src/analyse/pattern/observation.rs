//! One assignment as the models need it: small, `Copy`, without unused fields.

use std::hash::{Hash, Hasher as _};

use rustc_hash::FxHasher;

use crate::model::{Assignment, Origin, Protocol, RangeInForce};

/// One assigned port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Assigned port.
    pub port: u16,
    /// Hash of source address, destination address and destination port. Linux keys its counters on
    /// exactly these, without the namespace (`secure_ipv4_port_ephemeral`).
    pub key: u64,
    /// Hash of the destination address alone.
    pub peer: u32,
    /// Network namespace, which holds the occupied ports; if it is unknown, the source address,
    /// since a recording may hold several hosts; 0 if neither is known.
    pub netns: u32,
    /// Range in force at the call, if known.
    pub range: Option<RangeInForce>,
    /// Origin of the assignment, if known.
    pub origin: Option<Origin>,
    /// Transport protocol, if known.
    pub protocol: Option<Protocol>,
    /// Clock that shows the epoch of the hash secret.
    pub clock: Clock,
    /// True if one of ephtrace's own hooks saw the assignment, thus on Linux 5.10 or later.
    pub linux: bool,
    /// State of the kernel's own search, if the hook sees it.
    pub search: Option<Search>,
}

/// Clock that shows the ten-second epochs of Linux's hash secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The epoch itself, `jiffies64 / (10 * HZ)`.
    Epoch(u64),
    /// Time in nanoseconds; the phase of the epochs is learned.
    Time(u64),
    /// Neither is known.
    Unknown,
}

/// State of the kernel's own search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Growth of the perturbation word, if both of its values are known.
    pub word_step: Option<u32>,
    /// First candidate of the search.
    pub first_candidate: Option<u16>,
    /// Number of candidates tried.
    pub tried: Option<u32>,
}

impl Observation {
    /// Creates an observation from an assignment; `None` for a failed one.
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
    // The upper half is the better mixed one.
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
