//! Starts and ends that the kernel kept from a hook.
//!
//! A return probe is missed when more tasks sleep in a search than it has slots for. The start of a
//! search is missed on a preemptible kernel: its end is counted then, unless the search was ignored
//! on purpose or the other copy of the program has seen its end.

use ephtrace_common::{Counter, Hook};

use crate::{
    filter,
    globals::setting,
    in_flight::{self, InFlight, state},
    maps::count,
    sock, task, word,
};

/// Gives up the search in `slot`, whose end was not seen.
#[inline(always)]
pub(crate) fn abandon(slot: &mut InFlight) {
    if slot.state == state::WANTED && slot.is_own == 0 {
        if filter::keeps_failures_only(slot.record.origin) {
            count(Counter::Seen);
        }
        count(Counter::ReturnMissed);
    }
    if slot.is_under_way() {
        word::leave(slot);
    }
    slot.state = state::IDLE;
}

/// Lets a call pass that the program does not follow. If a search of the task is still open then,
/// its end was missed, and it must not end with this call: with kprobes, which see no socket at the
/// end.
#[inline(always)]
pub(crate) fn close(hook: Hook) {
    if matches!(hook, Hook::Kprobe)
        && let Some(slot) = in_flight::existing_slot()
    {
        // SAFETY: the slot is a live map value, and only this task writes to it.
        abandon(unsafe { &mut *slot });
    }
}

/// Notes that the current task connects on `sk`, or listens, without a search to follow, so that
/// its end must not count as missed. Another search of the task may be in flight.
#[inline(always)]
pub(crate) fn pass_over(sk: *const u8) {
    if setting!(features.attach_twice) == 0 {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    unsafe { (*slot).passed_over = sk as u64 };
}

/// Handles the end of a search on `sk` that is not in flight, seen by a program with one copy.
#[inline(always)]
pub(crate) fn end_passed_over(sk: u64) {
    if setting!(features.attach_twice) == 0 {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: as in `pass_over`.
    let slot = unsafe { &mut *slot };
    if slot.passed_over == sk {
        slot.passed_over = 0;
        return;
    }
    // The pointer goes through the map, since the verifier allows no arithmetic on the context's
    // pointers.
    // SAFETY: as in `pass_over`.
    let sk = unsafe {
        (&raw mut slot.passing).write_volatile(sk);
        (&raw const slot.passing).read_volatile() as *const u8
    };
    // The first write of a deferred connect: its search was seen, see `end::end_deferred`.
    if !sock::is_deferred(sk) {
        count(Counter::HookMissed);
    }
}

/// Handles the end of a search on `sk` that is not in flight, seen by one of two copies of a
/// program: the other copy has seen the same end, unless this copy has, too.
#[inline(always)]
pub(crate) fn end_unseen(sk: u64, copy: u32, is_wanted: bool) {
    if setting!(features.attach_twice) == 0 {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: as in `pass_over`.
    let slot = unsafe { &mut *slot };
    if slot.state == state::ENDED && slot.sk == sk && slot.seen_by & copy == 0 {
        slot.seen_by |= copy;
        slot.state = state::IDLE;
        in_flight::release(slot);
        return;
    }
    count(Counter::EndsAlone);
    if is_wanted {
        count(Counter::HookMissed);
    }
    slot.sk = sk;
    slot.state = state::ENDED;
    slot.seen_by = copy;
}
