//! ephtrace's programs in the kernel.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};

use crate::{changed::Changed, wait};

/// Prefix of the names of ephtrace's programs.
const PREFIX: &[u8] = b"eph_";

/// Commands of bpf(2).
const BPF_PROG_GET_NEXT_ID: libc::c_int = 11;
const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;

/// The part of `union bpf_attr` that asks for ids: id, next id, flags.
#[derive(Default)]
#[repr(C)]
struct IdAttr {
    id: u32,
    next_id: u32,
    flags: u32,
}

/// The part of `union bpf_attr` that asks for information.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// `struct bpf_prog_info` up to the last field that we read. It is shorter on old kernels, which
/// leave the rest 0.
#[derive(Default)]
#[repr(C)]
struct ProgInfo {
    before_name: [u64; 8],
    name: [u8; 16],
    before_run_time: [u64; 14],
    run_time_ns: u64,
    run_count: u64,
    recursion_misses: u64,
}

/// Returns the ids of all programs in the kernel with a name of ephtrace's.
pub(crate) fn programs() -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    let mut attr = IdAttr::default();
    while bpf(BPF_PROG_GET_NEXT_ID, &mut attr).is_ok() {
        attr.id = attr.next_id;
        if info(attr.id)?.is_some_and(|info| info.name.starts_with(PREFIX)) {
            ids.insert(attr.id);
        }
    }
    match io::Error::last_os_error() {
        e if e.raw_os_error() == Some(libc::ENOENT) => Ok(ids),
        e => Err(e).context("listing BPF programs"),
    }
}

/// Returns how often the kernel skipped these programs because they were already running on that
/// processor: it may preempt one and let another task in. Linux 5.12 and later count it.
pub(crate) fn misses(programs: &BTreeSet<u32>) -> Result<u64> {
    let infos = programs.iter().map(|&id| info(id)).collect::<Result<Vec<_>>>()?;
    Ok(infos.iter().flatten().map(|info| info.recursion_misses).sum())
}

/// Makes the kernel measure how long programs run, until the value is dropped.
pub(crate) fn measured() -> Result<Changed> {
    Changed::to("/proc/sys/kernel/bpf_stats_enabled", "1")
}

/// Returns how long these programs ran, in nanoseconds, and how often, while the kernel measured.
pub(crate) fn run_time(programs: &BTreeSet<u32>) -> Result<(u64, u64)> {
    let infos = programs.iter().map(|&id| info(id)).collect::<Result<Vec<_>>>()?;
    let all = || infos.iter().flatten();
    Ok((all().map(|info| info.run_time_ns).sum(), all().map(|info| info.run_count).sum()))
}

/// Waits until the kernel has measured runs of these programs, and does so no more; returns what
/// [`run_time`] does then.
pub(crate) fn once_measured(programs: &BTreeSet<u32>) -> Result<(u64, u64)> {
    /// Number of equal looks in a row that show the end of a measurement.
    const STEADY: u32 = 40;
    let (mut last, mut equal) = ((0, 0), 0);
    wait::until("a measurement of the programs", || {
        let now = run_time(programs)?;
        equal = if now == last { equal + 1 } else { 0 };
        last = now;
        Ok((now.1 > 0 && equal >= STEADY).then_some(now))
    })
}

/// Returns the kernel's information about a program; `None` if it is gone.
fn info(id: u32) -> Result<Option<ProgInfo>> {
    let mut attr = IdAttr { id, ..IdAttr::default() };
    let fd = match bpf(BPF_PROG_GET_FD_BY_ID, &mut attr) {
        // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
        Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(e) => return Err(e).context("opening a BPF program"),
    };
    let mut info = ProgInfo::default();
    let mut attr = InfoAttr {
        fd: fd.as_raw_fd().cast_unsigned(),
        len: u32::try_from(size_of::<ProgInfo>())?,
        info: (&raw mut info).expose_provenance() as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr).context("asking for a BPF program's name")?;
    Ok(Some(info))
}

fn bpf<T>(command: libc::c_int, attr: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: `attr` and the memory that it points to outlive the call, and its size is passed
    // along.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<T>()) };
    libc::c_int::try_from(result).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)
}
