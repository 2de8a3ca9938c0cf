//! End of a task: none of its searches is in flight any more.
//!
//! `sched_process_exit` runs in the task itself, for each thread. Without it, the entries of ended
//! tasks would use up [`crate::in_flight`]. If the kernel skips the program, which it may if it
//! preempts its own code, the next task at the same address takes the entry over.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use ephtrace_common::Hook;

use crate::{
    end,
    in_flight::{self, state},
    missed,
};

/// Runs when a task ends. The task closes its files after this: a connect whose SYN waits for the
/// first write ends here.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub(crate) fn eph_task_end(_ctx: RawTracePointContext) -> i32 {
    let Some(slot) = in_flight::existing_slot() else { return 0 };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    if slot.state == state::WANTED && slot.record.hook == Hook::SockOps as u8 {
        end::end_deferred(slot);
    }
    missed::abandon(slot);
    in_flight::remove();
    0
}
