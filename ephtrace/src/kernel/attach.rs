//! Loads the eBPF half and attaches one hook, or says why not and what to do about it.

use std::{cell::OnceCell, fs::File, io, path::Path};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfLoader, VerifierLogLevel,
    maps::PerCpuArray,
    programs::{CgroupAttachMode, Program, ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported},
};
use aya_log::EbpfLogger;
use ephtrace_common::{Filter, Offsets, Settings, totals::mode as totals_mode};
use zerocopy::IntoBytes as _;

use super::{
    btf::Btf,
    config,
    error::{AttachError, chain, errno, explain},
    hooks::{self, Attachment, Fit, Hook, Programs, Site},
    object, offsets,
    support::{Support, VMLINUX},
    symbols, totals,
    tracer::{Missed, Tracer},
};
use crate::model::hook_name;

/// What to load with.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Which assignments to keep.
    pub filter: &'a Filter,
    /// Size of the ring buffer in bytes.
    pub ring_bytes: u32,
    /// What becomes of totals.
    pub totals: Totals,
    /// Level of the kernel half's own log messages: 0 none … 5 trace.
    pub log_level: u8,
}

/// What the kernel half adds up itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Totals {
    /// Nothing.
    Off,
    /// What finds no room in the ring buffer.
    Fallback,
    /// All; nothing goes to the ring buffer. So many rows, or as many as the memory bound allows.
    Only(Option<u32>),
}

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
    precheck(hook, support)?;
    let (mut sites, mut unseen) = sites(hook, support, btf, options.filter.origins)?;
    let mut settings = settings(hook, btf, options)?;
    settings.features.has_spares = u32::from(support.is_preemptible && hook != Hook::Kprobe);
    // bpf_get_socket_cookie came to fexit programs with Linux 5.12: only a trial can tell.
    settings.features.cookie_in_tracing = u32::from(hook == Hook::Fentry);
    let (programs, mut ebpf) = loop {
        let programs = programs(hook, &sites, &settings);
        let asks_cookie = settings.features.cookie_in_tracing != 0;
        match load_and_attach_all(&programs, &settings, support, options) {
            Ok(ebpf) => break (programs, ebpf),
            Err((_, AttachError::Refused { .. })) if asks_cookie => {
                settings.features.cookie_in_tracing = 0;
            }
            Err((to, error)) => unseen.push(give_up(&mut sites, to, error)?),
        }
    };
    let counters = ebpf
        .take_map("COUNTERS")
        .and_then(|map| PerCpuArray::try_from(map).ok())
        .ok_or_else(|| AttachError::Unsupported("the eBPF object has no COUNTERS".into()))?;
    let mut tracer = Tracer {
        hook,
        passed_over: Vec::new(),
        own_range_steps_by_one: settings.features.own_range_by_one != 0,
        unseen,
        seen_in_part: sites
            .iter()
            .filter_map(|&site| Some((site, blind_spot(hook, site)?)))
            .collect(),
        programs,
        logger: if options.log_level > 0 { EbpfLogger::init(&mut ebpf).ok() } else { None },
        ebpf,
        waiting: None,
        counters,
        missed: Missed::Counting { before: 0 },
    };
    if sites.contains(&Site::Sctp)
        && let Err(error) = tracer.add_module(support)
    {
        let unseen = give_up(&mut sites, Site::Sctp.function(), error)?;
        tracer.unseen.push(unseen);
    }
    Ok(tracer)
}

/// Goes on without the function `to`, unless it is the one that matters most, or the only one.
fn give_up(
    sites: &mut Vec<Site>,
    to: &str,
    error: AttachError,
) -> Result<(Site, String), AttachError> {
    let can_miss = |site: &Site| *site != Site::Connect && site.function() == to;
    match sites.iter().position(can_miss) {
        Some(index) if sites.len() > 1 => Ok((sites.remove(index), error.to_string())),
        _ => Err(error),
    }
}

/// Functions that a hook can't see, with the reason.
pub type Unseen = Vec<(Site, String)>;

/// The functions that `hook` is to see for `origins`, and those that it can't.
fn sites(
    hook: Hook,
    support: &Support,
    btf: &Btf,
    origins: u32,
) -> Result<(Vec<Site>, Unseen), AttachError> {
    let (mut seen, mut unseen) = (Vec::new(), Vec::new());
    for site in Site::ALL.into_iter().filter(|site| site.is_wanted(origins)) {
        match check_site(hook, site, support, btf) {
            Ok(()) => seen.push(site),
            Err(why) => unseen.push((site, why)),
        }
    }
    match unseen.first() {
        Some((_, why)) if seen.is_empty() => Err(AttachError::Unsupported(why.clone())),
        _ => Ok((seen, unseen)),
    }
}

/// Whether `hook` can see what `site` assigns, as far as can be told without a trial.
pub fn check_site(hook: Hook, site: Site, support: &Support, btf: &Btf) -> Result<(), String> {
    if hook == Hook::SockOps {
        return match site {
            Site::Ping => Err("no program on a cgroup sees ping sockets".into()),
            Site::Sctp => Err("no program on a cgroup sees SCTP sockets".into()),
            _ => Ok(()),
        };
    }
    if site == Site::Sctp {
        // In no BTF that ephtrace reads, and maybe not in the kernel yet.
        let why = "functions of the module sctp take kprobes, which this kernel has not";
        return if support.has_kprobes { Ok(()) } else { Err(why.into()) };
    }
    let function = site.function();
    match btf.function(function) {
        Some(f) if site.arguments().contains(&f.params.len()) => Ok(()),
        Some(f) => Err(format!(
            "{function} takes {} arguments in this kernel, which ephtrace does not know",
            f.params.len()
        )),
        None => Err(format!("{function} is not in the kernel's BTF")),
    }
}

