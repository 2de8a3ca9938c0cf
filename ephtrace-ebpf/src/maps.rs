//! The maps that several modules, or both halves, share. Searches in flight are in
//! [`crate::in_flight`], totals in [`crate::totals`].

use aya_ebpf::{
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray, RingBuf},
};
use ephtrace_common::{AssignmentRecord, Counter, bounds};

use crate::{atomic, globals::setting, task::Owner};

/// Finished assignments, one [`AssignmentRecord`] each. The loader sets the size.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 23, 0);

/// Last search of ephtrace itself, which shows whether the hook works.
#[map]
pub(crate) static SELF_TEST: Array<AssignmentRecord> = Array::with_max_entries(1, 0);

/// One slot for each [`Counter`].
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);

/// Searches begun and ended on each word of `table_perturb`. They show whether two searches used
/// the same word at the same time, in which case neither can be reconstructed. 1 MiB of kernel
/// memory.
#[map]
pub(crate) static WORDS: Array<WordUse> = Array::with_max_entries(bounds::WORDS, 0);

/// Number of uses of a word of `table_perturb`.
#[repr(C)]
pub(crate) struct WordUse {
    /// Searches begun, all CPUs.
    pub(crate) begun: u64,
    /// Searches ended, all CPUs.
    pub(crate) ended: u64,
}

/// The process behind an MPTCP socket, by the address of that socket. LRU, since no hook sees such
/// a socket freed; subflows join within moments. The loader sets the size.
#[map]
pub(crate) static PRINCIPALS: LruHashMap<u64, Principal> = LruHashMap::with_max_entries(1, 0);

/// A process for which a kernel thread acts.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Principal {
    /// Inode number of the socket's file.
    pub(crate) inode: u64,
    /// cgroup v2 id.
    pub(crate) cgroup_id: u64,
    /// Name of the process.
    pub(crate) comm: [u64; 2],
    /// Process id, as in an [`Owner`].
    pub(crate) pid: u32,
    /// Id of the thread that connected, as in an [`Owner`].
    pub(crate) tid: u32,
    /// Real user id.
    pub(crate) uid: u32,
    /// Process id in the initial namespace, as in an [`Owner`].
    pub(crate) host_pid: u32,
    /// 1 if the filter selects the process's searches.
    pub(crate) is_kept: u32,
    /// Always zero: keeps the size a multiple of eight.
    pub(crate) reserved: u32,
}

impl Principal {
    /// Returns the owner that the kernel thread acts for.
    #[inline(always)]
    pub(crate) fn owner(&self) -> Owner {
        Owner { pid: self.pid, tid: self.tid, uid: self.uid, host_pid: self.host_pid }
    }
}

// The loader reports how much memory the maps take.
const _: () = assert!(
    size_of::<WordUse>() == bounds::WORD_BYTES && size_of::<Principal>() == bounds::PRINCIPAL_BYTES
);

/// Adds one to `counter`.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        if setting!(features.attach_twice) != 0 {
            // SAFETY: a live map value of this CPU. Atomic: another program may preempt this one.
            unsafe { atomic::add(slot, 1) };
        } else {
            // SAFETY: a live map value of this CPU, on which no other program of ephtrace runs
            // before this one has ended: the kernel preempts neither of them.
            unsafe { *slot = (*slot).wrapping_add(1) };
        }
    }
}
