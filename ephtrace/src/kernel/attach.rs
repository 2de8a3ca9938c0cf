//! Loads the eBPF half and attaches one hook, or says why not and what to do about it.

use std::{cell::OnceCell, fs::File, io, path::Path};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::{CgroupAttachMode, Program, ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported},
};
use aya_log::EbpfLogger;
use ephtrace_common::{Counter, Filter, Settings};
use log::Log;
use thiserror::Error;
use zerocopy::IntoBytes as _;

use super::{
    btf::Btf,
    config,
    cost::Cost,
    hooks::{self, Fit, Hook, Programs},
    object,
    offsets::{self, SEARCH},
    support::{LockdownUnknown, Support, VMLINUX},
    symbols,
};
use crate::event::hook_name;

/// Why a hook could not be used: the cause, and the next step.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The process may not load or attach programs.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// The kernel lacks something.
    #[error("{0}")]
    Unsupported(String),
    /// The verifier refused a program.
    #[error(
        "the kernel's verifier refused the program {program} ({error}); this is a bug in ephtrace: \
         please report it with the output of `ephtrace doctor -v`"
    )]
    Refused {
        /// Name of the program.
        program: &'static str,
        /// What the kernel returned.
        error: String,
        /// The verifier's own words.
        log: String,
    },
    /// No hook can be used.
    #[error("no hook can be used here:{0}\n`ephtrace doctor` says more")]
    NoHook(String),
}

/// The tracepoint of the hook `sock_ops`.
const STATE: &str = "inet_sock_set_state";

/// What to load with.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Which assignments to keep.
    pub filter: &'a Filter,
    /// Size of the ring buffer in bytes.
    pub ring_bytes: u32,
    /// Level of the kernel half's own log messages: 0 none … 5 trace.
    pub log_level: u8,
}

/// The loaded and attached kernel half. Dropping it detaches everything.
pub struct Tracer {
    /// How it is attached.
    pub hook: Hook,
    /// Hooks that would have been better, with the reason why each can't be used.
    pub passed_over: Vec<(Hook, String)>,
    /// `IP_LOCAL_PORT_RANGE` makes the search step by one on this kernel.
    pub own_range_steps_by_one: bool,
    programs: Programs,
    ebpf: Ebpf,
    /// Reads what the kernel half logs; only where that was asked for.
    logger: Option<EbpfLogger<&'static dyn Log>>,
    counters: PerCpuArray<MapData, u64>,
}

/// Values of the kernel side's counters, summed over all CPUs.
pub type Counts = [u64; Counter::COUNT as usize];

/// Attaches `wanted`, or the first hook of the table that works.
pub fn attach(
    wanted: Option<Hook>,
    support: &Support,
    options: &Options<'_>,
) -> Result<Tracer, AttachError> {
    check_rights(support)?;
    let btf = support.load_btf().map_err(AttachError::Unsupported)?;
    if let Some(hook) = wanted {
        return attach_one(hook, support, &btf, options);
    }
    let mut passed_over = Vec::new();
    for row in &hooks::HOOKS {
        match attach_one(row.hook, support, &btf, options) {
            Ok(mut tracer) => {
                tracer.passed_over = passed_over;
                return Ok(tracer);
            }
            Err(error) => {
                log::debug!("hook {}: {error:?}", hook_name(row.hook));
                passed_over.push((row.hook, error.to_string()));
            }
        }
    }
    let reasons = passed_over.iter().map(|(hook, why)| format!("\n  {}: {why}", hook_name(*hook)));
    Err(AttachError::NoHook(reasons.collect()))
}

/// Loads and attaches `hook`.
pub fn attach_one(
    hook: Hook,
    support: &Support,
    btf: &Btf,
    options: &Options<'_>,
) -> Result<Tracer, AttachError> {
    precheck(hook, support, btf)?;
    let mut settings = settings(hook, btf, options.filter)?;
    settings.features.has_spares = u32::from(support.is_preemptible && hook != Hook::Kprobe);
    // bpf_get_socket_cookie came to fexit programs with Linux 5.12: only a trial can tell.
    settings.features.cookie_in_tracing = u32::from(hook == Hook::Fentry);
    let mut ebpf = match load_and_attach_all(hook, &settings, support, options) {
        Err(AttachError::Refused { .. }) if hook == Hook::Fentry => {
            settings.features.cookie_in_tracing = 0;
            load_and_attach_all(hook, &settings, support, options)?
        }
        result => result?,
    };
    let counters = ebpf
        .take_map("COUNTERS")
        .and_then(|map| PerCpuArray::try_from(map).ok())
        .ok_or_else(|| AttachError::Unsupported("the eBPF object has no COUNTERS".into()))?;
    Ok(Tracer {
        hook,
        passed_over: Vec::new(),
        own_range_steps_by_one: offsets::own_range_steps_by_one(btf),
        programs: programs(hook, &settings),
        logger: if options.log_level > 0 { EbpfLogger::init(&mut ebpf).ok() } else { None },
        ebpf,
        counters,
    })
}

