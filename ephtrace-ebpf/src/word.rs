//! The word of `table_perturb` that a search uses: what it was before and after, and whether another
//! search used it at the same time.
//!
//! `__inet_hash_connect`: the low bits of the hash offset are the index into the table. It reads the
//! word at its start and adds to it at its end, without a lock.

use core::arch::asm;

use ephtrace_common::known;

use crate::{
    globals::setting,
    maps::{InFlight, MAX_WORDS, WORDS},
    read,
};

/// The search that begins in `slot` uses the word that `hash_offset` leads to, if the table's
/// address is known.
#[inline(always)]
pub(crate) fn enter(slot: &mut InFlight, hash_offset: Option<u64>) {
    slot.word_addr = 0;
    let Some(hash_offset) = hash_offset else { return };
    slot.record.hash_offset = hash_offset;
    slot.record.known |= known::HASH_OFFSET;
    if setting!(table_perturb) == 0 {
        return;
    }
    let Some(table) = read::probe::<u64>(setting!(table_perturb) as *const u8, 0) else { return };
    if table == 0 {
        return;
    }
    let word = hash_offset & u64::from(setting!(table_mask));
    slot.word_addr = table.wrapping_add(word << 2);
    // A larger table than usual shares counts: a race too many, never one too few.
    slot.word = word as u32 & (MAX_WORDS - 1);
    let Some(used) = WORDS.get_ptr_mut(slot.word) else { return };
    // SAFETY: a live map value; the kernel's own atomic addition, as other CPUs add to it too.
    unsafe { add(&raw mut (*used).begun, 1) };
    // SAFETY: a live map value. Volatile: both are read after the addition. Whoever else began is in
    // `begun` by then, so that of two searches at the same time at least the later one notices.
    let (begun, ended) = unsafe {
        ((&raw const (*used).begun).read_volatile(), (&raw const (*used).ended).read_volatile())
    };
    slot.begun = begun;
    if begun.wrapping_sub(ended) != 1 {
        slot.record.known |= known::RACED;
    }
}

/// Takes note of the word that the search will begin with.
#[inline(always)]
pub(crate) fn read_before(slot: &mut InFlight) {
    if slot.word_addr == 0 {
        return;
    }
    if let Some(word) = read::probe::<u32>(slot.word_addr as *const u8, 0) {
        slot.record.word_before = word;
        slot.record.known |= known::WORD_BEFORE;
    }
}

/// Takes note of what the search has made of it.
#[inline(always)]
pub(crate) fn read_after(slot: &mut InFlight) {
    if slot.word_addr == 0 {
        return;
    }
    if let Some(word) = read::probe::<u32>(slot.word_addr as *const u8, 0) {
        slot.record.word_after = word;
        slot.record.known |= known::WORD_AFTER;
    }
}

/// The search in `slot` does not use its word any more. Notices whether another one began meanwhile.
#[inline(always)]
pub(crate) fn leave(slot: &mut InFlight) {
    if slot.word_addr == 0 {
        return;
    }
    let Some(used) = WORDS.get_ptr_mut(slot.word) else { return };
    // SAFETY: a live map value.
    if unsafe { (&raw const (*used).begun).read_volatile() } != slot.begun {
        slot.record.known |= known::RACED;
    }
    // SAFETY: as in `enter`.
    unsafe { add(&raw mut (*used).ended, 1) };
}

/// Adds `value` atomically. By hand, as the compiler has no atomics for this target that all kernels
/// from 5.10 on take.
///
/// # Safety
///
/// `to` is a live and aligned map value.
#[inline(always)]
pub(crate) unsafe fn add(to: *mut u64, value: u64) {
    // SAFETY: one instruction on memory that the caller vouches for; changes no register.
    unsafe { asm!("lock *(u64 *)({to} + 0) += {value}", to = in(reg) to, value = in(reg) value) };
}
