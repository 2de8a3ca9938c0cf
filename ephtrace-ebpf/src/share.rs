//! Who may still write to a ring buffer that fills up: a flood by some processes must not keep what
//! others do from the reader.
//!
//! Beyond half of the ring, records are counted by process, in windows of [`WINDOW_BITS`]. Beyond
//! three quarters, a process has an allowance in each window, which halves with each thirty-second
//! of the ring that is filled, down to [`QUIET`]: those that write most stand back first. The last
//! two of these parts are for processes that wrote no more in the windows before either, so that
//! one that is quiet finds room as long as the reader gets to run at all. What stands back is lost
//! as if the ring were full.
//!
//! Processes that have just begun, up to [`YOUNG_NS`], are counted together with all such of their
//! user and cgroup: ever new ones, each of which is quiet, must not fill the ring in turn.

use aya_ebpf::{bindings::BPF_RB_AVAIL_DATA, macros::map, maps::Array};
use ephtrace_common::{AssignmentRecord, bounds};

use crate::{atomic, globals::setting, maps::EVENTS, task};

/// How full the ring was when that was looked at last, in thirty-seconds; 0 below half.
#[map]
static FILLED: Array<u32> = Array::with_max_entries(1, 0);

/// For each process, from above: the current window's number, records in those before, and in this
/// one ([`COUNT_BITS`] each). By a hash of the process id, or of user and cgroup, salted so that
/// nobody can choose whom to share a row with.
#[map]
static SHARES: Array<u64> = Array::with_max_entries(bounds::SHARES, 0);

/// More than any process writes in a window.
const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Numbers of windows: they come back after 104 days.
const WINDOWS: u64 = (1 << (u64::BITS - 2 * COUNT_BITS)) - 1;

/// The ring has two to the power of so many parts.
const PARTS_BITS: u32 = 5;

/// From here on, records are counted by process.
const COUNTED: u32 = 16;

/// From here on, processes have an allowance.
const LIMITED: u32 = 24;

/// From here on, there is room for quiet processes alone.
const RESERVED: u32 = 30;

/// The first allowance, as a part of the ring's bytes: 4096 records of 8 MiB.
const ALLOWANCE_BITS: u32 = 11;

/// Records of a quiet process in a window: 238 a second.
const QUIET: u64 = 128;

/// A window is so many bits of a time in nanoseconds: 537 ms, in which each of many processes that
/// write gets its turn, so that none passes for quiet because it had to wait.
const WINDOW_BITS: u32 = 29;

/// Two windows: who has not been there for one of them whole has shown nothing of how it behaves.
const YOUNG_NS: u64 = 2 << WINDOW_BITS;

/// Below half, every sixteenth record looks how full the ring is, by the lowest bits of its time.
const LOOKS: u64 = 15;

/// Whether the process of `record` has had its share of the ring, as full as that is now.
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

/// Records of a process in each window, where so many parts of the ring are filled.
#[inline(always)]
fn allowance(filled: u32) -> u64 {
    let first = 1_u64 << setting!(ring_bits) >> ALLOWANCE_BITS;
    // Masked for the verifier.
    let allowance = first >> (filled.wrapping_sub(LIMITED) & 7);
    if allowance > QUIET { allowance } else { QUIET }
}

/// Who the records of the process are counted as.
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

/// Records of the process in the windows before, of which the last one counts in full and each
/// earlier one half as much as the next, and in this one up to now.
#[inline(always)]
fn written(record: &AssignmentRecord) -> (u64, u64) {
    let salted = (counted_as(record) ^ setting!(salt)).wrapping_mul(0x9e37_79b1);
    let Some(row) = SHARES.get_ptr_mut(salted >> (u32::BITS - bounds::SHARES.ilog2())) else {
        return (0, 0);
    };
    let window = record.end_ns >> WINDOW_BITS & WINDOWS;
    // SAFETY: a live map value, which other processors write to as well: two that begin a window at
    // the same time lose one of the counts, which decides nothing.
    unsafe {
        let was = row.read_volatile();
        let last = was >> (2 * COUNT_BITS);
        if last == window {
            atomic::add(row, 1);
            return (was >> COUNT_BITS & COUNT, (was & COUNT) + 1);
        }
        let (count, before) = (was & COUNT, was >> COUNT_BITS & COUNT);
        // Half for each window since: a process that waits for a processor is not quiet at once.
        let most = if count > before >> 1 { count } else { before >> 1 };
        let since = window.wrapping_sub(last + 1) & WINDOWS;
        let before = if since < u64::from(COUNT_BITS) { most >> since } else { 0 };
        row.write_volatile(window << (2 * COUNT_BITS) | before << COUNT_BITS | 1);
        (before, 1)
    }
}