fn load_and_attach_all(
    hook: Hook,
    settings: &Settings,
    support: &Support,
    options: &Options<'_>,
) -> Result<Ebpf, AttachError> {
    let mut ebpf = load(settings, options)?;
    let types = KernelTypes::default();
    let Programs { ends, starts } = programs(hook, settings);
    for name in ends.iter().chain(starts) {
        start_program(&mut ebpf, name, support, &types)?;
    }
    Ok(ebpf)
}

fn programs(hook: Hook, settings: &Settings) -> Programs {
    let fit = Fit {
        arguments: settings.features.hash_connect_args,
        is_typed: Path::new(VMLINUX).exists(),
        is_preemptible: settings.features.has_spares != 0,
    };
    hooks::programs(hook, fit)
}

/// Rights that every hook needs.
pub fn check_rights(support: &Support) -> Result<(), AttachError> {
    if support.missing_rights.is_empty() {
        return Ok(());
    }
    let rights = support.missing_rights.join(", ");
    Err(AttachError::NotPermitted(format!("this process lacks {rights}; run `sudo ephtrace`")))
}

/// What can be told without a trial.
pub fn precheck(hook: Hook, support: &Support, btf: &Btf) -> Result<(), AttachError> {
    let unsupported = |why: String| Err(AttachError::Unsupported(why));
    match hook {
        Hook::Fentry => Support::check_search(btf).or_else(unsupported),
        Hook::Kprobe if !support.has_kprobes => unsupported(
            "this kernel has no kprobes; one built with CONFIG_KPROBES and CONFIG_PERF_EVENTS has"
                .into(),
        ),
        Hook::SockOps if support.cgroup2.is_none() => unsupported(
            "cgroup v2 is not mounted; `mount -t cgroup2 none /sys/fs/cgroup/unified`".into(),
        ),
        Hook::Kprobe | Hook::SockOps => Ok(()),
    }
}

fn settings(hook: Hook, btf: &Btf, filter: &Filter) -> Result<Settings, AttachError> {
    let offsets = offsets::offsets(btf).map_err(|e| AttachError::Unsupported(e.to_string()))?;
    let mut features = offsets::features(btf);
    features.ancestor_cgroup = u32::from(filter.cgroup_count > 0 && has_ancestor_helper());
    let has_search = hook != Hook::SockOps;
    Ok(Settings {
        filter: *filter,
        table_perturb: if has_search { symbols::table_perturb().unwrap_or(0) } else { 0 },
        table_mask: config::table_mask(),
        offsets,
        features,
    })
}

/// Whether tracing programs may ask for an ancestor cgroup's id (Linux 5.11 and later).
///
/// Asked of the kernel; an error means no. What raw tracepoints may call, the other kinds may too.
fn has_ancestor_helper() -> bool {
    let helper = BpfHelper::BPF_FUNC_get_current_ancestor_cgroup_id;
    is_helper_supported(ProgramType::RawTracePoint, helper).unwrap_or(false)
}

