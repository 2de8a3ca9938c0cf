//! Calls that fail for lack of a port, without hooks on functions, and where programs on the root
//! cgroup do not see the failure: `bind()`, and `connect()` and sends on an unbound UDP socket.
//!
//! Tracepoints show the outcome of a call: `sys_exit_bind` and `sys_exit_connect`, which put all
//! system calls of all tasks on the slow exit path, and `sock_send_length` (Linux 6.3), which does
//! not. A call through `io_uring` or of a 32-bit program passes neither of the former two.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::{raw_tracepoint, tracepoint},
    programs::{RawTracePointContext, TracePointContext},
};
use ephtrace_common::{Hook, Origin, Protocol, Site, known};

use crate::{
    bind_cgroup, end, filter,
    globals::setting,
    in_flight::{self, state},
    read::probe,
    search::{self, Start},
    sock,
};

const EAGAIN: i32 = 11;
const EADDRINUSE: i32 = 98;
const EADDRNOTAVAIL: i32 = 99;

/// Offset of the call's result in a record of `sys_exit_*`, on every kernel and machine.
const RETURNED: usize = 16;

/// Runs when `bind()` returns. A search that began in `bind4` or `bind6` ends here unless
/// `post_bind` has seen it.
#[tracepoint(category = "syscalls", name = "sys_exit_bind")]
pub(crate) fn eph_bind_exit(ctx: TracePointContext) -> u32 {
    let Some(slot) = in_flight::existing_slot() else { return 0 };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let (sk, was) = unsafe { ((&raw const (*slot).sk).read_volatile(), (*slot).state) };
    if was != state::TENTATIVE {
        return 0;
    }
    let errno = returned(&ctx).wrapping_neg();
    if errno == EADDRINUSE || errno == EADDRNOTAVAIL {
        end::end_read(slot, sk as *const u8, errno.cast_unsigned());
    } else {
        // No search was made (`IP_BIND_ADDRESS_NO_PORT`), or none that could fail for lack of a
        // port.
        bind_cgroup::forget_last();
    }
    in_flight::release(slot);
    0
}

/// Runs when `connect()` returns. The result is EAGAIN for a UDP socket for which no port was free,
/// and for sockets of other families for other reasons.
#[tracepoint(category = "syscalls", name = "sys_exit_connect")]
pub(crate) fn eph_conn_exit(ctx: TracePointContext) -> u32 {
    if returned(&ctx) == -EAGAIN
        && let Some(sk) = socket_of_call()
    {
        autobind_failed(&ctx, sk);
    }
    0
}

/// Runs when a send on any socket returns: `sock_send_length(sk, ret, flags)`. A full buffer also
/// gives EAGAIN, but no socket that has sent anything is without a port.
#[raw_tracepoint(tracepoint = "sock_send_length")]
pub(crate) fn eph_sent(ctx: RawTracePointContext) -> i32 {
    if ctx.arg::<i32>(1) == -EAGAIN {
        autobind_failed(&ctx, ctx.arg(0));
    }
    0
}

#[inline(always)]
fn returned(ctx: &TracePointContext) -> i32 {
    // SAFETY: a field of the context, which the verifier allows to load at this offset. The errno
    // is in the lower half.
    unsafe { ctx.as_ptr().cast::<u8>().add(RETURNED).cast::<i64>().read_volatile() as i32 }
}

/// Records a call that has ended with EAGAIN, although the kernel was to bind the socket by itself.
#[inline(always)]
fn autobind_failed(ctx: &impl EbpfContext, sk: *const u8) {
    let protocol = sock::protocol::<false>(sk).unwrap_or(0);
    let is_udp = protocol == Protocol::Udp.to_wire() || protocol == Protocol::UdpLite.to_wire();
    if !is_udp || sock::num::<false>(sk) != Some(0) || !filter::keep_origin(Origin::Udp) {
        return;
    }
    bind_cgroup::forget_last();
    let mut start = Start::new(Hook::SockOps, Origin::Udp, Site::Udp);
    start.is_tentative = true;
    search::begin::<false>(ctx, start, sk, protocol, None);
    let Some(slot) = in_flight::existing_slot() else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    unsafe {
        if (*slot).state != state::TENTATIVE {
            return;
        }
        // Only the end was seen.
        (*slot).record.known |= known::DEFERRED;
    }
    end::end_read(slot, sk, EAGAIN.cast_unsigned());
    in_flight::release(slot);
}

/// Returns the socket that the first argument of the current system call refers to; `None` if it
/// refers to another file, or none.
#[inline(always)]
fn socket_of_call() -> Option<*const u8> {
    if setting!(features.call_arguments) == 0 {
        return None;
    }
    // SAFETY: the inner helper takes no argument and cannot fail; the outer one takes its result.
    let registers = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as *const u8;
    let task = crate::task::current() as *const u8;
    let fd = probe::<u32>(registers, setting!(offsets.pt_regs_first))?;
    let files = probe::<*const u8>(task, setting!(offsets.task_files))?;
    let table = probe::<*const u8>(files, setting!(offsets.files_fdt))?;
    if fd >= probe::<u32>(table, setting!(offsets.fdtable_max_fds))? {
        return None;
    }
    let all = probe::<*const u8>(table, setting!(offsets.fdtable_fd))?;
    let file = probe::<*const u8>(all.wrapping_add(8 * fd as usize), 0)?;
    let socket = probe::<*const u8>(file, setting!(offsets.file_private_data))?;
    // For a file of another kind, this field does not lead back to the file.
    if probe::<*const u8>(socket, setting!(offsets.socket_file))? != file {
        return None;
    }
    probe::<*const u8>(socket, setting!(offsets.socket_sk))
}
