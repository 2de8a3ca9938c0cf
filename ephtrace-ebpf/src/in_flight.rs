//! The search that each task is in the middle of.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::{bpf_map_delete_elem, bpf_map_update_elem},
    macros::map,
    maps::{Array, HashMap},
};
use ephtrace_common::{AssignmentRecord, Site, bounds};

use crate::{atomic, task};

/// The search that a task is in, by the address of its `task_struct`.
///
/// Entries are keyed by task and not by thread id, since sock_ops programs can't read the latter up
/// to Linux 6.1. A task has at most one search at a time, and its entry is overwritten in place (70
/// ns) rather than inserted and deleted (265 ns). The entry is deleted when the task ends
/// ([`crate::task_end`]), and at the end of each search while more than [`bounds::IDLE_TASKS`] are
/// taken.
///
/// A connect whose SYN may wait for the first write (TCP Fast Open) is keyed by the address of its
/// socket, if [`Hook::SockOps`](ephtrace_common::Hook::SockOps) sees it: its end shows with that
/// write, or when the socket is closed, both in any task and under the socket's lock, and one task
/// may have many.
///
/// Neither of the two self-cleaning kinds of map fits. An LRU hash evicts a search that is open for
/// long while others begin, and each processor reserves up to 128 free entries (up to mid-2025),
/// which takes 25 MiB at 512 processors. Task storage is unavailable to programs on cgroups and in
/// Linux 5.10. In a plain hash, each processor takes free entries from any other, so that only its
/// size matters, and a search that finds no room is counted.
#[map]
static IN_FLIGHT: HashMap<u64, InFlight> = HashMap::with_max_entries(bounds::TASKS, 0);

/// Numbers of entries of [`IN_FLIGHT`] that are taken: by [`TASKS`], and by [`SOCKETS`].
#[map]
static TAKEN: Array<u64> = Array::with_max_entries(2, 0);

/// Index into [`TAKEN`].
const TASKS: u32 = 0;
const SOCKETS: u32 = 1;

/// States of a search, in [`InFlight::state`].
pub(crate) mod state {
    /// No search is followed.
    pub(crate) const IDLE: u32 = 0;
    /// A search that becomes a record.
    pub(crate) const WANTED: u32 = 1;
    /// A search that the filter does not select; followed for the use of its word, or because a
    /// second copy of the program follows it.
    pub(crate) const UNWANTED: u32 = 2;
    /// No search; one of two copies of a program, or both, has seen the last one end.
    pub(crate) const ENDED: u32 = 3;
    /// A search that may never begin, and whose failure may not be seen: counted at its end.
    pub(crate) const TENTATIVE: u32 = 4;
}

/// Copies of a program that sees a search begin, see `Features::attach_twice`; bits of
/// [`InFlight::seen_by`].
pub(crate) mod copy {
    /// The first copy, which is attached on every kernel.
    pub(crate) const FIRST: u32 = 1;
    /// The second copy.
    pub(crate) const SECOND: u32 = 2;
}

/// A search that has begun.
#[repr(C)]
pub(crate) struct InFlight {
    /// Address of the socket.
    pub(crate) sk: u64,
    /// Address of the socket that the kernel binds by itself, ahead of a connect or a send; else 0.
    pub(crate) autobind: u64,
    /// SCTP socket that the program asked to bind last, combined with the location of its address.
    pub(crate) asked: u64,
    /// Address of the socket whose `bind()` is under way (kprobe), or was refused last (fexit).
    pub(crate) refused_sk: u64,
    /// Location of the address that this `bind()` names.
    pub(crate) refused_addr: u64,
    /// Address of the socket whose connect or listen was ignored last, 0 once its end was seen.
    pub(crate) passed_over: u64,
    /// Address of a socket, on its way from a program's context to one that allows arithmetic.
    pub(crate) passing: u64,
    /// Start time, `CLOCK_MONOTONIC` in nanoseconds.
    pub(crate) start_ns: u64,
    /// Address of the word of `table_perturb` that the search uses, 0 if not known.
    pub(crate) word_addr: u64,
    /// Index of that word, for [`crate::maps::WORDS`].
    pub(crate) word: u32,
    /// 1 for a search of ephtrace itself.
    pub(crate) is_own: u32,
    /// [`crate::maps::WordUse::begun`] at the start, this search included.
    pub(crate) begun: u64,
    /// One of [`state`].
    pub(crate) state: u32,
    /// A [`Site`].
    pub(crate) site: u32,
    /// Copies of the program that have seen it begin; once it has ended, those that have seen it
    /// end: bits of [`copy`].
    pub(crate) seen_by: u32,
    /// Copies of the program that have seen the last refusal: bits of [`copy`].
    pub(crate) refused_by: u32,
    /// `inet_sport` at the start: a socket that connects again still shows its last port there.
    pub(crate) stale_sport: u32,
    /// Record, as far as it is known.
    pub(crate) record: AssignmentRecord,
}

// The loader reports how much memory the map takes.
const _: () = assert!(size_of::<InFlight>() == bounds::TASK_BYTES);

