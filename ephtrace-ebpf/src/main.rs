//! The kernel half: sees the search for a port begin and end, and emits one record for each.
//!
//! Thin hooks ([`connect`], [`sock_ops`]) call [`search`], which asks [`filter`] first, keeps the
//! state of a search in flight and hands the finished record to [`emit`]. What each module reads
//! from kernel memory goes through [`read`], at offsets that the loader took from the running
//! kernel's BTF ([`globals`]).
//!
//! Nothing here analyses anything, and nothing waits: every loop is bounded, no record wakes the
//! reader, and what is not emitted is counted.
#![no_std]
#![no_main]
// Stable for other targets; needed for one instruction in `word`.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod connect;
mod emit;
mod filter;
mod globals;
mod maps;
mod read;
mod search;
mod sock;
mod sock_ops;
mod task;
mod word;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program in which this can be reached, so none that loads has it.
    loop {}
}

/// `bpf_probe_read_kernel` and others are for programs under a GPL-compatible licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
