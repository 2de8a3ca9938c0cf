//! The start of a port search, whatever hook sees it. The end, in the same task, is in
//! [`crate::end`].
//!
//! The record is filled in place, in the map of searches in flight, and copied to the ring buffer
//! once. The search may sleep, so that its task can end it on another CPU; the task's address ties
//! both halves together. The socket's address is checked as well, since an interrupt may run a hook
//! for another socket in between.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns},
};
use aya_log_ebpf::debug;
use ephtrace_common::{AssignmentRecord, Counter, Hook, Origin, Site, known, totals::mode};

use crate::{
    end, filter,
    globals::setting,
    in_flight::{self, InFlight, state},
    maps::{Principal, count},
    missed, mptcp,
    sock::{self, Endpoints},
    task::{self, Owner},
    word,
};

/// A search as a hook sees it begin.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// Hook that sees it.
    pub(crate) hook: Hook,
    /// Origin of the assignment.
    pub(crate) origin: Origin,
    /// Function that searches.
    pub(crate) site: Site,
    /// Port that the program named, or that its socket had; 0 if the kernel chooses.
    pub(crate) named_port: u16,
    /// Copy of the program that sees it: one of [`in_flight::copy`].
    pub(crate) copy: u32,
    /// True if the socket has its destination already.
    pub(crate) has_destination: bool,
    /// True if the port comes from the ephemeral range.
    pub(crate) has_range: bool,
    /// True if the search may never take place, so that it counts only once its end is seen.
    pub(crate) is_tentative: bool,
    /// Process that a kernel thread searches for; null if the current task searches for itself.
    pub(crate) principal: *const Principal,
}

impl Start {
    /// Creates a search seen by the first copy of a program, for a socket that has no destination
    /// yet and takes its port from the range.
    #[inline(always)]
    pub(crate) fn new(hook: Hook, origin: Origin, site: Site) -> Self {
        Self {
            hook,
            origin,
            site,
            named_port: 0,
            copy: in_flight::copy::FIRST,
            has_destination: false,
            has_range: true,
            is_tentative: false,
            principal: core::ptr::null(),
        }
    }
}

/// Begins a search: records owner, destination and start time, if the filter selects it.
///
/// `hash_offset` is `None` if the hook does not see it.
#[inline(always)]
pub(crate) fn begin<const TRUSTED: bool>(
    ctx: &impl EbpfContext,
    mut start: Start,
    sk: *const u8,
    protocol: u16,
    hash_offset: Option<u64>,
) {
    if setting!(features.attach_twice) != 0 && is_seen(start, sk as u64) {
        return;
    }
    let mut owner = task::owner::<TRUSTED>(ctx);
    if matches!(start.origin, Origin::Bind | Origin::Explicit) {
        start.principal = mptcp::principal(sk);
    }
    if !start.principal.is_null() {
        // SAFETY: a live map value.
        let principal = unsafe { &*start.principal };
        owner = principal.owner();
    }
    let ends = if start.has_destination {
        sock::endpoints::<TRUSTED>(sk)
    } else {
        sock::local_end::<TRUSTED>(sk)
    };
    if !begin_for::<TRUSTED>(start, &owner, &ends, sk, protocol, hash_offset) {
        debug!(ctx, "no room for the search of task {}", owner.tid);
    }
}

/// Returns whether the other copy of the program has seen this search begin. If this copy has, it
/// was another search on a socket at the same address, whose end both copies have missed.
#[inline(always)]
fn is_seen(start: Start, sk: u64) -> bool {
    let is_fentry = matches!(start.hook, Hook::Fentry);
    if is_fentry && start.copy == in_flight::copy::FIRST {
        count(Counter::FirstCopyRuns);
    }
    let begun = match start.hook {
        Hook::SockOps => in_flight::find(sk).map(|found| found.slot),
        Hook::Fentry | Hook::Kprobe => in_flight::on_socket(sk),
    };
    if let Some(slot) = begun {
        // SAFETY: as in `begin_for`.
        let slot = unsafe { &mut *slot };
        let is_new = slot.seen_by & start.copy != 0;
        slot.seen_by |= start.copy;
        if !is_new {
            return true;
        }
    }
    if is_fentry {
        count(Counter::CallsBegun);
    }
    false
}