impl InFlight {
    /// Returns whether a search of the task is under way, wanted or not.
    #[inline(always)]
    pub(crate) fn is_under_way(&self) -> bool {
        self.state == state::WANTED || self.state == state::UNWANTED
    }
}

/// Initial value of a task's slot.
static EMPTY: InFlight = empty();

const fn empty() -> InFlight {
    // SAFETY: integers and arrays of integers only, for which all-zero bytes are a value.
    unsafe { core::mem::zeroed() }
}

/// Returns the current task's slot, if it has searched before.
#[inline(always)]
pub(crate) fn existing_slot() -> Option<*mut InFlight> {
    IN_FLIGHT.get_ptr_mut(task::current())
}

/// Returns the slot of `task`, the current one, created on its first search; `None` if there is no
/// room.
#[inline(always)]
pub(crate) fn slot(task: u64) -> Option<*mut InFlight> {
    existing_or_made(task, TASKS)
}

/// Returns the slot of the socket `sk`, or if sockets have used up theirs, that of `task`.
#[inline(always)]
pub(crate) fn slot_of_socket(sk: u64, task: u64) -> Option<*mut InFlight> {
    if taken(SOCKETS) < u64::from(bounds::WAITING_SOCKETS) {
        existing_or_made(sk, SOCKETS)
    } else {
        slot(task)
    }
}

#[inline(always)]
fn existing_or_made(key: u64, kind: u32) -> Option<*mut InFlight> {
    if let Some(slot) = IN_FLIGHT.get_ptr_mut(key) {
        return Some(slot);
    }
    // SAFETY: map, key and value are live and of the sizes that the map was declared with. The raw
    // helper is used, since the wrapper would copy the value to the stack first.
    let made = unsafe {
        bpf_map_update_elem(
            (&raw const IN_FLIGHT).cast_mut().cast(),
            (&raw const key).cast(),
            (&raw const EMPTY).cast(),
            // Do not overwrite an entry that an interrupt has created meanwhile.
            u64::from(BPF_NOEXIST),
        )
    };
    if made == 0 {
        add_taken(kind, 1);
    }
    IN_FLIGHT.get_ptr_mut(key)
}

/// Frees the slot of the current task, if it has one. Its pointers must not be used any more:
/// another task may get it at once.
#[inline(always)]
pub(crate) fn remove() {
    delete(task::current(), TASKS);
}

#[inline(always)]
fn delete(key: u64, kind: u32) {
    // SAFETY: map and key are live and of the sizes that the map was declared with.
    let gone = unsafe {
        bpf_map_delete_elem((&raw const IN_FLIGHT).cast_mut().cast(), (&raw const key).cast())
    };
    if gone == 0 {
        add_taken(kind, -1);
    }
}

/// Frees the slot if slots are scarce and nothing in it is waited for: the current task has ended a
/// search. Call it last in a program, since the slot must not be used any more.
#[inline(always)]
pub(crate) fn release(slot: *mut InFlight) {
    if taken(TASKS) <= u64::from(bounds::IDLE_TASKS) {
        return;
    }
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let is_waited_for = unsafe { (*slot).state != state::IDLE || (*slot).passed_over != 0 };
    if !is_waited_for {
        remove();
    }
}

#[inline(always)]
fn taken(kind: u32) -> u64 {
    TAKEN.get(kind).copied().unwrap_or(0)
}

#[inline(always)]
fn add_taken(kind: u32, more: i64) {
    if let Some(taken) = TAKEN.get_ptr_mut(kind) {
        // SAFETY: a live map value. Atomic, since other processors add to it, too.
        unsafe { atomic::add(taken, more.cast_unsigned()) };
    }
}

/// A search in flight, with its key.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// Slot of the search.
    pub(crate) slot: *mut InFlight,
    /// Address of the socket by which it was found, 0 for a search of the current task.
    sk: u64,
}

impl Found {
    /// Frees the slot of a search that has ended, like [`release`].
    #[inline(always)]
    pub(crate) fn release(self) {
        if self.sk == 0 {
            release(self.slot);
        } else {
            delete(self.sk, SOCKETS);
        }
    }
}

/// Returns the search on `sk` that the current task has begun, or any task if it waits for a write.
#[inline(always)]
pub(crate) fn find(sk: u64) -> Option<Found> {
    if let Some(slot) = on_socket(sk) {
        return Some(Found { slot, sk: 0 });
    }
    if taken(SOCKETS) == 0 {
        return None;
    }
    let slot = IN_FLIGHT.get_ptr_mut(sk)?;
    // SAFETY: the slot is a live map value, and only the holder of the socket's lock writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).sk == sk };
    if matches { Some(Found { slot, sk }) } else { None }
}

/// Returns the search that the current task has begun on `sk`, if it is followed.
#[inline(always)]
pub(crate) fn on_socket(sk: u64) -> Option<*mut InFlight> {
    let slot = existing_slot()?;
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).sk == sk };
    if matches { Some(slot) } else { None }
}

/// Returns the search that the current task has begun at `site`, if it is followed.
#[inline(always)]
pub(crate) fn at_site(site: Site) -> Option<*mut InFlight> {
    let slot = existing_slot()?;
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).site == site as u32 };
    if matches { Some(slot) } else { None }
}
