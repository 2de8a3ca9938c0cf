//! The end of a port search whose beginning [`crate::search`] has seen.

use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_ktime_get_ns};
use ephtrace_common::{AssignmentRecord, Counter, Site, known};

use crate::{
    emit::emit,
    filter,
    globals::setting,
    in_flight::{self, InFlight, state},
    maps::{SELF_TEST, count},
    sock, word,
};

/// The outcome of a search.
pub(crate) struct Outcome {
    /// Assigned port, 0 for none.
    pub(crate) sport: u16,
    /// 0, or the positive errno.
    pub(crate) errno: u32,
    /// Socket cookie, 0 if not known.
    pub(crate) cookie: u64,
}

/// Errno that the program gets when a search fails: only connect passes on the function's own.
#[derive(Clone, Copy)]
pub(crate) enum Failure {
    /// The function's return value (`tcp_v4_connect`).
    AsReturned,
    /// EADDRINUSE, whatever the function returned (`__inet_bind`, `inet_csk_listen_start`).
    InUse,
    /// EAGAIN if the kernel binds the socket by itself (`inet_autobind`), else EADDRINUSE.
    InUseOrAgain,
}

const EAGAIN: u32 = 11;
const EADDRINUSE: u32 = 98;

/// Ends a search: completes its record and emits it, if the filter selects it.
#[inline(always)]
pub(crate) fn end(slot: *mut InFlight, outcome: &Outcome) {
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    let was = slot.state;
    slot.state = state::IDLE;
    if was != state::TENTATIVE && was != state::WANTED {
        word::leave(slot);
        return;
    }
    // SAFETY: the helper takes no argument and cannot fail.
    let now = unsafe { bpf_ktime_get_ns() };
    word::read_after(slot);
    word::leave(slot);
    let is_quiet = slot.is_own == 0 && filter::keeps_failures_only(slot.record.origin);
    if is_quiet {
        if outcome.errno == 0 {
            return;
        }
        if was == state::WANTED {
            count(Counter::Seen);
        }
    }
    let record = &mut slot.record;
    record.end_ns = now;
    record.latency_ns = now.wrapping_sub(slot.start_ns);
    record.sport = outcome.sport;
    record.errno = outcome.errno as u16;
    if outcome.cookie != 0 {
        record.cookie = outcome.cookie;
        record.known |= known::COOKIE;
    }
    if slot.is_own != 0 {
        self_test(record);
        return;
    }
    if was == state::TENTATIVE {
        count(Counter::Seen);
    }
    // A search that succeeds has a port: another call returned.
    if outcome.sport == 0 && outcome.errno == 0 {
        count(Counter::ReturnMissed);
        return;
    }
    // An unknown latency never passes `--min-latency`.
    let latency_ns = if record.known & known::DEFERRED != 0 { 0 } else { record.latency_ns };
    if !filter::keep_end(outcome.sport, outcome.errno != 0, latency_ns) {
        count(Counter::Filtered);
        return;
    }
    emit(record);
}

/// Stores the record of one of ephtrace's own searches, for the loader alone.
#[inline(always)]
fn self_test(record: &AssignmentRecord) {
    count(Counter::SelfTest);
    if let Some(last) = SELF_TEST.get_ptr_mut(0) {
        // SAFETY: both are live map values of the same type.
        unsafe { core::ptr::copy_nonoverlapping(record, last, 1) };
    }
}

/// Ends a search on `sk`, an argument of the traced function: the function returned `ret`, and this
/// `copy` of the program is the first to see that.
#[inline(always)]
pub(crate) fn end_traced(
    slot: *mut InFlight,
    sk: *const u8,
    ret: i32,
    failure: Failure,
    copy: u32,
) {
    let errno = errno(slot, ret, failure);
    // SAFETY: as in `end`. The cookie would be made for nothing.
    let is_unwanted = unsafe { (*slot).state == state::UNWANTED };
    let cookie = if is_unwanted { 0 } else { traced_cookie(sk) };
    let sport = if errno == 0 { sock::num::<true>(sk).unwrap_or(0) } else { 0 };
    end(slot, &Outcome { sport, errno, cookie });
    if setting!(features.attach_twice) == 0 {
        in_flight::release(slot);
        return;
    }
    // The other copy of the program is still to see it.
    // SAFETY: as in `end`.
    unsafe {
        (*slot).state = state::ENDED;
        (*slot).seen_by = copy;
    }
}

/// Returns the cookie of `sk`, an argument of the traced function.
#[inline(always)]
pub(crate) fn traced_cookie(sk: *const u8) -> u64 {
    if setting!(features.cookie_in_tracing) != 0 {
        // SAFETY: `sk` is the function's own argument, as the helper demands.
        unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) }
    } else {
        sock::stored_cookie::<true>(sk)
    }
}

/// Ends the search that the task is in at `site`: the function returned `ret`, and the return probe
/// sees nothing else.
#[inline(always)]
pub(crate) fn end_probed(site: Site, ret: i32, failure: Failure) {
    let Some(slot) = in_flight::at_site(site) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let sk = unsafe { (*slot).sk as *const u8 };
    end_read(slot, sk, errno(slot, ret, failure));
    in_flight::release(slot);
}

/// Ends a search on `sk` with `errno`: port and cookie are read from the socket, at any address.
#[inline(always)]
pub(crate) fn end_read(slot: *mut InFlight, sk: *const u8, errno: u32) {
    let sport = if errno == 0 { sock::num::<false>(sk).unwrap_or(0) } else { 0 };
    let cookie = sock::stored_cookie::<false>(sk);
    end(slot, &Outcome { sport, errno, cookie });
}

/// Ends the task's previous search, as it begins another one. If the previous one was for a socket
/// whose SYN waits for the first write (TCP Fast Open), it has succeeded: its end would show only
/// with that write, maybe in another thread.
#[inline(always)]
pub(crate) fn end_deferred(slot: &mut InFlight) {
    let sk = slot.sk as *const u8;
    // The socket may be freed, and its memory that of another one.
    let is_same = sock::num::<false>(sk).unwrap_or(0) != 0
        && sock::dport(sk) == slot.record.dport
        && sock::is_deferred(sk);
    if is_same {
        slot.record.known |= known::DEFERRED;
        end_read(slot, sk, 0);
    }
}

#[inline(always)]
fn errno(slot: *mut InFlight, ret: i32, failure: Failure) -> u32 {
    // SAFETY: as in `end`.
    let slot = unsafe { &mut *slot };
    let is_own_accord = slot.autobind == slot.sk;
    slot.autobind = 0;
    match (ret, failure) {
        (0, _) => 0,
        (_, Failure::AsReturned) => ret.unsigned_abs(),
        (_, Failure::InUseOrAgain) if is_own_accord => EAGAIN,
        (_, Failure::InUse | Failure::InUseOrAgain) => EADDRINUSE,
    }
}
