//! MPTCP: the process behind a subflow that joins later.
//!
//! A kernel thread creates it (`__mptcp_subflow_connect`): `bind()` to port 0 of the subflow's own
//! socket, then connect. The process is known from the first subflow, which it connects itself:
//! `int mptcp_token_new_connect(struct sock *ssk)` is called for each, and both have the same
//! parent socket.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/mptcp/subflow.c>

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use ephtrace_common::Offsets;

use crate::{
    filter,
    globals::setting,
    maps::{PRINCIPALS, Principal},
    read, task,
};

/// Runs when a process connects an MPTCP socket.
#[fentry(function = "mptcp_token_new_connect")]
pub(crate) fn eph_mptcp(ctx: FEntryContext) {
    remember::<true>(&ctx, ctx.arg(0));
}

/// Second copy of [`eph_mptcp`], see `Features::attach_twice`.
#[fentry(function = "mptcp_token_new_connect")]
pub(crate) fn eph_mptcp_2(ctx: FEntryContext) {
    remember::<true>(&ctx, ctx.arg(0));
}

/// Runs when a process connects an MPTCP socket, if fentry is not available.
#[kprobe(function = "mptcp_token_new_connect")]
pub(crate) fn eph_kmptcp(ctx: ProbeContext) {
    if let Some(subflow) = ctx.arg(0) {
        remember::<false>(&ctx, subflow);
    }
}

#[inline(always)]
fn remember<const TRUSTED: bool>(ctx: &impl EbpfContext, subflow: *const u8) {
    if setting!(offsets.subflow_conn) == Offsets::ABSENT || is_kernel_thread() {
        return;
    }
    let parent = parent(subflow);
    let inode = inode(parent);
    if inode == 0 {
        return;
    }
    let (owner, task) = (task::owner::<TRUSTED>(ctx), task::current());
    let Some(comm) = task::process_name::<TRUSTED>(task, &owner) else { return };
    let principal = Principal {
        inode,
        cgroup_id: task::cgroup_id(),
        comm,
        pid: owner.pid,
        tid: owner.tid,
        uid: owner.uid,
        host_pid: owner.host_pid,
        reserved: 0,
        is_kept: u32::from(filter::keep_task::<TRUSTED>(task, &owner)),
    };
    // Without room for it, the kernel thread is shown.
    let _ = PRINCIPALS.insert(parent as u64, principal, 0);
}

/// Returns the process that the current task, a kernel thread, binds `subflow` for; null for any
/// other task, or if it is not known.
#[inline(always)]
pub(crate) fn principal(subflow: *const u8) -> *const Principal {
    if setting!(offsets.subflow_conn) == Offsets::ABSENT || !is_kernel_thread() {
        return core::ptr::null();
    }
    let parent = parent(subflow);
    let Some(principal) = PRINCIPALS.get_ptr(parent as u64) else { return core::ptr::null() };
    // The parent's memory may have been that of another socket before.
    // SAFETY: a live map value.
    if unsafe { (*principal).inode } == inode(parent) { principal } else { core::ptr::null() }
}

/// `PF_KTHREAD` (linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;

#[inline(always)]
fn is_kernel_thread() -> bool {
    let flags = read::probe::<u32>(task::current() as *const u8, setting!(offsets.task_flags));
    flags.unwrap_or(0) & PF_KTHREAD != 0
}

/// Returns the MPTCP socket that a subflow is part of. For other TCP sockets, the lookup misses.
#[inline(always)]
fn parent(subflow: *const u8) -> *const u8 {
    match read::probe::<*const u8>(subflow, setting!(offsets.icsk_ulp_data)) {
        Some(context) => read::probe::<*const u8>(context, setting!(offsets.subflow_conn))
            .unwrap_or(core::ptr::null()),
        None => core::ptr::null(),
    }
}

/// Returns the inode number of a socket's file, which no other socket has at the same time nor soon
/// after; 0 if there is none.
#[inline(always)]
fn inode(sk: *const u8) -> u64 {
    match read::probe::<*const u8>(sk, setting!(offsets.sk_socket)) {
        Some(socket) if !socket.is_null() => {
            read::probe::<u64>(socket, setting!(offsets.socket_inode)).unwrap_or(0)
        }
        _ => 0,
    }
}