/// Lets a call on `sk` pass that is not wanted. If a program has two copies, the call is followed
/// all the same, so that one that all copies have missed is noticed.
#[inline(always)]
pub(crate) fn pass_over(start: Start, sk: *const u8) {
    if setting!(features.attach_twice) == 0 || matches!(start.hook, Hook::Kprobe) {
        missed::close(start.hook);
        return;
    }
    if is_seen(start, sk as u64) {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: as in `begin_for`.
    let slot = unsafe { &mut *slot };
    enter(slot, start, sk, None);
    slot.state = state::UNWANTED;
}

/// Begins a search like [`begin`], for an owner and endpoints that the caller has determined.
/// Returns false if there was no room.
#[inline(always)]
pub(crate) fn begin_for<const TRUSTED: bool>(
    start: Start,
    owner: &Owner,
    ends: &Endpoints,
    sk: *const u8,
    protocol: u16,
    hash_offset: Option<u64>,
) -> bool {
    let task = task::current();
    let net = sock::net::<TRUSTED>(sk);
    let is_own = setting!(own_pid) != 0 && owner.pid == setting!(own_pid);
    let is_quiet = filter::keeps_failures_only(start.origin as u8);
    if !is_own && !start.is_tentative && !is_quiet {
        count(Counter::Seen);
    }
    let is_wanted = is_own
        || ends.family != 0
            && filter::keep_start::<TRUSTED>(task, owner, start.principal, ends, net);
    if start.is_tentative && !is_wanted {
        return true;
    }
    if !is_wanted {
        if !is_quiet {
            count(Counter::Filtered);
        }
        // Without a hash there is no word whose use would have to be followed.
        if hash_offset.is_none() && setting!(features.attach_twice) == 0 {
            missed::close(start.hook);
            return true;
        }
    }
    let Some(slot) = slot::<TRUSTED>(start, sk, task) else {
        if is_wanted && !is_own {
            count_no_room(is_quiet);
        }
        return !is_wanted;
    };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    if matches!(start.hook, Hook::SockOps) && slot.state == state::WANTED {
        end::end_deferred(slot);
    }
    enter(slot, start, sk, hash_offset);
    slot.is_own = u32::from(is_own);
    if !is_wanted {
        slot.state = state::UNWANTED;
        return true;
    }
    fill_fixed(&mut slot.record, start, protocol, ends, owner);
    fill_owner::<TRUSTED>(&mut slot.record, task, owner, start.principal);
    fill_place::<TRUSTED>(&mut slot.record, start, sk, net);
    slot.state = if start.is_tentative { state::TENTATIVE } else { state::WANTED };
    // SAFETY: takes no argument and cannot fail.
    slot.start_ns = unsafe { bpf_ktime_get_ns() };
    // Last: a change of the word before this is not part of the search.
    word::read_before(slot);
    true
}

/// Returns the slot that keeps the state of the search.
#[inline(always)]
fn slot<const TRUSTED: bool>(start: Start, sk: *const u8, task: u64) -> Option<*mut InFlight> {
    let is_by_state = matches!((start.hook, start.site), (Hook::SockOps, Site::Connect));
    if is_by_state && sock::may_defer::<TRUSTED>(sk) {
        in_flight::slot_of_socket(sk as u64, task)
    } else {
        in_flight::slot(task)
    }
}

/// Counts a wanted search that finds no slot. If only failures are kept, it was not counted before.
#[inline(always)]
fn count_no_room(is_quiet: bool) {
    if is_quiet {
        count(Counter::Seen);
    }
    count(Counter::InFlightFull);
}

/// Fills in the owner. The totals need the name once for each row, and the time not at all.
#[inline(always)]
fn fill_owner<const TRUSTED: bool>(
    record: &mut AssignmentRecord,
    task: u64,
    owner: &Owner,
    principal: *const Principal,
) {
    if setting!(totals) != mode::ONLY || !principal.is_null() {
        fill_task::<TRUSTED>(record, task, owner, principal);
    } else {
        // Read now: programs on cgroups can't at the end, up to Linux 6.1.
        record.cgroup_id = task::cgroup_id();
    }
}

/// Fills in the namespace, and the range if there is one.
#[inline(always)]
fn fill_place<const TRUSTED: bool>(
    record: &mut AssignmentRecord,
    start: Start,
    sk: *const u8,
    net: *const u8,
) {
    fill_netns::<TRUSTED>(record, net);
    if start.has_range {
        sock::ranges::<TRUSTED>(sk, net, &raw mut *record);
    }
}

/// Takes over the slot from the task's previous search.
#[inline(always)]
fn enter(slot: &mut InFlight, start: Start, sk: *const u8, hash_offset: Option<u64>) {
    missed::abandon(slot);
    slot.sk = sk as u64;
    slot.site = start.site as u32;
    slot.seen_by = start.copy;
    slot.stale_sport = 0;
    slot.record.known = 0;
    slot.record.origin = start.origin as u8;
    word::enter(slot, hash_offset);
}

#[inline(always)]
fn fill_fixed(
    record: &mut AssignmentRecord,
    start: Start,
    protocol: u16,
    ends: &Endpoints,
    owner: &Owner,
) {
    record.hook = start.hook as u8;
    record.named_port = start.named_port;
    record.protocol = protocol;
    record.pid = owner.pid;
    record.tid = owner.tid;
    record.uid = owner.uid;
    record.host_pid = owner.host_pid;
    record.family = ends.family;
    record.dport = ends.dport;
    // SAFETY: both addresses are 16 bytes at offsets that are multiples of 8.
    unsafe {
        (&raw mut record.saddr).cast::<[u64; 2]>().write(ends.saddr);
        (&raw mut record.daddr).cast::<[u64; 2]>().write(ends.daddr);
    }
}

#[inline(always)]
fn fill_task<const TRUSTED: bool>(
    record: &mut AssignmentRecord,
    task: u64,
    owner: &Owner,
    principal: *const Principal,
) {
    // SAFETY: takes no argument and cannot fail.
    record.jiffies = unsafe { bpf_jiffies64() };
    record.known |= known::CGROUP | known::JIFFIES;
    if !principal.is_null() {
        // SAFETY: a live map value; the name is 16 bytes at an offset that is a multiple of 8.
        unsafe {
            record.cgroup_id = (*principal).cgroup_id;
            (&raw mut record.comm).cast::<[u64; 2]>().write((*principal).comm);
        }
        record.known |= known::COMM;
        return;
    }
    record.cgroup_id = task::cgroup_id();
    match task::process_name::<TRUSTED>(task, owner) {
        // SAFETY: the name is 16 bytes at an offset that is a multiple of 8.
        Some(name) => unsafe {
            (&raw mut record.comm).cast::<[u64; 2]>().write(name);
            record.known |= known::COMM;
        },
        None => count(Counter::ReadFailed),
    }
}

#[inline(always)]
fn fill_netns<const TRUSTED: bool>(record: &mut AssignmentRecord, net: *const u8) {
    match sock::inum::<TRUSTED>(net) {
        Some(inum) => {
            record.netns = inum;
            record.known |= known::NETNS;
        }
        None => count(Counter::ReadFailed),
    }
}
