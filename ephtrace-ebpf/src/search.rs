//! One port search, whatever hook sees it: [`begin`], then [`end`] in the same task.
//!
//! The record is filled in where it waits, in the map of searches in flight, and copied to the ring
//! buffer once. The search may sleep, so that its task can end it on another CPU; the task's address
//! is what ties both halves together, the socket's is checked besides, as an interrupt may run a
//! hook for another socket in between.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{
        bpf_get_socket_cookie, bpf_jiffies64, bpf_ktime_get_ns, bpf_map_update_elem,
    },
};
use aya_log_ebpf::debug;
use ephtrace_common::{AssignmentRecord, Counter, Hook, Origin, known, totals::mode};

use crate::{
    emit::emit,
    filter,
    globals::setting,
    maps::{EMPTY, IN_FLIGHT, InFlight, Principal, count, site, state},
    mptcp,
    sock::{self, Endpoints},
    task::{self, Owner},
    word,
};

/// What a hook knows of a search when it begins.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// How it is seen.
    pub(crate) hook: Hook,
    /// How it came about.
    pub(crate) origin: Origin,
    /// One of [`crate::maps::site`].
    pub(crate) site: u32,
    /// One of [`crate::maps::copy`]: which copy of the program sees it.
    pub(crate) copy: u32,
    /// Whom the current task does it for; null for itself.
    pub(crate) principal: *const Principal,
}

/// A search begins: remembers who, where to and since when, if the filter wants it.
///
/// `hash_offset` is `None` where the hook does not see it.
#[inline(always)]
pub(crate) fn begin<const TRUSTED: bool>(
    ctx: &impl EbpfContext,
    mut start: Start,
    sk: *const u8,
    protocol: u16,
    hash_offset: Option<u64>,
) {
    if setting!(features.has_spares) != 0 && is_seen(sk as u64, start.copy) {
        return;
    }
    count(Counter::Seen);
    let mut owner = task::owner(ctx);
    if matches!(start.origin, Origin::Bind | Origin::Explicit) {
        start.principal = mptcp::principal(sk);
    }
    if !start.principal.is_null() {
        // SAFETY: a live map value.
        let principal = unsafe { &*start.principal };
        owner = Owner { pid: principal.pid, tid: principal.tid, uid: principal.uid };
    }
    let ends = match start.site {
        site::CONNECT => sock::endpoints::<TRUSTED>(sk),
        _ => sock::local_end::<TRUSTED>(sk),
    };
    if !begin_for::<TRUSTED>(start, &owner, &ends, sk, protocol, hash_offset) {
        debug!(ctx, "no room for the search of task {}", owner.tid);
    }
}

/// Whether the other copy of the program has seen this search begin. If this one has, it was another
/// search on a socket at the same address, whose end both copies have missed.
#[inline(always)]
fn is_seen(sk: u64, copy: u32) -> bool {
    let Some(slot) = in_flight(sk) else { return false };
    // SAFETY: as in `begin_for`.
    let slot = unsafe { &mut *slot };
    let is_new = slot.seen_by & copy != 0;
    slot.seen_by |= copy;
    !is_new
}

/// The same for this owner and these ends, counted as seen by the caller; false if there was no room
/// for it.
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
    let is_tentative = start.site == site::BIND_CGROUP;
    let net = sock::net::<TRUSTED>(sk);
    let is_wanted =
        ends.family != 0 && filter::keep_start::<TRUSTED>(task, owner, start.principal, ends, net);
    if is_tentative && !is_wanted {
        return true;
    }
    if !is_wanted {
        count(Counter::Filtered);
        // Without a hash there is no word whose use would have to be followed.
        if hash_offset.is_none() && setting!(features.has_spares) == 0 {
            return true;
        }
    }
    let Some(slot) = slot(task) else {
        if is_wanted {
            count(Counter::InFlightFull);
        }
        return !is_wanted;
    };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    if slot.state == state::WANTED {
        count(Counter::ReturnMissed);
    }
    if slot.is_under_way() {
        word::leave(slot);
    }
    slot.sk = sk as u64;
    slot.site = start.site;
    slot.seen_by = start.copy;
    slot.stale_sport = 0;
    slot.record.known = 0;
    word::enter(slot, hash_offset);
    if !is_wanted {
        slot.state = state::UNWANTED;
        return true;
    }
    fill_fixed(&mut slot.record, start, protocol, ends, owner);
    // The totals ask for the name once for each row, and for the time not at all.
    if setting!(totals) != mode::ONLY || !start.principal.is_null() {
        fill_task(&mut slot.record, task, owner, start.principal);
    } else {
        // Here, as not every program may ask for it at the end (on cgroups, up to Linux 6.1).
        slot.record.cgroup_id = task::cgroup_id();
    }
    fill_netns::<TRUSTED>(&mut slot.record, net);
    // A ping socket's port is an identifier, of which there is no range.
    if start.site != site::PING {
        sock::ranges(sk, net, &raw mut slot.record);
    }
    slot.state = if is_tentative { state::TENTATIVE } else { state::WANTED };
    // SAFETY: takes no argument and cannot fail.
    slot.start_ns = unsafe { bpf_ktime_get_ns() };
    // Last, for whatever changes the word before this is no part of the search.
    word::read_before(slot);
    true
}

