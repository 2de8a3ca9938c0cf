//! Programs that do nothing, on the hooks that ephtrace uses: what being called costs, which no
//! tracer can get below. `cargo xtask bench --instructions` measures them by way of
//! `ephtrace/examples/floor.rs`; ephtrace itself has none of them.
#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, kprobe, kretprobe, sock_ops},
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext,
        SockOpsContext,
    },
};

/// The search begins.
#[fentry(function = "__inet_hash_connect")]
pub(crate) fn floor_fentry(_ctx: FEntryContext) {}

/// The search has ended.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn floor_fexit(_ctx: FExitContext) {}

/// The search begins.
#[kprobe(function = "__inet_hash_connect")]
pub(crate) fn floor_kprobe(_ctx: ProbeContext) {}

/// The search has ended.
#[kretprobe(function = "__inet_hash_connect")]
pub(crate) fn floor_kretprobe(_ctx: RetProbeContext) {}

/// A socket changes its state.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn floor_state(_ctx: BtfTracePointContext) -> i32 {
    0
}

/// Something happens to a TCP connection.
#[sock_ops]
pub(crate) fn floor_sock_ops(_ctx: SockOpsContext) -> u32 {
    1
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program in which this can be reached, so none that loads has it.
    loop {}
}

/// The licence of ephtrace's own programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