/// What `hook` misses of `site`, although it sees it.
pub fn blind_spot(hook: Hook, site: Site) -> Option<&'static str> {
    match (hook, site) {
        (Hook::SockOps, Site::Bind) => Some("one that fails is not seen"),
        (Hook::SockOps, Site::Udp) => Some(
            "only bind to port 0, and only if it succeeds; not connect and send on an unbound socket",
        ),
        _ => None,
    }
}

/// An error comes with what could not be attached to, if it was that.
fn load_and_attach_all(
    programs: &Programs,
    settings: &Settings,
    support: &Support,
    options: &Options<'_>,
) -> Result<Ebpf, (&'static str, AttachError)> {
    let mut ebpf = load(settings, options).map_err(|error| ("", error))?;
    let types = KernelTypes::default();
    for &attachment in programs.all() {
        match start_program(&mut ebpf, attachment, support, &types) {
            Ok(()) => {}
            Err(error) => match (&error, hooks::unknown_without(attachment.to)) {
                (AttachError::Unsupported(why), Some(unknown)) => log::info!("{unknown}: {why}"),
                _ => return Err((attachment.to, error)),
            },
        }
    }
    Ok(ebpf)
}

fn programs(hook: Hook, sites: &[Site], settings: &Settings) -> Programs {
    let fit = Fit {
        arguments: settings.features.hash_connect_args,
        is_typed: Path::new(VMLINUX).exists(),
        is_preemptible: settings.features.has_spares != 0,
        has_mptcp: settings.offsets.subflow_conn != Offsets::ABSENT,
    };
    hooks::programs(hook, sites, fit)
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
pub fn precheck(hook: Hook, support: &Support) -> Result<(), AttachError> {
    let unsupported = |why: String| Err(AttachError::Unsupported(why));
    match hook {
        Hook::Kprobe if !support.has_kprobes => unsupported(
            "this kernel has no kprobes; one built with CONFIG_KPROBES and CONFIG_PERF_EVENTS has"
                .into(),
        ),
        Hook::SockOps if support.cgroup2.is_none() => unsupported(
            "cgroup v2 is not mounted; `mount -t cgroup2 none /sys/fs/cgroup/unified`".into(),
        ),
        Hook::Fentry | Hook::Kprobe | Hook::SockOps => Ok(()),
    }
}

fn settings(hook: Hook, btf: &Btf, options: &Options<'_>) -> Result<Settings, AttachError> {
    let filter = options.filter;
    let offsets = offsets::offsets(btf).map_err(|e| AttachError::Unsupported(e.to_string()))?;
    let mut features = offsets::features(btf);
    features.ancestor_cgroup = u32::from(filter.cgroup_count > 0 && has_ancestor_helper());
    let has_search = hook != Hook::SockOps;
    let table_perturb = if has_search { symbols::table_perturb() } else { None };
    Ok(Settings {
        filter: *filter,
        table_perturb: table_perturb.unwrap_or(0),
        // The configuration takes some time to unpack, and without the table nobody asks for it.
        table_mask: table_perturb.map_or(0, |_| config::table_mask()),
        offsets,
        features,
        totals: mode(options.totals),
    })
}

fn mode(totals: Totals) -> u32 {
    match totals {
        Totals::Off => totals_mode::OFF,
        Totals::Fallback => totals_mode::FALLBACK,
        Totals::Only(_) => totals_mode::ONLY,
    }
}

/// Whether tracing programs may ask for an ancestor cgroup's id (Linux 5.11 and later).
///
/// Asked of the kernel; an error means no. What raw tracepoints may call, the other kinds may too.
fn has_ancestor_helper() -> bool {
    let helper = BpfHelper::BPF_FUNC_get_current_ancestor_cgroup_id;
    is_helper_supported(ProgramType::RawTracePoint, helper).unwrap_or(false)
}

fn load(settings: &Settings, options: &Options<'_>) -> Result<Ebpf, AttachError> {
    let rows = totals::rows(options.totals);
    let mut loader = EbpfLoader::new();
    // Not asked for anywhere: the kernel half has no relocations against the kernel's types.
    loader
        .btf(None)
        .override_global("SETTINGS", settings.as_bytes(), true)
        .override_global("AYA_LOG_LEVEL", &options.log_level, true)
        .map_max_entries("EVENTS", options.ring_bytes)
        .map_max_entries(totals::MAPS[0], rows)
        .map_max_entries(totals::MAPS[1], rows)
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
    Attachment { program: name, to }: Attachment,
    support: &Support,
    types: &KernelTypes,
) -> Result<(), AttachError> {
    let program = ebpf.program_mut(name).ok_or_else(|| no_program(name))?;
    load_and_attach(program, to, support, types)
        .map_err(|error| explain(name, program, &error, support))
}

/// Loads a program on a function of a module, or attaches it (`is_there`) once that is loaded.
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
    File::open(support.cgroup2.as_deref().unwrap_or(Path::new("/sys/fs/cgroup")))
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
        // A link of its own each, beside which others may attach theirs.
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