/// The outcome of a search.
pub(crate) struct Outcome {
    /// The assigned port, 0 for none.
    pub(crate) sport: u16,
    /// 0, or the positive errno.
    pub(crate) errno: u32,
    /// Socket cookie, 0 if not known.
    pub(crate) cookie: u64,
}

/// The search that the current task has begun on `sk`, if it is one that we follow.
#[inline(always)]
pub(crate) fn in_flight(sk: u64) -> Option<*mut InFlight> {
    let slot = IN_FLIGHT.get_ptr_mut(task::current())?;
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).sk == sk };
    if matches { Some(slot) } else { None }
}

/// A search has ended: completes its record and emits it, if the filter wants it.
#[inline(always)]
pub(crate) fn end(slot: *mut InFlight, outcome: &Outcome) {
    // SAFETY: as in `begin`.
    let slot = unsafe { &mut *slot };
    // SAFETY: takes no argument and cannot fail.
    let now = unsafe { bpf_ktime_get_ns() };
    let was = slot.state;
    slot.state = state::IDLE;
    word::read_after(slot);
    word::leave(slot);
    if was == state::TENTATIVE {
        count(Counter::Seen);
    } else if was != state::WANTED {
        return;
    }
    let record = &mut slot.record;
    record.end_ns = now;
    record.latency_ns = now.wrapping_sub(slot.start_ns);
    record.sport = outcome.sport;
    record.errno = outcome.errno;
    // What is not known is not long.
    let latency_ns = if record.known & known::DEFERRED != 0 { 0 } else { record.latency_ns };
    if !filter::keep_end(outcome.sport, outcome.errno != 0, latency_ns) {
        count(Counter::Filtered);
        return;
    }
    if outcome.cookie != 0 {
        record.cookie = outcome.cookie;
        record.known |= known::COOKIE;
    }
    emit(record);
}

/// A search on `sk`, an argument of the traced function, has ended: the function returned `ret`.
#[inline(always)]
pub(crate) fn end_traced(slot: *mut InFlight, sk: *const u8, ret: i32) {
    let errno = errno(slot, ret);
    let cookie = if setting!(features.cookie_in_tracing) != 0 {
        // SAFETY: `sk` is the function's own argument, as the helper demands.
        unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) }
    } else {
        sock::stored_cookie::<true>(sk)
    };
    let sport = if errno == 0 { sock::num::<true>(sk).unwrap_or(0) } else { 0 };
    end(slot, &Outcome { sport, errno, cookie });
    // SAFETY: as in `begin_for`. The other copy of the program is still to see it.
    unsafe { (*slot).state = state::ENDED };
}

/// The search that the task is in at `site` has ended: the function returned `ret`, and that is all
/// that the probe sees.
#[inline(always)]
pub(crate) fn end_probed(site: u32, ret: i32) {
    let Some(slot) = IN_FLIGHT.get_ptr_mut(task::current()) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let (sk, is_ours) =
        unsafe { ((*slot).sk as *const u8, (*slot).is_under_way() && (*slot).site == site) };
    if is_ours {
        end_read(slot, sk, errno(slot, ret));
    }
}

/// A search on `sk` has ended with `errno`: port and cookie are read from the socket, at any address.
#[inline(always)]
pub(crate) fn end_read(slot: *mut InFlight, sk: *const u8, errno: u32) {
    let sport = if errno == 0 { sock::num::<false>(sk).unwrap_or(0) } else { 0 };
    let cookie = sock::stored_cookie::<false>(sk);
    end(slot, &Outcome { sport, errno, cookie });
}

const EAGAIN: u32 = 11;
const EADDRINUSE: u32 = 98;

/// What the program is told: only connect passes on what the search returned, others have a word of
/// their own for it (`__inet_bind`, `inet_autobind`).
#[inline(always)]
fn errno(slot: *mut InFlight, ret: i32) -> u32 {
    // SAFETY: as in `begin`.
    let slot = unsafe { &mut *slot };
    let is_own_accord = slot.autobind == slot.sk;
    slot.autobind = 0;
    match (ret, slot.site) {
        (0, _) => 0,
        (_, site::CONNECT) => ret.unsigned_abs(),
        (_, site::UDP | site::PING | site::SCTP) if is_own_accord => EAGAIN,
        _ => EADDRINUSE,
    }
}

