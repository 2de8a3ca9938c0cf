//! The kernel half: sees the search for a port begin and end, and emits one record for each.
//!
//! Thin hooks ([`connect`], [`bind`], [`udp`], [`ping`], [`sctp`], [`mptcp`], [`sock_ops`],
//! [`bind_cgroup`], [`failed_call`], [`absent_address`], [`task_end`]) call [`search`] at the
//! start, which asks [`filter`] first and keeps the state of the search [`in_flight`], and [`end`],
//! which passes the finished record to [`emit`]: to the ring buffer if its process has a [`share`]
//! left, or to the [`totals`]. All reads of kernel memory go through [`read`], at offsets that the
//! loader took from the running kernel's BTF ([`globals`]).
//!
//! The kernel half analyses nothing and never waits: every loop is bounded, no record wakes the
//! reader, and every search that is not emitted is counted.
#![no_std]
#![no_main]
// Stable for other targets; needed for one instruction in `word`.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![expect(
    clippy::inline_always,
    reason = "one function a program: the verifier of Linux 5.10 takes no pointers across calls"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "packed integers are taken apart, and a checked conversion is a branch to a panic"
)]
#![expect(
    clippy::cast_ptr_alignment,
    clippy::multiple_unsafe_ops_per_block,
    reason = "records are 8-aligned map values, written field by field through raw pointers"
)]
#![expect(clippy::needless_pass_by_value, reason = "aya hands a hook its context by value")]

mod absent_address;
mod atomic;
mod autobind;
mod bind;
mod bind_cgroup;
mod connect;
mod emit;
mod end;
mod failed_call;
mod filter;
mod globals;
mod in_flight;
mod maps;
mod missed;
mod mptcp;
mod ping;
mod programs;
mod read;
mod sctp;
mod search;
mod share;
mod sock;
mod sock_ops;
mod task;
mod task_end;
mod totals;
mod udp;
mod word;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that can reach this, so none that loads contains it.
    loop {}
}

/// Licence of the programs: `bpf_probe_read_kernel` and others require a GPL-compatible one.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
