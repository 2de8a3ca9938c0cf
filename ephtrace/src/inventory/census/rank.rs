//! Order of the destinations, and sockets whose port a connect may take over.

use std::{cmp::Reverse, ops::Range};

use crate::inventory::{
    socket::{Socket, TcpState},
    sysctls::Sysctls,
};

/// Returns whether `tcp_tw_reuse` lets a connect take over this `TIME_WAIT` once it is old enough
/// (`tcp_twsk_unique`).
pub(in crate::inventory) fn may_reuse(sysctls: &Sysctls, socket: &Socket) -> bool {
    // Without timestamps, late segments of the old connection look like those of the new one.
    if socket.state != TcpState::TimeWait || sysctls.timestamps == Some(0) {
        return false;
    }
    match sysctls.tw_reuse {
        Some(1) => true,
        Some(2) => socket.saddr.is_loopback() || socket.daddr.is_loopback(),
        _ => false,
    }
}

/// Returns the index range of each destination's sockets, first the destination with most ports
/// that a connect can't have.
pub(super) fn rank(sockets: &[Socket], sysctls: &Sysctls) -> Vec<Range<usize>> {
    let mut start = 0;
    let alike = |a: &Socket, b: &Socket| a.flow(None) == b.flow(None);
    let mut ranges: Vec<(Range<usize>, usize)> = sockets
        .chunk_by(alike)
        .map(|group| {
            let range = start..start + group.len();
            start = range.end;
            (range, group.iter().filter(|s| !may_reuse(sysctls, s)).count())
        })
        .collect();
    // The sort is stable, so that equals stay in the order of their addresses.
    ranges.sort_by_key(|(range, blocked)| Reverse((*blocked, range.len())));
    ranges.into_iter().map(|(range, _)| range).collect()
}
