//! Programs that do nothing, on the hooks that ephtrace uses. They measure the cost of being
//! called, below which no tracer can get. `cargo xtask bench --instructions` measures them through
//! `ephtrace/examples/floor.rs`; ephtrace itself contains none of them.
#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, kprobe, kretprobe, sock_ops},
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext,
        SockOpsContext,
    },
};

/// Runs when the search begins.
#[fentry(function = "__inet_hash_connect")]
pub(crate) fn floor_fentry(_ctx: FEntryContext) {}

/// Runs when the search has ended.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn floor_fexit(_ctx: FExitContext) {}

/// Runs when the search begins.
#[kprobe(function = "__inet_hash_connect")]
pub(crate) fn floor_kprobe(_ctx: ProbeContext) {}

/// Runs when the search has ended.
#[kretprobe(function = "__inet_hash_connect")]
pub(crate) fn floor_kretprobe(_ctx: RetProbeContext) {}

/// Runs when a socket changes its state.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn floor_state(_ctx: BtfTracePointContext) -> i32 {
    0
}

/// Runs on events of a TCP connection.
#[sock_ops]
pub(crate) fn floor_sock_ops(_ctx: SockOpsContext) -> u32 {
    1
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that can reach this, so none that loads contains it.
    loop {}
}

/// The licence of ephtrace's own programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
