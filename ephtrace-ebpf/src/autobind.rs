//! Sockets that the kernel binds by itself, ahead of a connect or a send: a failure has another
//! errno there than in `bind()`.

use crate::{in_flight, sock, task};

/// The kernel is about to bind `sk` by itself.
#[inline(always)]
pub(crate) fn expect<const TRUSTED: bool>(sk: *const u8) {
    if sock::num::<TRUSTED>(sk) != Some(0) {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    unsafe { (*slot).autobind = sk as u64 };
}

/// The program asks to bind an SCTP socket to the address at `addr`.
#[inline(always)]
pub(crate) fn asked_to_bind(sk: *const u8, addr: *const u8) {
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: as in `expect`.
    unsafe { (*slot).asked = asked(sk, addr) };
}

/// One number for a socket and the place of the address that it is to be bound to: the place alone,
/// on the stack, may be that of another call.
#[inline(always)]
fn asked(sk: *const u8, addr: *const u8) -> u64 {
    (sk as u64) ^ (addr as u64)
}

/// A search for the SCTP socket `sk` has begun, to bind it to the address at `addr`: by the kernel
/// itself, unless the program asked for exactly that.
#[inline(always)]
pub(crate) fn unless_asked(sk: *const u8, addr: *const u8) {
    let Some(slot) = in_flight::existing_slot() else { return };
    // SAFETY: as in `expect`.
    let slot = unsafe { &mut *slot };
    slot.autobind = if slot.asked == asked(sk, addr) { 0 } else { sk as u64 };
    slot.asked = 0;
}
