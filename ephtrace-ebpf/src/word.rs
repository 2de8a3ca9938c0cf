//! The word of `table_perturb` that a search uses: its value before and after, and whether another
//! search used it at the same time.
//!
//! In `__inet_hash_connect`, the low bits of the hash offset are the index into the table. The
//! function reads the word at its start and adds to it at its end, without a lock.

use aya_ebpf::{macros::map, maps::Array};
use ephtrace_common::{bounds, known};

use crate::{atomic, globals::setting, in_flight::InFlight, maps::WORDS, read};

/// Address of the table, 0 until it was first read.
#[map]
static TABLE: Array<u64> = Array::with_max_entries(1, 0);

/// Notes that the search that begins in `slot` uses the word at `hash_offset`, if the table's
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
    let Some(table) = table() else { return };
    let word = hash_offset & u64::from(setting!(table_mask));
    slot.word_addr = table.wrapping_add(word << 2);
    // In a table larger than usual, words share counts: aliasing causes only false positives.
    slot.word = word as u32 & (bounds::WORDS - 1);
    let Some(used) = WORDS.get_ptr_mut(slot.word) else { return };
    // SAFETY: a live map value; the kernel's own atomic addition, since other CPUs add to it too.
    unsafe { atomic::add(&raw mut (*used).begun, 1) };
    // SAFETY: a live map value. Volatile: both are read after the addition. Every search that began
    // is in `begun` by then, so that of two at the same time at least the later one notices.
    let (begun, ended) = unsafe {
        ((&raw const (*used).begun).read_volatile(), (&raw const (*used).ended).read_volatile())
    };
    slot.begun = begun;
    if begun.wrapping_sub(ended) != 1 {
        slot.record.known |= known::RACED;
    }
}

/// Returns the address of the table, which the kernel sets once, at boot: read once, too.
#[inline(always)]
fn table() -> Option<u64> {
    let kept = TABLE.get_ptr_mut(0)?;
    // SAFETY: a live map value. Volatile: other processors write to it, the same number.
    let known = unsafe { kept.read_volatile() };
    if known != 0 {
        return Some(known);
    }
    let table = read::probe::<u64>(setting!(table_perturb) as *const u8, 0).filter(|&t| t != 0)?;
    // SAFETY: as above.
    unsafe { kept.write_volatile(table) };
    Some(table)
}

/// Records the word at the start of the search.
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

/// Records the word at the end of the search.
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

/// Ends the use of the word by the search in `slot`, and notes whether another search began
/// meanwhile.
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
    unsafe { atomic::add(&raw mut (*used).ended, 1) };
}
