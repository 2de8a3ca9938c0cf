//! Filter of searches. Every hook asks it first, before any map is written to.
//!
//! Each list is read-only data whose length the verifier knows, so an empty one costs nothing.

use ephtrace_common::{Cidr, Origin, PortSpan, bounds};

use crate::{
    globals::{SETTINGS, setting},
    maps::Principal,
    sock::{self, Endpoints},
    task::{self, Owner},
};

/// Returns whether a search that begins now is wanted, judging by its owner and its destination.
#[inline(always)]
pub(crate) fn keep_start<const TRUSTED: bool>(
    task: u64,
    owner: &Owner,
    principal: *const Principal,
    ends: &Endpoints,
    net: *const u8,
) -> bool {
    if !principal.is_null() {
        // SAFETY: a live map value.
        return unsafe { (*principal).is_kept != 0 }
            && keep_destination(ends)
            && keep_netns::<TRUSTED>(net);
    }
    keep_owner(owner)
        && keep_destination(ends)
        && keep_netns::<TRUSTED>(net)
        && keep_name::<TRUSTED>(task, owner)
        && keep_cgroup()
}

/// Returns whether anything that the current task does is wanted.
#[inline(always)]
pub(crate) fn keep_task<const TRUSTED: bool>(task: u64, owner: &Owner) -> bool {
    keep_owner(owner) && keep_name::<TRUSTED>(task, owner) && keep_cgroup()
}

/// Returns whether assignments of this origin are wanted at all.
#[inline(always)]
pub(crate) fn keep_origin(origin: Origin) -> bool {
    setting!(filter.origins) & (1 << origin as u32) != 0
}

/// Returns whether only failures of this origin are wanted, so that nothing is counted before one
/// is seen.
#[inline(always)]
pub(crate) fn keeps_failures_only(origin: u8) -> bool {
    origin == Origin::Explicit as u8 && setting!(filter.explicit_failed_only) != 0
}

/// Returns whether an assignment is wanted now that its outcome is known.
#[inline(always)]
pub(crate) fn keep_end(sport: u16, is_failed: bool, latency_ns: u64) -> bool {
    if setting!(filter.failed_only) != 0 && !is_failed {
        return false;
    }
    if latency_ns < setting!(filter.min_latency_ns) {
        return false;
    }
    let count = setting!(filter.lport_count);
    count == 0 || in_spans(&raw const SETTINGS.filter.lports, count, sport)
}

#[inline(always)]
fn keep_owner(owner: &Owner) -> bool {
    let pids = setting!(filter.pid_count);
    let uids = setting!(filter.uid_count);
    (pids == 0 || contains(&raw const SETTINGS.filter.pids, pids, owner.pid))
        && (uids == 0 || contains(&raw const SETTINGS.filter.uids, uids, owner.uid))
}

#[inline(always)]
fn keep_destination(ends: &Endpoints) -> bool {
    let family = setting!(filter.family);
    if family != 0 && family != u32::from(ends.family) {
        return false;
    }
    let dports = setting!(filter.dport_count);
    if dports != 0 && !in_spans(&raw const SETTINGS.filter.dports, dports, ends.dport) {
        return false;
    }
    let (dst, src) = (setting!(filter.dst_count), setting!(filter.src_count));
    (dst == 0 || in_cidrs(&raw const SETTINGS.filter.dst, dst, &ends.daddr))
        && (src == 0 || in_cidrs(&raw const SETTINGS.filter.src, src, &ends.saddr))
}

#[inline(always)]
fn keep_netns<const TRUSTED: bool>(net: *const u8) -> bool {
    let count = setting!(filter.netns_count);
    if count == 0 {
        return true;
    }
    match sock::inum::<TRUSTED>(net) {
        Some(inum) => contains(&raw const SETTINGS.filter.netns, count, inum),
        None => false,
    }
}

#[inline(always)]
fn keep_name<const TRUSTED: bool>(task: u64, owner: &Owner) -> bool {
    let count = setting!(filter.comm_count);
    if count == 0 {
        return true;
    }
    let Some(name) = task::process_name::<TRUSTED>(task, owner) else { return false };
    let name = until_nul(name);
    let list = (&raw const SETTINGS.filter.comms).cast::<[u64; 2]>();
    let mut i = 0;
    while i < bounds::NAMES && i < count as usize {
        // SAFETY: `i` is inside the list. Names are 16 bytes, 8-aligned within the settings.
        let wanted = unsafe { list.add(i).read_volatile() };
        if wanted[0] == name[0] && wanted[1] == name[1] {
            return true;
        }
        i += 1;
    }
    false
}

/// Returns the bytes up to the first NUL; in a `comm`, the rest is left over from longer names.
#[inline(always)]
fn until_nul(name: [u64; 2]) -> [u64; 2] {
    let first = mask_until_nul(name[0]);
    if first == u64::MAX {
        [name[0], name[1] & mask_until_nul(name[1])]
    } else {
        [name[0] & first, 0]
    }
}

/// Returns all-ones bytes below the lowest zero byte of `word`; all ones if it has none.
#[inline(always)]
fn mask_until_nul(word: u64) -> u64 {
    // The classic test for a zero byte; its lowest marked byte is exact.
    let marks = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
    if marks == 0 {
        return u64::MAX;
    }
    let lowest = marks & marks.wrapping_neg();
    (lowest >> 7).wrapping_sub(1)
}

#[inline(always)]
fn keep_cgroup() -> bool {
    let count = setting!(filter.cgroup_count);
    if count == 0 {
        return true;
    }
    let ids = (&raw const SETTINGS.filter.cgroup_ids).cast::<u64>();
    let levels = (&raw const SETTINGS.filter.cgroup_levels).cast::<u32>();
    let mut i = 0;
    while i < bounds::NAMES && i < count as usize {
        // SAFETY: `i` is inside both lists.
        let (id, level) = unsafe { (ids.add(i).read_volatile(), levels.add(i).read_volatile()) };
        if task::ancestor_cgroup(level) == id {
            return true;
        }
        i += 1;
    }
    false
}

#[inline(always)]
fn contains<const N: usize>(list: *const [u32; N], count: u32, value: u32) -> bool {
    let list = list.cast::<u32>();
    let mut i = 0;
    while i < N && i < count as usize {
        // SAFETY: `i` is inside the list.
        if unsafe { list.add(i).read_volatile() } == value {
            return true;
        }
        i += 1;
    }
    false
}

#[inline(always)]
fn in_spans(list: *const [PortSpan; bounds::PORTS], count: u32, port: u16) -> bool {
    let list = list.cast::<PortSpan>();
    let mut i = 0;
    while i < bounds::PORTS && i < count as usize {
        // SAFETY: `i` is inside the list.
        let span = unsafe { list.add(i).read_volatile() };
        if span.low <= port && port <= span.high {
            return true;
        }
        i += 1;
    }
    false
}

#[inline(always)]
fn in_cidrs(list: *const [Cidr; bounds::CIDRS], count: u32, addr: &[u64; 2]) -> bool {
    let list = list.cast::<Cidr>();
    let mut i = 0;
    while i < bounds::CIDRS && i < count as usize {
        // SAFETY: `i` is inside the list.
        let cidr = unsafe { list.add(i).read_volatile() };
        if addr[0] & cidr.mask[0] == cidr.addr[0] && addr[1] & cidr.mask[1] == cidr.addr[1] {
            return true;
        }
        i += 1;
    }
    false
}
