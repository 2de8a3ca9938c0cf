//! Other tools' programs on cgroups, beside ephtrace's: a program that holds a place of the root
//! cgroup for itself is named, and root is not asked for root's rights; all others are no
//! hindrance.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::libc;

use crate::{
    assign::Assign,
    cgroups::Containers,
    mounts::mount_points,
    setup::Scratch,
    skip::skip,
    tracer::{CONNECT_ONLY, Trace, Tracer, command},
};

tests! {
    once: who_holds_the_root_cgroup_is_named, who_holds_a_bind_is_named, others_are_no_hindrance,
        who_comes_later_is_told_of;
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;

/// A place on a cgroup, with its numbers of `linux/bpf.h`.
#[derive(Clone, Copy, Debug)]
struct Place {
    program_type: u32,
    attach_type: u32,
    name: &'static str,
}

const SOCK_OPS: Place = Place { program_type: 13, attach_type: 3, name: "sock_ops" };

const BINDS: [Place; 4] = [
    Place { program_type: 18, attach_type: 8, name: "cgroup_inet4_bind" },
    Place { program_type: 18, attach_type: 9, name: "cgroup_inet6_bind" },
    Place { program_type: 9, attach_type: 12, name: "cgroup_inet4_post_bind" },
    Place { program_type: 9, attach_type: 13, name: "cgroup_inet6_post_bind" },
];

/// Manner in which flags attach a program: alone; alone, but child cgroups may have another; or
/// beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Alone = 0,
    Override = 1,
    Multi = 2,
}

const MANNERS: [Manner; 3] = [Manner::Alone, Manner::Override, Manner::Multi];

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
    prog_ifindex: u32,
    expected_attach_type: u32,
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
    // SAFETY: the attributes are live and as large as said, and the memory that they point to lives
    // on.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        done.try_into().map_err(io::Error::other)
    }
}

