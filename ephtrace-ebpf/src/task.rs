//! The current task, which owns the search.

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_task,
            bpf_get_current_task_btf,
        },
    },
};
use ephtrace_common::{OUTSIDE, Offsets};

use crate::{globals::setting, read};

/// Owner of a search.
pub(crate) struct Owner {
    /// Process id, as the loader sees it; see [`OUTSIDE`].
    pub(crate) pid: u32,
    /// Thread id, likewise.
    pub(crate) tid: u32,
    /// Real user id in the initial namespace.
    pub(crate) uid: u32,
    /// Process id in the initial namespace, 0 if the loader is there, too.
    pub(crate) host_pid: u32,
}

/// Returns the address of the current `task_struct`.
#[inline(always)]
pub(crate) fn current() -> u64 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { bpf_get_current_task() }
}

/// Returns the current `task_struct` with its type, so that its fields can be loaded directly, if
/// this kernel has the helper and the program is `TRUSTED` with types.
#[inline(always)]
fn typed<const TRUSTED: bool>() -> Option<*const u8> {
    if !TRUSTED || setting!(features.typed_task) == 0 {
        return None;
    }
    // SAFETY: takes no argument and cannot fail.
    Some(unsafe { bpf_get_current_task_btf() }.cast::<u8>().cast_const())
}

/// Returns the current task's ids.
#[inline(always)]
pub(crate) fn owner<const TRUSTED: bool>(_ctx: &impl EbpfContext) -> Owner {
    let ids = bpf_get_current_pid_tgid();
    seen_as((ids >> 32) as u32, ids as u32, uid::<TRUSTED>())
}

/// Returns the current task's real user id. The helper also looks up the group's id, and what both
/// are called in the initial user namespace, where they are themselves.
#[inline(always)]
fn uid<const TRUSTED: bool>() -> u32 {
    let loaded = typed::<TRUSTED>().and_then(|task| {
        let cred = read::field::<*const u8, true>(task, setting!(offsets.task_cred))?;
        read::field::<u32, true>(cred, setting!(offsets.cred_uid))
    });
    match loaded {
        Some(uid) => uid,
        None => bpf_get_current_uid_gid() as u32,
    }
}

/// Returns the current task's ids, for programs that may not call the helpers (on cgroups, up to
/// Linux 6.1).
#[inline(always)]
pub(crate) fn read_owner() -> Owner {
    let task = current() as *const u8;
    let id = |offset| read::probe::<u32>(task, offset).unwrap_or(0);
    let (pid, tid) = (id(setting!(offsets.task_tgid)), id(setting!(offsets.task_pid)));
    seen_as(pid, tid, uid::<false>())
}

/// Returns the current task, which has these ids in the initial pid namespace, as the loader sees
/// it.
#[inline(always)]
fn seen_as(pid: u32, tid: u32, uid: u32) -> Owner {
    if setting!(pid_namespace) == 0 {
        return Owner { pid, tid, uid, host_pid: 0 };
    }
    let host_pid = pid;
    let (pid, tid) = namespace_ids().unwrap_or((pid | OUTSIDE, tid | OUTSIDE));
    Owner { pid, tid, uid, host_pid }
}

/// Maximum depth of nested pid namespaces (`MAX_PID_NS_LEVEL`).
const PID_LEVELS: u32 = 32;

/// Size of a `struct upid`: an id and the address of its namespace.
const UPID_BYTES: usize = 16;

/// Returns the process and thread id of the current task in the loader's pid namespace, if it has
/// any there: a task has an id in its own namespace and in all those around it.
///
/// `bpf_get_ns_current_pid_tgid` works only for tasks whose own namespace is the loader's.
#[inline(always)]
fn namespace_ids() -> Option<(u32, u32)> {
    let task = current() as *const u8;
    let thread = read::probe::<*const u8>(task, setting!(offsets.task_thread_pid))?;
    let leader = read::probe::<*const u8>(task, setting!(offsets.task_group_leader))?;
    let process = read::probe::<*const u8>(leader, setting!(offsets.task_thread_pid))?;
    let place = place_of_id(thread)?;
    let id = |of: *const u8| read::probe::<u32>(of.wrapping_add(place), 0);
    Some((id(process)?, id(thread)?))
}

