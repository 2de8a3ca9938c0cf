//! The only writer of `EVENTS`.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use ephtrace_common::{AssignmentRecord, Counter};

use crate::maps::{EVENTS, count};

/// Submits a copy of `record`, or counts it as lost.
///
/// Never wakes the reader: a wake-up costs ten microseconds, fifty times the rest of a hook. The
/// reader drains on a timer instead.
#[inline(always)]
pub(crate) fn emit(record: *const AssignmentRecord) {
    let Some(mut entry) = EVENTS.reserve::<AssignmentRecord>(0) else {
        count(Counter::RingFull);
        return;
    };
    // SAFETY: `record` is a live map value; the entry is as large and 8-aligned.
    unsafe { core::ptr::copy_nonoverlapping(record, entry.as_mut_ptr(), 1) };
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    count(Counter::Emitted);
}
