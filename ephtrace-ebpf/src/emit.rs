//! The only writer of [`EVENTS`], and the only caller of [`totals::add`].

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use ephtrace_common::{AssignmentRecord, Counter, totals::mode};

use crate::{
    globals::setting,
    maps::{EVENTS, count},
    share, totals,
};

/// Submits a copy of `record`. Adds it to the totals instead if only totals are requested, or if
/// there is no room for it in the ring buffer, which counts as lost. If both are requested, it is
/// in the totals in any case.
///
/// The reader is never woken: a wake-up costs ten microseconds, fifty times the rest of a hook. The
/// reader drains on a timer instead.
#[inline(always)]
pub(crate) fn emit(record: *const AssignmentRecord) {
    let totals = setting!(totals);
    let is_totalled = totals == mode::ONLY || totals == mode::BOTH;
    if is_totalled {
        totals::add(record);
        count(Counter::Totalled);
    }
    if totals == mode::ONLY {
        return;
    }
    // SAFETY: the caller's record is a live map value that only this task writes to.
    let is_used_up = share::is_used_up(unsafe { &*record });
    let reserved = if is_used_up { None } else { EVENTS.reserve::<AssignmentRecord>(0) };
    let Some(mut entry) = reserved else {
        if !is_totalled {
            count(Counter::RingFull);
        }
        if totals == mode::FALLBACK {
            totals::add(record);
        }
        return;
    };
    // SAFETY: `record` is a live map value; the entry is as large and 8-aligned.
    unsafe { core::ptr::copy_nonoverlapping(record, entry.as_mut_ptr(), 1) };
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    if !is_totalled {
        count(Counter::Emitted);
    }
}
