//! Every read of kernel memory.
//!
//! There are two ways: a direct load through a pointer whose type the verifier knows (fentry and
//! fexit arguments; 9 ns), and `bpf_probe_read_kernel` through any address (32 ns). A constant of
//! the hook decides which one it may use, so each program contains only one of them.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;

/// Reads the `T` at `base + offset` by `bpf_probe_read_kernel`: safe for any address.
#[inline(always)]
pub(crate) fn probe<T: Copy>(base: *const u8, offset: u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let from = base.wrapping_add(offset as usize).cast::<c_void>();
    // SAFETY: the destination is on the stack and has the given size; the helper checks the source
    // address and fills the destination in every case, with zeroes on failure.
    let result =
        unsafe { bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from) };
    if result == 0 {
        // SAFETY: the helper has filled it, and callers read integers and arrays of them only.
        Some(unsafe { value.assume_init() })
    } else {
        None
    }
}

/// Reads the `T` at `base + offset`; with `TRUSTED`, the verifier knows the type behind `base`.
#[inline(always)]
pub(crate) fn field<T: Copy, const TRUSTED: bool>(base: *const u8, offset: u32) -> Option<T> {
    if TRUSTED {
        let from = base.wrapping_add(offset as usize).cast::<T>();
        // SAFETY: the verifier allows the load only inside the structure that `base` points to, and
        // a fault (freed memory) reads as zero. Volatile keeps LLVM from merging loads across
        // fields, which the verifier refuses.
        Some(unsafe { from.read_volatile() })
    } else {
        probe(base, offset)
    }
}