/// The kernel is about to bind `sk` of its own accord, ahead of a connect or a send.
#[inline(always)]
pub(crate) fn autobind<const TRUSTED: bool>(sk: *const u8) {
    if sock::num::<TRUSTED>(sk) != Some(0) {
        return;
    }
    let Some(slot) = slot(task::current()) else { return };
    // SAFETY: as in `begin`.
    unsafe { (*slot).autobind = sk as u64 };
}

/// The program asks to bind an SCTP socket to what is at `addr`.
#[inline(always)]
pub(crate) fn asked_to_bind(sk: *const u8, addr: *const u8) {
    let Some(slot) = slot(task::current()) else { return };
    // SAFETY: as in `begin`.
    unsafe { (*slot).asked = asked(sk, addr) };
}

/// Which socket is to be bound to the address that stands where: the place alone, on the stack, may
/// be that of another call.
#[inline(always)]
fn asked(sk: *const u8, addr: *const u8) -> u64 {
    (sk as u64) ^ (addr as u64)
}

/// A search for the SCTP socket `sk` has begun, to bind it to what is at `addr`: the kernel's own
/// accord, unless the program asked for exactly that.
#[inline(always)]
pub(crate) fn own_accord(sk: *const u8, addr: *const u8) {
    let Some(slot) = IN_FLIGHT.get_ptr_mut(task::current()) else { return };
    // SAFETY: as in `begin`.
    let slot = unsafe { &mut *slot };
    slot.autobind = if slot.asked == asked(sk, addr) { 0 } else { sk as u64 };
    slot.asked = 0;
}

/// The current task connects on `sk`, or listens, but there is no search to follow: its end is none to
/// miss. Another search of the task may be in flight.
#[inline(always)]
pub(crate) fn pass_over(sk: *const u8) {
    if setting!(features.has_spares) == 0 {
        return;
    }
    let Some(slot) = slot(task::current()) else { return };
    // SAFETY: as in `begin`.
    unsafe { (*slot).passed_over = sk as u64 };
}

/// The end of a search on `sk` that is not in flight, seen by a program of which there is one copy:
/// it was passed over, or nobody saw its start.
#[inline(always)]
pub(crate) fn end_passed_over(sk: u64) {
    if setting!(features.has_spares) == 0 {
        return;
    }
    let Some(slot) = slot(task::current()) else { return };
    // SAFETY: as in `begin`.
    let slot = unsafe { &mut *slot };
    if slot.passed_over == sk {
        slot.passed_over = 0;
    } else {
        count(Counter::HookMissed);
    }
}

/// The end of a search on `sk` that is not in flight: the other copy of the program has seen it, or
/// nobody saw its start.
#[inline(always)]
pub(crate) fn end_unseen(sk: u64) {
    if setting!(features.has_spares) == 0 {
        return;
    }
    let Some(slot) = slot(task::current()) else { return };
    // SAFETY: as in `begin`.
    let slot = unsafe { &mut *slot };
    if slot.state == state::ENDED && slot.sk == sk {
        slot.state = state::IDLE;
        return;
    }
    count(Counter::HookMissed);
    slot.sk = sk;
    slot.state = state::ENDED;
}

/// The task's slot in the map, made on its first search.
#[inline(always)]
pub(crate) fn slot(task: u64) -> Option<*mut InFlight> {
    if let Some(slot) = IN_FLIGHT.get_ptr_mut(task) {
        return Some(slot);
    }
    // SAFETY: map, key and value are live and of the sizes that the map was declared with. The raw
    // helper, as the wrapper would copy the value to the stack first.
    unsafe {
        bpf_map_update_elem(
            (&raw const IN_FLIGHT).cast_mut().cast(),
            (&raw const task).cast(),
            (&raw const EMPTY).cast(),
            0,
        )
    };
    IN_FLIGHT.get_ptr_mut(task)
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
    record.origin = start.origin as u8;
    record.protocol = protocol;
    record.pid = owner.pid;
    record.tid = owner.tid;
    record.uid = owner.uid;
    record.family = ends.family;
    record.dport = ends.dport;
    // SAFETY: both addresses are 16 bytes at offsets that are multiples of 8.
    unsafe {
        (&raw mut record.saddr).cast::<[u64; 2]>().write(ends.saddr);
        (&raw mut record.daddr).cast::<[u64; 2]>().write(ends.daddr);
    }
}

#[inline(always)]
fn fill_task(record: &mut AssignmentRecord, task: u64, owner: &Owner, principal: *const Principal) {
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
    match task::process_name(task, owner) {
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
