//! The maps that both halves share, and the state of searches in flight.

use aya_ebpf::{
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray, RingBuf},
};
use ephtrace_common::{AssignmentRecord, Counter};

use crate::{globals::setting, word};

/// Finished assignments, one [`AssignmentRecord`] each. The loader sets the size.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 23, 0);

/// One slot for each [`Counter`].
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);

/// The search that a task is in, by the address of its `task_struct`.
///
/// By task and not by thread id, as sock_ops programs can't ask for the latter up to Linux 6.1.
/// A task has at most one search at a time, and entries are overwritten in place (70 ns) rather
/// than inserted and deleted (265 ns). LRU, so that the entries of dead tasks make way; a task in
/// the middle of a search is among the most recently used ones, so that `MAX_IN_FLIGHT` bounds how
/// many tasks may be searching at the same time.
#[map]
pub(crate) static IN_FLIGHT: LruHashMap<u64, InFlight> =
    LruHashMap::with_max_entries(MAX_IN_FLIGHT, 0);

/// 8192 tasks in the middle of a search, 1.6 MB of kernel memory.
const MAX_IN_FLIGHT: u32 = 8192;

/// Searches begun and ended on each word of `table_perturb`: tells whether two used the same word at
/// the same time, in which case neither can be worked out. 1 MiB of kernel memory.
#[map]
pub(crate) static WORDS: Array<WordUse> = Array::with_max_entries(MAX_WORDS, 0);

/// As many as `table_perturb` has (`CONFIG_INET_TABLE_PERTURB_ORDER` is 16 unless in expert mode).
pub(crate) const MAX_WORDS: u32 = 1 << 16;

/// The process behind an MPTCP socket, by the address of that socket. LRU, as nobody tells when one
/// goes.
#[map]
pub(crate) static PRINCIPALS: LruHashMap<u64, Principal> =
    LruHashMap::with_max_entries(MAX_PRINCIPALS, 0);

/// MPTCP sockets that were connected last, 0.5 MB of kernel memory. Subflows join within moments.
const MAX_PRINCIPALS: u32 = 4096;

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
    /// Process id.
    pub(crate) pid: u32,
    /// Id of the thread that connected.
    pub(crate) tid: u32,
    /// Real user id.
    pub(crate) uid: u32,
    /// 1 if the filter wants what it does.
    pub(crate) is_kept: u32,
}

/// How often a word of `table_perturb` has been in use.
#[repr(C)]
pub(crate) struct WordUse {
    /// Searches begun, all CPUs.
    pub(crate) begun: u64,
    /// Searches ended, all CPUs.
    pub(crate) ended: u64,
}

/// What a task is doing, in [`InFlight::state`].
pub(crate) mod state {
    /// Nothing that we follow.
    pub(crate) const IDLE: u32 = 0;
    /// A search that becomes a record.
    pub(crate) const WANTED: u32 = 1;
    /// A search that the filter does not want; followed for the use of its word, or because a second
    /// copy of the program follows it.
    pub(crate) const UNWANTED: u32 = 2;
    /// A search that may never begin, and whose failure is not seen: counted once it succeeds.
    pub(crate) const TENTATIVE: u32 = 4;
    /// Nothing, but the end of the last search is known to one of two copies of a program.
    pub(crate) const ENDED: u32 = 3;
}

/// The kernel's function that searches, in [`InFlight::site`].
pub(crate) mod site {
    /// `__inet_hash_connect`.
    pub(crate) const CONNECT: u32 = 1;
    /// `inet_csk_get_port`.
    pub(crate) const BIND: u32 = 2;
    /// `udp_lib_get_port`.
    pub(crate) const UDP: u32 = 3;
    /// `ping_get_port`.
    pub(crate) const PING: u32 = 4;
    /// `inet_csk_get_port` or `udp_lib_get_port`, seen by programs on the root cgroup.
    pub(crate) const BIND_CGROUP: u32 = 5;
    /// `sctp_get_port_local`.
    pub(crate) const SCTP: u32 = 6;
}

/// Copies of a program that sees a search begin, see `Features::has_spares`; in [`InFlight::seen_by`].
pub(crate) mod copy {
    /// The one that all kernels have.
    pub(crate) const FIRST: u32 = 1;
    /// The spare one.
    pub(crate) const SPARE: u32 = 2;
}

/// A search that has begun.
#[repr(C)]
pub(crate) struct InFlight {
    /// Address of the socket.
    pub(crate) sk: u64,
    /// Address of the socket that the kernel itself binds, ahead of a connect or a send; else 0.
    pub(crate) autobind: u64,
    /// Which SCTP socket the program asked to bind last, and where its address stands, in one.
    pub(crate) asked: u64,
    /// Address of the socket whose connect or listen was passed over last, 0 once its end was seen.
    pub(crate) passed_over: u64,
    /// Address of a socket, on its way from a program's context to one that may be calculated with.
    pub(crate) passing: u64,
    /// When it began, `CLOCK_MONOTONIC` in nanoseconds.
    pub(crate) start_ns: u64,
    /// Address of the word of `table_perturb` that the search uses, 0 if not known.
    pub(crate) word_addr: u64,
    /// Index of that word, for [`WORDS`].
    pub(crate) word: u32,
    /// What [`WordUse::begun`] was at the start, this search included.
    pub(crate) begun: u64,
    /// One of [`state`].
    pub(crate) state: u32,
    /// One of [`site`].
    pub(crate) site: u32,
    /// Which copies of the program have seen it begin: bits of [`copy`].
    pub(crate) seen_by: u32,
    /// `inet_sport` at the start: a socket that connects again still shows its last port there.
    pub(crate) stale_sport: u32,
    /// What is known of it so far.
    pub(crate) record: AssignmentRecord,
}

impl InFlight {
    /// Whether a search of the task is under way, wanted or not.
    #[inline(always)]
    pub(crate) fn is_under_way(&self) -> bool {
        self.state == state::WANTED || self.state == state::UNWANTED
    }
}

/// What a task's first search is copied from.
pub(crate) static EMPTY: InFlight = empty();

const fn empty() -> InFlight {
    // SAFETY: integers and arrays of integers only, for which all-zero bytes are a value.
    unsafe { core::mem::zeroed() }
}

/// Adds one to `counter`.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        if setting!(features.has_spares) != 0 {
            // SAFETY: a live map value of this CPU. Atomic: this program may be preempted by another.
            unsafe { word::add(slot, 1) };
        } else {
            // SAFETY: a live map value of this CPU, on which no other program of ours runs before
            // this one has ended: the kernel preempts neither of them.
            unsafe { *slot = (*slot).wrapping_add(1) };
        }
    }
}
