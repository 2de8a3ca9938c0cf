//! The current task, which owns the search.

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_task,
        },
    },
};
use ephtrace_common::Offsets;

use crate::{globals::setting, read};

/// Who a search belongs to. Names and numbers are those of the initial namespaces.
pub(crate) struct Owner {
    /// Process id.
    pub(crate) pid: u32,
    /// Thread id.
    pub(crate) tid: u32,
    /// Real user id.
    pub(crate) uid: u32,
}

/// Address of the current `task_struct`.
#[inline(always)]
pub(crate) fn current() -> u64 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { bpf_get_current_task() }
}

/// The current task's ids.
#[inline(always)]
pub(crate) fn owner(_ctx: &impl EbpfContext) -> Owner {
    let ids = bpf_get_current_pid_tgid();
    Owner { pid: (ids >> 32) as u32, tid: ids as u32, uid: bpf_get_current_uid_gid() as u32 }
}

/// Process and thread id of the current task, for programs that may not ask for them (on cgroups,
/// up to Linux 6.1).
#[inline(always)]
pub(crate) fn ids() -> (u32, u32) {
    let task = current() as *const u8;
    let id = |offset| read::probe::<u32>(task, offset).unwrap_or(0);
    (id(setting!(offsets.task_tgid)), id(setting!(offsets.task_pid)))
}

/// cgroup v2 id of the current task.
#[inline(always)]
pub(crate) fn cgroup_id() -> u64 {
    // SAFETY: takes no argument and cannot fail.
    unsafe { bpf_get_current_cgroup_id() }
}

/// Name of the process: that of its main thread, as a thread may have a name of its own.
#[inline(always)]
pub(crate) fn process_name(task: u64, owner: &Owner) -> Option<[u64; 2]> {
    let mut leader = task as *const u8;
    if owner.pid != owner.tid {
        leader = read::probe::<*const u8>(leader, setting!(offsets.task_group_leader))?;
    }
    read::probe::<[u64; 2]>(leader, setting!(offsets.task_comm))
}

/// Id of the current task's cgroup at `level` of the v2 hierarchy; 0 if it is not that deep.
#[inline(always)]
pub(crate) fn ancestor_cgroup(level: u32) -> u64 {
    if setting!(features.ancestor_cgroup) != 0 {
        // SAFETY: takes a number; a level that does not exist gives 0.
        return unsafe { bpf_get_current_ancestor_cgroup_id(level.cast_signed()) };
    }
    // Without the helper (tracepoints and kprobes of Linux 5.10): what the helper does.
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
