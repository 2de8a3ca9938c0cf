//! Attaches programs that do nothing to the hooks that ephtrace uses, until SIGINT or SIGTERM.
//!
//! Their cost is the floor: no tracer on these hooks can cost less. `cargo xtask bench
//! --instructions` measures it beside ephtrace.

use std::{
    fs::{self, File},
    io::Write as _,
};

use anyhow::{Context as _, Result};
use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, CgroupAttachMode, FEntry, FExit, KProbe, Program, SockOps},
};
use clap::{Parser, ValueEnum};
use nix::sys::signal::{SigSet, Signal};

/// Built by `build.rs` from `ephtrace-ebpf/src/bin/floor.rs`.
const OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor"));

const SEARCH: &str = "__inet_hash_connect";
const STATE_CHANGE: &str = "inet_sock_set_state";

/// Attach programs that do nothing, until SIGINT or SIGTERM
#[derive(Parser)]
#[command(name = "floor", version)]
struct Args {
    /// Where to
    #[arg(value_enum, required = true, num_args = 1..)]
    hooks: Vec<Hook>,
}

/// What a program that does nothing can be attached to.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Hook {
    /// The beginning of the search for a port.
    Fentry,
    /// The search's end.
    Fexit,
    /// The search's beginning, by a probe.
    Kprobe,
    /// The search's end, by a probe.
    Kretprobe,
    /// Each change of a socket's state, by a tracepoint with types.
    Tracepoint,
    /// The calls of TCP for the root cgroup.
    SockOps,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut ending = SigSet::empty();
    ending.add(Signal::SIGINT);
    ending.add(Signal::SIGTERM);
    ending.thread_block().context("cannot block signals")?;
    let btf = Btf::from_sys_fs().context("this kernel has no BTF")?;
    let mut object = EbpfLoader::new().load(OBJECT).context("cannot load the object")?;
    for hook in args.hooks {
        attach(&mut object, hook, &btf)?;
    }
    drop(btf);
    writeln!(std::io::stderr(), "floor: attached")?;
    ending.wait().context("cannot wait for a signal")?;
    Ok(())
}

/// Attaches programs to a hook; the links live as long as the object.
fn attach(object: &mut Ebpf, hook: Hook, btf: &Btf) -> Result<()> {
    match hook {
        Hook::Fentry => {
            let program: &mut FEntry = named(object, "floor_fentry")?.try_into()?;
            program.load(SEARCH, btf)?;
            program.attach()?;
        }
        Hook::Fexit => {
            let program: &mut FExit = named(object, "floor_fexit")?.try_into()?;
            program.load(SEARCH, btf)?;
            program.attach()?;
        }
        Hook::Kprobe => attach_probe(object, "floor_kprobe")?,
        Hook::Kretprobe => attach_probe(object, "floor_kretprobe")?,
        Hook::Tracepoint => {
            let program: &mut BtfTracePoint = named(object, "floor_state")?.try_into()?;
            program.load(STATE_CHANGE, btf)?;
            program.attach()?;
        }
        Hook::SockOps => {
            let root = root_cgroup()?;
            let program: &mut SockOps = named(object, "floor_sock_ops")?.try_into()?;
            program.load()?;
            // Even so, other tools can attach beside a link.
            program.attach(root, CgroupAttachMode::Single)?;
        }
    }
    Ok(())
}

fn attach_probe(object: &mut Ebpf, name: &str) -> Result<()> {
    let program: &mut KProbe = named(object, name)?.try_into()?;
    program.load()?;
    program.attach(SEARCH, 0)?;
    Ok(())
}

fn named<'object>(object: &'object mut Ebpf, name: &str) -> Result<&'object mut Program> {
    object.program_mut(name).with_context(|| format!("the object has no program {name}"))
}

/// Opens the mount point of cgroup v2.
fn root_cgroup() -> Result<File> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mount = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"));
    let path = mount.and_then(|fields| fields.get(1).copied()).context("no cgroup v2 mounted")?;
    File::open(path).with_context(|| format!("cannot open {path}"))
}
