//! Allowances for writing to a ring buffer that fills up: a flood of some processes must not keep
//! the records of others from the reader.
//!
//! Beyond half of the ring, records are counted by process, in windows of [`WINDOW_BITS`]. Beyond
//! three quarters, a process has an allowance in each window, which halves with each thirty-second
//! of the ring that is filled, down to [`QUIET`]: the busiest writers are stopped first. The last
//! two of these parts are for processes that wrote no more in the previous windows either, so that
//! a quiet process finds room as long as the reader runs at all. A record that is stopped is lost
//! as if the ring were full.
//!
//! Processes younger than [`YOUNG_NS`] are counted together with all such processes of their user
//! and cgroup: otherwise a succession of new processes, each of them quiet, could fill the ring.

use aya_ebpf::{bindings::BPF_RB_AVAIL_DATA, macros::map, maps::Array};
use ephtrace_common::{AssignmentRecord, bounds};

use crate::{atomic, globals::setting, maps::EVENTS, task};

/// Fill level of the ring at the last check, in thirty-seconds; 0 below half.
#[map]
static FILLED: Array<u32> = Array::with_max_entries(1, 0);

/// For each process, from the highest bits down: the current window's number, records in the
/// previous windows, and in this one ([`COUNT_BITS`] each). Indexed by a hash of the process id, or
/// of user and cgroup, salted so that nobody can choose whom to share a row with.
#[map]
static SHARES: Array<u64> = Array::with_max_entries(bounds::SHARES, 0);

/// Bits of a count: it exceeds any number of records that a process writes in a window.
const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Maximum number of a window; numbers wrap around after 104 days.
const WINDOWS: u64 = (1 << (u64::BITS - 2 * COUNT_BITS)) - 1;

/// Base-2 logarithm of the number of parts of the ring.
const PARTS_BITS: u32 = 5;

/// Fill level from which on records are counted by process.
const COUNTED: u32 = 16;

/// Fill level from which on processes have an allowance.
const LIMITED: u32 = 24;

/// Fill level from which on only quiet processes have room.
const RESERVED: u32 = 30;

/// First allowance, as a part of the ring's bytes: 4096 records of 8 MiB.
const ALLOWANCE_BITS: u32 = 11;

/// Maximum records of a quiet process in a window: 238 a second.
const QUIET: u64 = 128;

/// Length of a window in bits of a time in nanoseconds: 537 ms, in which each of many writing
/// processes gets its turn, so that none passes for quiet because it had to wait.
const WINDOW_BITS: u32 = 29;

/// Age below which a process is young, in nanoseconds: two windows. A process that has not existed
/// for a whole window has shown nothing of its behaviour.
const YOUNG_NS: u64 = 2 << WINDOW_BITS;

/// Mask of the record's time that selects every sixteenth record to check the fill level, below
/// half.
const LOOKS: u64 = 15;

/// Returns whether the process of `record` has used up its allowance, at the present fill level.
#[inline(always)]
pub(crate) fn is_used_up(record: &AssignmentRecord) -> bool {
    let Some(filled) = FILLED.get_ptr_mut(0) else { return false };
    // SAFETY: a live map value. Volatile: other processors write to it.
    let known = unsafe { filled.read_volatile() };
    if known == 0 && record.end_ns & LOOKS != 0 {
        return false;
    }
    let waiting = EVENTS.query(u64::from(BPF_RB_AVAIL_DATA));
    let mut now = (waiting >> (setting!(ring_bits) - PARTS_BITS)) as u32;
    if now < COUNTED {
        now = 0;
    }
    if now != known {
        // SAFETY: as above. Only when it has changed: all processors read it.
        unsafe { filled.write_volatile(now) };
    }
    if now == 0 {
        return false;
    }
    let (before, had) = written(record);
    if now >= RESERVED {
        return before > QUIET || had > QUIET;
    }
    now >= LIMITED && had > allowance(now)
}

/// Returns the allowance of a process in each window, in records, at this fill level.
#[inline(always)]
fn allowance(filled: u32) -> u64 {
    let first = 1_u64 << setting!(ring_bits) >> ALLOWANCE_BITS;
    // Masked for the verifier.
    let allowance = first >> (filled.wrapping_sub(LIMITED) & 7);
    if allowance > QUIET { allowance } else { QUIET }
}

/// Returns the key under which the records of the process are counted.
#[inline(always)]
fn counted_as(record: &AssignmentRecord) -> u32 {
    let is_young = task::process_start_ns()
        .is_some_and(|start_ns| record.end_ns.wrapping_sub(start_ns) < YOUNG_NS);
    if is_young {
        let cgroup = record.cgroup_id as u32 ^ (record.cgroup_id >> 32) as u32;
        record.uid.wrapping_mul(0x85eb_ca6b) ^ cgroup
    } else {
        record.pid
    }
}

/// Returns the records of the process in the previous windows, of which the last one counts in full
/// and each earlier one half as much as the next, and those in this window so far.
#[inline(always)]
fn written(record: &AssignmentRecord) -> (u64, u64) {
    let salted = (counted_as(record) ^ setting!(salt)).wrapping_mul(0x9e37_79b1);
    let Some(row) = SHARES.get_ptr_mut(salted >> (u32::BITS - bounds::SHARES.ilog2())) else {
        return (0, 0);
    };
    let window = record.end_ns >> WINDOW_BITS & WINDOWS;
    // SAFETY: a live map value, which other processors write to as well: two that begin a window at
    // the same time lose one of the counts, which has no effect on decisions.
    unsafe {
        let was = row.read_volatile();
        let last = was >> (2 * COUNT_BITS);
        if last == window {
            atomic::add(row, 1);
            return (was >> COUNT_BITS & COUNT, (was & COUNT) + 1);
        }
        let (count, before) = (was & COUNT, was >> COUNT_BITS & COUNT);
        // Halved for each window since: a process that waits for a processor is not quiet at once.
        let most = if count > before >> 1 { count } else { before >> 1 };
        let since = window.wrapping_sub(last + 1) & WINDOWS;
        let before = if since < u64::from(COUNT_BITS) { most >> since } else { 0 };
        row.write_volatile(window << (2 * COUNT_BITS) | before << COUNT_BITS | 1);
        (before, 1)
    }
}