/// Returns the offset in a `struct pid` of its id in the loader's namespace, in bytes. Threads of
/// one process are in the same namespaces.
#[inline(always)]
fn place_of_id(pid: *const u8) -> Option<usize> {
    let deepest = read::probe::<u32>(pid, setting!(offsets.pid_level))?;
    for level in 1..PID_LEVELS {
        if level > deepest {
            return None;
        }
        let place = setting!(offsets.pid_numbers) as usize + UPID_BYTES * level as usize;
        let namespace =
            read::probe::<*const u8>(pid.wrapping_add(place), setting!(offsets.upid_ns))?;
        let inum = read::probe::<u32>(namespace, setting!(offsets.pid_namespace_inum))?;
        if inum == setting!(pid_namespace) {
            return Some(place);
        }
    }
    None
}

/// Returns the start time of the current process, `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub(crate) fn process_start_ns() -> Option<u64> {
    if setting!(offsets.task_start_time) == Offsets::ABSENT {
        return None;
    }
    let task = current() as *const u8;
    let leader = read::probe::<*const u8>(task, setting!(offsets.task_group_leader))?;
    read::probe::<u64>(leader, setting!(offsets.task_start_time))
}

/// Returns the cgroup v2 id of the current task.
#[inline(always)]
pub(crate) fn cgroup_id() -> u64 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { bpf_get_current_cgroup_id() }
}

/// Returns the name of the process: that of its main thread, since a thread may have a name of its
/// own.
#[inline(always)]
pub(crate) fn process_name<const TRUSTED: bool>(task: u64, owner: &Owner) -> Option<[u64; 2]> {
    let comm = setting!(offsets.task_comm);
    if let Some(task) = typed::<TRUSTED>() {
        // A main thread leads itself. The verifier wants one type of pointer at the loads.
        let leader = read::field::<*const u8, true>(task, setting!(offsets.task_group_leader))?;
        let half = |offset| read::field::<u64, true>(leader, offset);
        return Some([half(comm)?, half(comm.wrapping_add(8))?]);
    }
    let mut leader = task as *const u8;
    if owner.pid != owner.tid {
        leader = read::probe::<*const u8>(leader, setting!(offsets.task_group_leader))?;
    }
    read::probe::<[u64; 2]>(leader, comm)
}

/// Returns the id of the current task's cgroup at `level` of the v2 hierarchy; 0 if it is not that
/// deep.
#[inline(always)]
pub(crate) fn ancestor_cgroup(level: u32) -> u64 {
    if setting!(features.ancestor_cgroup) != 0 {
        // SAFETY: takes a number; a level that does not exist gives 0.
        return unsafe { bpf_get_current_ancestor_cgroup_id(level.cast_signed()) };
    }
    // Without the helper (tracepoints and kprobes of Linux 5.10), do the same by hand.
    walk_to_ancestor(level).unwrap_or(0)
}

#[inline(always)]
fn walk_to_ancestor(level: u32) -> Option<u64> {
    if setting!(offsets.cgroup_ancestor_ids) == Offsets::ABSENT {
        return None;
    }
    let task = current() as *const u8;
    let set = read::probe::<*const u8>(task, setting!(offsets.task_cgroups))?;
    let cgroup = read::probe::<*const u8>(set, setting!(offsets.css_set_dfl_cgrp))?;
    let depth = read::probe::<u32>(cgroup, setting!(offsets.cgroup_level))?;
    if level > depth {
        return None;
    }
    read::probe::<u64>(
        cgroup.wrapping_add(8 * level as usize),
        setting!(offsets.cgroup_ancestor_ids),
    )
}
