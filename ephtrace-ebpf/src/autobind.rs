//! Sockets that the kernel binds by itself, ahead of a connect or a send: a failure there has
//! another errno than in `bind()`.

use crate::{in_flight, sock, task};

/// Notes that the kernel is about to bind `sk` by itself.
#[inline(always)]
pub(crate) fn expect<const TRUSTED: bool>(sk: *const u8) {
    if sock::num::<TRUSTED>(sk) != Some(0) {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    unsafe { (*slot).autobind = sk as u64 };
}

/// Notes that the program asks to bind an SCTP socket to the address at `addr`.
#[inline(always)]
pub(crate) fn asked_to_bind(sk: *const u8, addr: *const u8) {
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: as in `expect`.
    unsafe { (*slot).asked = asked(sk, addr) };
}

/// Combines a socket and the location of its address into one number: the location alone, on the
/// stack, may be that of another call.
#[inline(always)]
fn asked(sk: *const u8, addr: *const u8) -> u64 {
    (sk as u64) ^ (addr as u64)
}

/// Handles a search for the SCTP socket `sk`, to bind it to the address at `addr`: the kernel does
/// so by itself, unless the program asked for exactly that.
#[inline(always)]
pub(crate) fn unless_asked(sk: *const u8, addr: *const u8) {
    let Some(slot) = in_flight::existing_slot() else { return };
    // SAFETY: as in `expect`.
    let slot = unsafe { &mut *slot };
    slot.autobind = if slot.asked == asked(sk, addr) { 0 } else { sk as u64 };
    slot.asked = 0;
}
