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
/// By task and not by thread id, as sock_ops programs can't ask for the latter up to Linux 6.1.
/// A task has at most one search at a time, and its entry is overwritten in place (70 ns) rather
/// than inserted and deleted (265 ns): it goes when the task ends ([`crate::task_end`]), and at the
/// end of each search as long as more than [`bounds::IDLE_TASKS`] are taken.
///
/// A connect whose SYN may wait for the first write (TCP Fast Open) is here by the address of its
/// socket, if [`Hook::SockOps`](ephtrace_common::Hook::SockOps) sees it: its end shows with that
/// write, or as the socket is closed, both in any task and under the socket's lock, and one task
/// may have many.
///
/// Neither of the two maps that would clear up by themselves. An LRU hash evicts a search that is
/// open for long while others begin, and each processor keeps up to 128 free entries from the
/// others (up to mid-2025), which takes 25 MiB at 512 processors. Task storage is out of reach of
/// programs on cgroups and of Linux 5.10. Of a plain hash, each processor takes free entries from
/// any other, so that its size alone decides, and one that finds no room is counted.
#[map]
static IN_FLIGHT: HashMap<u64, InFlight> = HashMap::with_max_entries(bounds::TASKS, 0);

/// How many entries of [`IN_FLIGHT`] are taken: by [`TASKS`], and by [`SOCKETS`].
#[map]
static TAKEN: Array<u64> = Array::with_max_entries(2, 0);

/// Index into [`TAKEN`].
const TASKS: u32 = 0;
const SOCKETS: u32 = 1;

/// How far the search has come, in [`InFlight::state`].
pub(crate) mod state {
    /// No search that is followed.
    pub(crate) const IDLE: u32 = 0;
    /// A search that becomes a record.
    pub(crate) const WANTED: u32 = 1;
    /// A search that the filter does not want; followed for the use of its word, or because a
    /// second copy of the program follows it.
    pub(crate) const UNWANTED: u32 = 2;
    /// No search; one of two copies of a program has seen the last one end, or both.
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
    /// SCTP socket that the program asked to bind last, and the place of its address, in one.
    pub(crate) asked: u64,
    /// Address of the socket whose `bind()` is under way (kprobe), or was refused last (fexit).
    pub(crate) refused_sk: u64,
    /// The place of the address that this `bind()` names.
    pub(crate) refused_addr: u64,
    /// Address of the socket whose connect or listen was passed over last, 0 once its end was seen.
    pub(crate) passed_over: u64,
    /// Address of a socket, on its way from a program's context to one that allows arithmetic.
    pub(crate) passing: u64,
    /// When it began, `CLOCK_MONOTONIC` in nanoseconds.
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
    /// Copies of the program that have seen it begin, or end once it has: bits of [`copy`].
    pub(crate) seen_by: u32,
    /// Copies of the program that have seen the last refusal: bits of [`copy`].
    pub(crate) refused_by: u32,
    /// `inet_sport` at the start: a socket that connects again still shows its last port there.
    pub(crate) stale_sport: u32,
    /// The record, as far as it is known.
    pub(crate) record: AssignmentRecord,
}

// The loader tells how much memory the map takes.
const _: () = assert!(size_of::<InFlight>() == bounds::TASK_BYTES);

impl InFlight {
    /// Whether a search of the task is under way, wanted or not.
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

/// The current task's slot, if it has searched before.
#[inline(always)]
pub(crate) fn existing_slot() -> Option<*mut InFlight> {
    IN_FLIGHT.get_ptr_mut(task::current())
}

/// The slot of `task`, the current one, made on its first search; `None` if there is no room.
#[inline(always)]
pub(crate) fn slot(task: u64) -> Option<*mut InFlight> {
    existing_or_made(task, TASKS)
}

/// The slot of the socket `sk`, or if sockets have used up theirs, that of `task`.
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
    // helper, as the wrapper would copy the value to the stack first.
    let made = unsafe {
        bpf_map_update_elem(
            (&raw const IN_FLIGHT).cast_mut().cast(),
            (&raw const key).cast(),
            (&raw const EMPTY).cast(),
            // Not over what an interrupt has made meanwhile.
            u64::from(BPF_NOEXIST),
        )
    };
    if made == 0 {
        add_taken(kind, 1);
    }
    IN_FLIGHT.get_ptr_mut(key)
}

/// Gives back the slot of the current task, if it has one. Its pointers must not be used any more:
/// another task may have it at once.
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

/// The current task has ended a search, and nothing that is in `slot` is waited for: gives it back
/// if slots are scarce. Last in a program, as the slot must not be used any more.
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
        // SAFETY: a live map value. Atomic, as other processors add to it, too.
        unsafe { atomic::add(taken, more.cast_unsigned()) };
    }
}

/// A search in flight, and where it was found.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// Its slot.
    pub(crate) slot: *mut InFlight,
    /// Address of the socket by which it was found, 0 for one of the current task.
    sk: u64,
}

impl Found {
    /// As [`release`]: the search has ended.
    #[inline(always)]
    pub(crate) fn release(self) {
        if self.sk == 0 {
            release(self.slot);
        } else {
            delete(self.sk, SOCKETS);
        }
    }
}

/// The search that the current task has begun on `sk`, or any task if that waits for a write.
#[inline(always)]
pub(crate) fn find(sk: u64) -> Option<Found> {
    if let Some(slot) = on_socket(sk) {
        return Some(Found { slot, sk: 0 });
    }
    if taken(SOCKETS) == 0 {
        return None;
    }
    let slot = IN_FLIGHT.get_ptr_mut(sk)?;
    // SAFETY: the slot is a live map value, and only whoever has locked the socket writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).sk == sk };
    if matches { Some(Found { slot, sk }) } else { None }
}

/// The search that the current task has begun on `sk`, if it is followed.
#[inline(always)]
pub(crate) fn on_socket(sk: u64) -> Option<*mut InFlight> {
    let slot = existing_slot()?;
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).sk == sk };
    if matches { Some(slot) } else { None }
}

/// The search that the current task has begun at `site`, if it is followed.
#[inline(always)]
pub(crate) fn at_site(site: Site) -> Option<*mut InFlight> {
    let slot = existing_slot()?;
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let matches = unsafe { (*slot).is_under_way() && (*slot).site == site as u32 };
    if matches { Some(slot) } else { None }
}