fn load(settings: &Settings, options: &Options<'_>) -> Result<Ebpf, AttachError> {
    let mut loader = EbpfLoader::new();
    // Not asked for anywhere: the kernel half has no relocations against the kernel's types.
    loader
        .btf(None)
        .override_global("SETTINGS", settings.as_bytes(), true)
        .override_global("AYA_LOG_LEVEL", &options.log_level, true)
        .map_max_entries("EVENTS", options.ring_bytes)
        .verifier_log_level(VerifierLogLevel::STATS);
    loader.load(object::bytes()).map_err(|error| {
        if errno(&error) == Some(libc::EPERM) {
            return AttachError::NotPermitted(format!(
                "the kernel refuses BPF maps ({}); run `sudo ephtrace`, and in a container give it \
                 CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN",
                chain(&error)
            ));
        }
        AttachError::Unsupported(format!(
            "the eBPF object can't be loaded ({}); Linux 5.10 or later is needed",
            chain(&error)
        ))
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
    name: &'static str,
    support: &Support,
    types: &KernelTypes,
) -> Result<(), AttachError> {
    let program = ebpf.program_mut(name).ok_or_else(|| {
        AttachError::Unsupported(format!("the eBPF object has no program {name}"))
    })?;
    load_and_attach(program, support, types)
        .map_err(|error| explain(name, program, &error, support))
}

fn load_and_attach(
    program: &mut Program,
    support: &Support,
    types: &KernelTypes,
) -> Result<(), ProgramError> {
    match program {
        Program::FEntry(program) => {
            program.load(SEARCH, types.get()?)?;
            program.attach().map(drop)
        }
        Program::FExit(program) => {
            program.load(SEARCH, types.get()?)?;
            program.attach().map(drop)
        }
        Program::KProbe(program) => {
            program.load()?;
            program.attach(SEARCH, 0).map(drop)
        }
        Program::BtfTracePoint(program) => {
            program.load(STATE, types.get()?)?;
            program.attach().map(drop)
        }
        Program::RawTracePoint(program) => {
            program.load()?;
            program.attach(STATE).map(drop)
        }
        Program::SockOps(program) => {
            program.load()?;
            let root = support.cgroup2.as_deref().unwrap_or(Path::new("/sys/fs/cgroup"));
            // A link of its own, beside which others may attach theirs.
            program.attach(File::open(root)?, CgroupAttachMode::Single).map(drop)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Puts the cause and the next step into words.
fn explain(
    name: &'static str,
    program: &Program,
    error: &ProgramError,
    support: &Support,
) -> AttachError {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        // A refusal by the verifier comes with its reason in the log, one by policy without.
        if io_error.raw_os_error() != Some(libc::EPERM) && !log.trim().is_empty() {
            return AttachError::Refused { program: name, error: io_error.to_string(), log };
        }
    }
    let errno = errno(error);
    let is_function = matches!(program, Program::FEntry(_) | Program::FExit(_));
    let lockdown = support.lockdown.clone();
    match (errno, lockdown) {
        (Some(libc::EPERM), Ok(Some(mode))) => AttachError::NotPermitted(format!(
            "kernel lockdown ({mode}) forbids it; boot with secure boot off or lockdown=none"
        )),
        (Some(libc::EPERM), Err(LockdownUnknown)) if is_function => AttachError::NotPermitted(
            "the kernel forbids tracing functions, most likely by lockdown; `mount -t securityfs \
             none /sys/kernel/security` lets `ephtrace doctor` see, booting with lockdown=none \
             changes it"
                .into(),
        ),
        (Some(libc::EPERM | libc::EACCES), _) => AttachError::NotPermitted(format!(
            "the kernel refuses {name}; run `sudo ephtrace` (security policy may forbid it too: \
             sysctl kernel.unprivileged_bpf_disabled, kernel.perf_event_paranoid, seccomp)"
        )),
        _ if is_function => AttachError::Unsupported(format!(
            "functions can't be traced by fentry here ({}); that needs CONFIG_FUNCTION_TRACER, \
             CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS and BTF",
            chain(error)
        )),
        _ => AttachError::Unsupported(format!("{name} can't be attached ({})", chain(error))),
    }
}

/// The errno at the bottom of `error`, if it has one.
fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        next = error.source();
    }
    None
}

/// `error` and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

impl Tracer {
    /// The ring buffer of records. `None` if it was taken before.
    pub fn take_ring(&mut self) -> Option<RingBuf<MapData>> {
        RingBuf::try_from(self.ebpf.take_map("EVENTS")?).ok()
    }

    /// Passes the kernel half's own messages on to the `log` crate.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Values of the counters.
    pub fn counts(&self) -> io::Result<Counts> {
        let mut counts = [0; Counter::COUNT as usize];
        for (counter, count) in Counter::ALL.iter().zip(&mut counts) {
            let per_cpu = self.counters.get(&(*counter as u32), 0).map_err(io::Error::other)?;
            *count = per_cpu.iter().sum();
        }
        Ok(counts)
    }

    /// The attached programs' totals, as far as the kernel counted them.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost {
            searches: self.counts().map_or(0, |counts| counts[Counter::Seen as usize]),
            ..Cost::default()
        };
        let Programs { ends, starts } = self.programs;
        for name in ends.iter().chain(starts) {
            let Some(Ok(info)) = self.ebpf.program(name).map(Program::info) else { continue };
            let run_time_ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
            cost.run_time_ns = cost.run_time_ns.saturating_add(run_time_ns);
            cost.runs = cost.runs.saturating_add(info.run_count());
        }
        cost
    }

    /// Detaches what sees a search begin. What is in flight may still end.
    pub fn detach_start(&mut self) {
        self.programs.starts.iter().for_each(|name| self.unload(name));
    }

    /// Detaches what sees a search end.
    pub fn detach_end(&mut self) {
        self.programs.ends.iter().for_each(|name| self.unload(name));
    }

    fn unload(&mut self, name: &str) {
        let Some(program) = self.ebpf.program_mut(name) else { return };
        let unloaded = match program {
            Program::FEntry(program) => program.unload(),
            Program::FExit(program) => program.unload(),
            Program::KProbe(program) => program.unload(),
            Program::BtfTracePoint(program) => program.unload(),
            Program::RawTracePoint(program) => program.unload(),
            Program::SockOps(program) => program.unload(),
            _ => return,
        };
        if let Err(error) = unloaded {
            log::warn!("{name} can't be detached: {error}; it goes when ephtrace ends");
        }
    }
}
