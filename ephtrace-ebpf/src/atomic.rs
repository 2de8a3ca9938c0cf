//! Atomic additions to map values that several processors, or programs that preempt one another,
//! write to.
//!
//! Written in assembly, since for this target the compiler has no atomics that all kernels from
//! 5.10 on accept.

use core::arch::asm;

/// Adds `value` to a 64-bit map value.
///
/// # Safety
///
/// `to` must be a live and aligned map value.
#[inline(always)]
pub(crate) unsafe fn add(to: *mut u64, value: u64) {
    // SAFETY: one instruction on memory that the caller vouches for; changes no register.
    unsafe { asm!("lock *(u64 *)({to} + 0) += {value}", to = in(reg) to, value = in(reg) value) };
}

/// Adds one to a 32-bit map value.
///
/// # Safety
///
/// `to` must be a live and aligned map value.
#[inline(always)]
pub(crate) unsafe fn increment(to: *mut u32) {
    // SAFETY: one instruction on memory that the caller vouches for; changes no register.
    unsafe { asm!("lock *(u32 *)({to} + 0) += {one}", to = in(reg) to, one = in(reg) 1_u64) };
}
