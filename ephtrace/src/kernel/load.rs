//! Loads the eBPF object, and loads, attaches and detaches its programs one by one.

use std::{cell::OnceCell, fs::File, io};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfLoader, VerifierLogLevel,
    programs::{CgroupAttachMode, Program, ProgramError},
};
use ephtrace_common::Settings;
use zerocopy::IntoBytes as _;

use super::{
    error::{AttachError, chain, errno, explain},
    failed_calls,
    maps::{self, Needs},
    object,
    programs::{Attachment, Programs},
    sites,
    support::Support,
};
use crate::host::clock::monotonic_ns;

/// Loads the object and its programs for `settings`, and attaches them. Also returns the time
/// before the first was attached, on the monotonic clock. An error includes the target that could
/// not be attached to, if any.
pub(super) fn load_and_attach_all(
    programs: &Programs,
    settings: &Settings,
    support: &Support,
    needs: Needs,
    log_level: u8,
) -> Result<(Ebpf, u64), (&'static str, AttachError)> {
    let mut ebpf = load(settings, needs, log_level).map_err(|error| ("", error))?;
    let began_ns = monotonic_ns().map_err(|error| {
        ("", AttachError::Unsupported(format!("the monotonic clock can't be read: {error}")))
    })?;
    let types = KernelTypes::default();
    for &attachment in programs.all() {
        match start_program(&mut ebpf, attachment, support, &types) {
            Ok(()) => {}
            Err(error) => match (&error, sites::unknown_without(attachment.to)) {
                (AttachError::Unsupported(why), Some(unknown)) => log::info!("{unknown}: {why}"),
                _ => return Err((attachment.to, error)),
            },
        }
    }
    Ok((ebpf, began_ns))
}

fn load(settings: &Settings, needs: Needs, log_level: u8) -> Result<Ebpf, AttachError> {
    let mut loader = EbpfLoader::new();
    // No BTF: the kernel half has no relocations against the kernel's types.
    loader
        .btf(None)
        .override_global("SETTINGS", settings.as_bytes(), true)
        .override_global("AYA_LOG_LEVEL", &log_level, true)
        .verifier_log_level(VerifierLogLevel::STATS);
    for map in maps::maps(needs, maps::possible_processors()) {
        loader.map_max_entries(map.name, map.entries);
    }
    loader.load(object::bytes()).map_err(|error| {
        let chain = chain(&error);
        match errno(&error) {
            Some(libc::EPERM) => AttachError::NotPermitted(format!(
                "the kernel refuses BPF maps ({chain}); run `sudo ephtrace`, and in a container \
                 grant CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (up to Linux 5.10, also \
                 CAP_SYS_RESOURCE or a higher `ulimit -l`)"
            )),
            Some(libc::EMFILE | libc::ENFILE) => AttachError::Unsupported(format!(
                "too many open files ({chain}); raise the limit (`ulimit -n 1024`)"
            )),
            Some(libc::ENOMEM) => AttachError::Unsupported(format!(
                "the kernel has no memory for the maps ({chain}); a smaller `--ring-size` needs \
                 less"
            )),
            _ => AttachError::Unsupported(format!(
                "the eBPF object can't be loaded ({chain}); Linux 5.10 or later is needed"
            )),
        }
    })
}

/// aya's own view of the kernel's types, read when the first program needs it: 40 ms, 20 MB.
#[derive(Default)]
struct KernelTypes(OnceCell<AyaBtf>);

impl KernelTypes {
    fn get(&self) -> Result<&AyaBtf, ProgramError> {
        if self.0.get().is_none() {
            let _ = self.0.set(AyaBtf::from_sys_fs()?);
        }
        self.0.get().ok_or(ProgramError::NotLoaded)
    }
}

/// Loads and attaches one program.
fn start_program(
    ebpf: &mut Ebpf,
    Attachment { program: name, to }: Attachment,
    support: &Support,
    types: &KernelTypes,
) -> Result<(), AttachError> {
    let program = ebpf.program_mut(name).ok_or_else(|| no_program(name))?;
    load_and_attach(program, to, support, types)
        .map_err(|error| explain(name, program, &error, support))
}

/// Loads a program on a function of a module, or attaches it (`is_there`) once the module is
/// loaded.
pub(super) fn start_late(
    ebpf: &mut Ebpf,
    Attachment { program: name, to }: Attachment,
    support: &Support,
    is_there: bool,
) -> Result<(), AttachError> {
    let program = ebpf.program_mut(name).ok_or_else(|| no_program(name))?;
    let started = match program {
        Program::KProbe(program) if is_there => program.attach(to, 0).map(drop),
        Program::KProbe(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    started.map_err(|error| explain(name, program, &error, support))
}

fn no_program(name: &str) -> AttachError {
    AttachError::Unsupported(format!("the eBPF object has no program {name}"))
}

fn root_cgroup(support: &Support) -> io::Result<File> {
    let root = support.cgroup2.as_ref().ok_or(io::ErrorKind::NotFound)?;
    root.root().try_clone()
}

fn load_and_attach(
    program: &mut Program,
    to: &str,
    support: &Support,
    types: &KernelTypes,
) -> Result<(), ProgramError> {
    match program {
        Program::FEntry(program) => {
            program.load(to, types.get()?)?;
            program.attach().map(drop)
        }
        Program::FExit(program) => {
            program.load(to, types.get()?)?;
            program.attach().map(drop)
        }
        Program::KProbe(program) => {
            program.load()?;
            program.attach(to, 0).map(drop)
        }
        Program::BtfTracePoint(program) => {
            program.load(to, types.get()?)?;
            program.attach().map(drop)
        }
        Program::RawTracePoint(program) => {
            program.load()?;
            program.attach(to).map(drop)
        }
        Program::TracePoint(program) => {
            program.load()?;
            program.attach(failed_calls::CATEGORY, to).map(drop)
        }
        // Each program has a link of its own, beside which others may attach theirs.
        Program::SockOps(program) => {
            program.load()?;
            program.attach(root_cgroup(support)?, CgroupAttachMode::Single).map(drop)
        }
        Program::CgroupSockAddr(program) => {
            program.load()?;
            program.attach(root_cgroup(support)?, CgroupAttachMode::Single).map(drop)
        }
        Program::CgroupSock(program) => {
            program.load()?;
            program.attach(root_cgroup(support)?, CgroupAttachMode::Single).map(drop)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Detaches and unloads the program `name`.
pub(super) fn unload(ebpf: &mut Ebpf, name: &str) {
    let Some(program) = ebpf.program_mut(name) else { return };
    let unloaded = match program {
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::KProbe(program) => program.unload(),
        Program::BtfTracePoint(program) => program.unload(),
        Program::RawTracePoint(program) => program.unload(),
        Program::TracePoint(program) => program.unload(),
        Program::SockOps(program) => program.unload(),
        Program::CgroupSockAddr(program) => program.unload(),
        Program::CgroupSock(program) => program.unload(),
        _ => return,
    };
    if let Err(error) = unloaded {
        log::warn!("can't detach {name}: {error}; the kernel removes it when ephtrace exits");
    }
}
