//! A sock_ops program of somebody else that lets no other attach: ephtrace names it, and does not
//! ask root for the rights of root.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::Output,
};

use anyhow::{Context as _, Result, ensure};
use nix::libc;

use crate::{skip::skip, tracer::command};

tests! {
    once: who_holds_the_root_cgroup_is_named;
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;

/// `BPF_PROG_TYPE_SOCK_OPS` and `BPF_CGROUP_SOCK_OPS` (linux/bpf.h).
const SOCK_OPS_TYPE: u32 = 13;
const SOCK_OPS: u32 = 3;

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

/// The part of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the kernel's names")]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: the attributes are live and as large as said, and what they point to lives on.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        done.try_into().map_err(io::Error::other)
    }
}

/// A program that does nothing.
fn load() -> Result<OwnedFd> {
    // r0 = 1; exit
    let instructions: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
    let mut load = Load {
        prog_type: SOCK_OPS_TYPE,
        insn_cnt: 2,
        insns: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        prog_name: *b"somebody_else\0\0\0",
        ..Load::default()
    };
    let fd = bpf(PROG_LOAD, &mut load).context("loading a sock_ops program")?;
    // SAFETY: the kernel has just made it, for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The only program on the root cgroup, until it is dropped.
struct Alone {
    attach: Attach,
    _files: (OwnedFd, File),
}

impl Alone {
    fn new() -> Result<Option<Self>> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mount = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            words.next().filter(|_| words.next() == Some("cgroup2"))
        });
        let cgroup = File::open(mount.context("no cgroup v2")?)?;
        let program = load()?;
        let mut attach = Attach {
            target_fd: u32::try_from(cgroup.as_raw_fd())?,
            attach_bpf_fd: u32::try_from(program.as_raw_fd())?,
            attach_type: SOCK_OPS,
            attach_flags: 0,
        };
        match bpf(PROG_ATTACH, &mut attach) {
            Ok(_) => Ok(Some(Self { attach, _files: (program, cgroup) })),
            Err(_) => Ok(None),
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = bpf(PROG_DETACH, &mut self.attach);
    }
}

fn who_holds_the_root_cgroup_is_named() -> Result<()> {
    let Some(alone) = Alone::new()? else {
        return skip("programs of others are on the root cgroup");
    };
    let Output { status, stderr, .. } = command("sock_ops", &["--duration", "1s"]).output()?;
    drop(alone);
    let said = String::from_utf8_lossy(&stderr);
    ensure!(status.code() == Some(1), "{status}: {said}");
    ensure!(said.contains("(somebody_else) holds sock_ops of the root cgroup"), "{said}");
    ensure!(!said.contains("run `sudo ephtrace`"), "{said}");
    Ok(())
}