/// Loads a program that does nothing.
fn load(place: Place) -> Result<OwnedFd> {
    // r0 = 1; exit
    let instructions: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
    let mut load = Load {
        prog_type: place.program_type,
        insn_cnt: 2,
        insns: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        prog_name: *b"somebody_else\0\0\0",
        expected_attach_type: if place.program_type == SOCK_OPS.program_type {
            0
        } else {
            place.attach_type
        },
        ..Load::default()
    };
    let fd = bpf(PROG_LOAD, &mut load)
        .with_context(|| format!("loading a program for {}", place.name))?;
    // SAFETY: the kernel has just made the descriptor, for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Another owner's program on a cgroup, until it is dropped.
struct Other {
    attach: Attach,
    _files: (OwnedFd, File),
}

impl Other {
    fn attach(cgroup: &Path, place: Place, manner: Manner) -> Result<io::Result<Self>> {
        let cgroup = File::open(cgroup)?;
        let program = load(place)?;
        let mut attach = Attach {
            target_fd: u32::try_from(cgroup.as_raw_fd())?,
            attach_bpf_fd: u32::try_from(program.as_raw_fd())?,
            attach_type: place.attach_type,
            attach_flags: manner as u32,
        };
        let attached = bpf(PROG_ATTACH, &mut attach);
        Ok(attached.map(|_| Self { attach, _files: (program, cgroup) }))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // The flags are those of the attachment.
        self.attach.attach_flags = 0;
        let _ = bpf(PROG_DETACH, &mut self.attach);
    }
}

fn root() -> Result<PathBuf> {
    mount_points("cgroup2")?.into_iter().next().context("no cgroup v2")
}

const TAKEN: &str = "programs of others are on the root cgroup";

fn who_holds_the_root_cgroup_is_named() -> Result<()> {
    for manner in [Manner::Alone, Manner::Override] {
        let Ok(other) = Other::attach(&root()?, SOCK_OPS, manner)? else { return skip(TAKEN) };
        let Output { status, stderr, .. } = command("sock_ops", &["--duration", "1s"]).output()?;
        drop(other);
        let said = String::from_utf8_lossy(&stderr);
        ensure!(status.code() == Some(1), "{manner:?}: {status}: {said}");
        ensure!(
            said.contains("(somebody_else) is attached exclusively to sock_ops of the root cgroup"),
            "{said}"
        );
        ensure!(!said.contains("run `sudo ephtrace`"), "{said}");
    }
    Ok(())
}

/// All but binds is traced then, and the reason for the missing binds is told.
fn who_holds_a_bind_is_named() -> Result<()> {
    // Each place once: an emulated guest takes seconds to attach.
    for (place, manner) in BINDS.into_iter().zip([Manner::Alone, Manner::Override].iter().cycle()) {
        let Ok(other) = Other::attach(&root()?, place, *manner)? else { return skip(TAKEN) };
        let args = ["--origin", "connect,bind,udp", "-v", "--duration", "10ms"];
        let Output { status, stderr, .. } = command("sock_ops", &args).output()?;
        drop(other);
        let said = String::from_utf8_lossy(&stderr);
        ensure!(status.success(), "{place:?}, {manner:?}: {status}: {said}");
        let held =
            format!("(somebody_else) is attached exclusively to {} of the root cgroup", place.name);
        ensure!(said.contains(&held), "{place:?}, {manner:?}: {said}");
        ensure!(!said.contains("run `sudo ephtrace`"), "{place:?}, {manner:?}: {said}");
    }
    Ok(())
}

/// Connects in a cgroup, and checks that `tracer` tells all of these connects.
fn all_told_in(scratch: &Scratch, tracer: Tracer, cgroup: &Path) -> Result<Trace> {
    let args = ["exhaust", "--wait", "--range", "40000-40099", "--attempts", "3"];
    let assign = Assign::start_named(scratch, "in-cgroup", &args)?;
    assign.move_to(cgroup)?;
    let truth = assign.truth()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    let told = trace.events.iter().filter(|e| e.comm.as_deref() == Some("in-cgroup")).count();
    ensure!(told == truth.len() && told > 0, "{told} of {} told", truth.len());
    Ok(trace)
}

fn others_are_no_hindrance() -> Result<()> {
    let containers = Containers::new()?;
    let below = &containers.0[0];
    let root = root()?;
    let beside = (root.as_path(), Manner::Multi);
    for (cgroup, manner) in
        MANNERS.map(|manner| (below.as_path(), manner)).into_iter().chain([beside])
    {
        let scratch = Scratch::new()?;
        let Ok(other) = Other::attach(cgroup, SOCK_OPS, manner)? else { return skip(TAKEN) };
        let tracer = Tracer::start(&scratch, "sock_ops", &CONNECT_ONLY)?;
        all_told_in(&scratch, tracer, below)
            .with_context(|| format!("{manner:?}, {}", cgroup.display()))?;
        drop(other);
    }
    Ok(())
}

/// While ephtrace is attached, only the root cgroup is closed to others, and only to those that
/// want it for themselves. This is unavoidable, and ephtrace says so.
fn who_comes_later_is_told_of() -> Result<()> {
    let containers = Containers::new()?;
    let below = &containers.0[0];
    for manner in MANNERS {
        let scratch = Scratch::new()?;
        let tracer = Tracer::start(&scratch, "sock_ops", &CONNECT_ONLY)?;
        let at_root = Other::attach(&root()?, SOCK_OPS, manner)?;
        ensure!(at_root.is_ok() == (manner == Manner::Multi), "{manner:?}: {:?}", at_root.err());
        let Ok(_other) = Other::attach(below, SOCK_OPS, manner)? else {
            bail!("{manner:?}: not below the root");
        };
        all_told_in(&scratch, tracer, below).with_context(|| format!("{manner:?}"))?;
    }
    let doctor = crate::setup::doctor()?;
    let hooks = doctor["hooks"].as_array().context("no hooks")?;
    let sock_ops = hooks.iter().find(|hook| hook["hook"] == "sock_ops").context("no sock_ops")?;
    let said = sock_ops.to_string();
    ensure!(said.contains("only with `multi`"), "{said}");
    Ok(())
}
