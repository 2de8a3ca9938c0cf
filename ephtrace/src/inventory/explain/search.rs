//! Outcome of a search over a range of ports.

use super::{
    attempt::{PortCount, Verdict},
    seen::Hidden,
};
use crate::inventory::sysctls::Sysctls;

/// State of one port for a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortState {
    /// The port is taken, or skipped.
    Taken,
    /// The port can be had.
    Free,
    /// The given condition decides.
    Unsure(Unsure),
}

/// Hidden condition that decides whether a port can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsure {
    /// The port has connected sockets to other destinations: a connect shares it, unless one of
    /// them was bound before it connected, which the kernel does not list.
    BindHistory,
    /// The port has a `TIME_WAIT` that a connect takes over if the peer sent timestamps, which the
    /// kernel does not list, or if it is just old enough.
    TimeWait,
    /// The port has a connected IPv6 socket, which blocks the port for IPv4 unless it was bound to
    /// its address before it connected.
    Ipv6History,
}

/// Outcome of a search over a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) ports: PortCount,
    /// Reason why the verdict is unknown.
    pub(super) unknown: Option<Unknown>,
    /// Mean number of candidates that a search tries.
    pub(super) candidates: Option<u32>,
    /// Ends of the range that one search finds and the next one leaves out.
    pub(super) chance_ends: Vec<u16>,
}

/// Reason why the outcome of a search is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Each search over a range of an odd number of ports leaves out one of its ends, and the only
    /// free port is one of them.
    End(u16),
    /// Sockets that the kernel does not list may have all ports that look free.
    Hidden,
    /// The outcome depends on ports whose state is not known.
    Unsure(Unsure),
}

/// Order in which a search walks the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Ports of one parity first, then the others (`__inet_hash_connect`).
    Connect,
    /// Like `Connect`, but beginning with the other parity (`inet_csk_find_open_port`).
    Bind,
    /// Every port (`udp_lib_get_port`).
    Udp,
}

/// Evaluates a search.
pub(super) fn search(
    sysctls: &Sysctls,
    walk: Walk,
    hidden: Hidden,
    state: impl Fn(u16) -> PortState,
) -> Outcome {
    let range = sysctls.range;
    let mut ports = PortCount { usable: sysctls.usable(), ..PortCount::default() };
    let (mut unsure, mut first_free, mut free_end) = (None, 0, None);
    let misses_an_end = walk != Walk::Udp && range.len() > 1 && range.len() % 2 == 1;
    let mut chance_ends = Vec::new();
    for port in range.ports().filter(|&port| sysctls.is_usable(port)) {
        let state = state(port);
        let is_end = misses_an_end && (port == range.low || port == range.high);
        if is_end && state != PortState::Taken {
            chance_ends.push(port);
        }
        match state {
            PortState::Taken => {}
            PortState::Free => {
                ports.free += 1;
                first_free += u32::from((port ^ range.low).is_multiple_of(2));
                free_end = free_end.or(is_end.then_some(port));
            }
            PortState::Unsure(why) => {
                ports.unsure += 1;
                unsure.get_or_insert(why);
            }
        }
    }
    // A search leaves out one end, so that at least one of the two is found.
    let found = ports.free - u32::from(free_end.is_some());
    let unknown = match (free_end, unsure) {
        _ if found > hidden.sockets => None,
        (_, None) if ports.free == 0 => None,
        (_, Some(why)) if found == 0 => Some(Unknown::Unsure(why)),
        (Some(port), _) if found == 0 => Some(Unknown::End(port)),
        _ => Some(Unknown::Hidden),
    };
    let verdict = match unknown {
        Some(_) => Verdict::Unknown,
        None if ports.free > 0 => Verdict::Free,
        None => Verdict::NotFree,
    };
    let candidates = (walk == Walk::Connect && unknown.is_none())
        .then(|| candidates(sysctls, first_free, ports.free - first_free));
    Outcome { verdict, ports, unknown, candidates, chance_ends }
}

/// Returns the mean number of candidates that a connect tries, if free ports lie at random: of the
/// parity that comes first, and only if that has none, of the other. Reserved ports are tried, too.
fn candidates(sysctls: &Sysctls, first_free: u32, other_free: u32) -> u32 {
    let first = sysctls.range.len().div_ceil(2);
    let other = sysctls.range.len() - first;
    match (first_free, other_free) {
        (0, 0) => first + other,
        (0, free) => first + rounded(other + 1, free + 1),
        (free, _) => rounded(first + 1, free + 1),
    }
}

fn rounded(all: u32, part: u32) -> u32 {
    (all + part / 2) / part
}
