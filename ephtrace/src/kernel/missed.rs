//! How often the kernel left a program out because the same program was being run on that processor:
//! it may interrupt one and let another task in, whose search is then not seen at all.
//!
//! The kernel counts it (`recursion_misses` of `bpf_prog_info`, Linux 5.12); aya does not read it.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::programs::Program;

const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;

/// What `BPF_OBJ_GET_INFO_BY_FD` takes, of `union bpf_attr`.
#[repr(C)]
struct Request {
    fd: libc::c_int,
    info_len: u32,
    info: u64,
}

/// `struct bpf_prog_info` up to `recursion_misses`; kernels that know less leave the rest alone.
#[derive(Default)]
#[repr(C)]
struct ProgramInfo {
    before: [u64; 26],
    recursion_misses: u64,
}

/// Calls of `program` that the kernel left out so far; 0 where it does not count them.
pub(super) fn missed(program: &Program) -> io::Result<u64> {
    let fd = program.fd().map_err(io::Error::other)?;
    let mut info = ProgramInfo::default();
    let request = Request {
        fd: fd.as_fd().as_raw_fd(),
        info_len: u32::try_from(size_of::<ProgramInfo>()).map_err(io::Error::other)?,
        info: (&raw mut info) as u64,
    };
    let mut attr = MaybeUninit::new(request);
    // SAFETY: bpf(2) reads as many bytes of `attr` as said and writes at most `info_len` bytes to
    // `info`; both live until it returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET_INFO_BY_FD,
            attr.as_mut_ptr(),
            size_of::<Request>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(info.recursion_misses) }
}
