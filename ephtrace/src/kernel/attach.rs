//! Attaches one hook, or explains why it can't be, and the remedy.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
};

use aya::{
    Ebpf,
    maps::{Array, PerCpuArray},
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported},
};
use aya_log::EbpfLogger;
use ephtrace_common::{Features, Filter as WireFilter, Hook, Offsets, Origin, Settings};

use super::{
    btf::Btf,
    config,
    error::AttachError,
    failed_calls::{self, FailedCalls},
    filter::{origin_bit, to_wire},
    hooks,
    load::load_and_attach_all,
    maps::{self, Needs},
    offsets,
    options::Options,
    preflight,
    programs::{self, Binds, Fit, Programs},
    self_test::SelfTest,
    sites::{self, Site, Unseen},
    support::{Support, VMLINUX},
    symbols,
    tracer::{Missed, Tracer},
    unnoticed::LeftOut,
};
use crate::host::pid_namespace;

/// Attaches `wanted`, or the first hook of the table that works.
pub fn attach(
    wanted: Option<Hook>,
    support: &Support,
    options: &Options<'_>,
) -> Result<Tracer, AttachError> {
    preflight::check_rights(support)?;
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
                log::debug!("hook {}: {error:?}", row.hook.name());
                passed_over.push((row.hook, error.to_string()));
            }
        }
    }
    let reasons = passed_over.iter().map(|(hook, why)| format!("\n  {}: {why}", hook.name()));
    Err(AttachError::NoHook(reasons.collect()))
}

/// Loads and attaches `hook`.
pub fn attach_one(
    hook: Hook,
    support: &Support,
    btf: &Btf,
    options: &Options<'_>,
) -> Result<Tracer, AttachError> {
    preflight::check_rights(support)?;
    preflight::check_hook(hook, support)?;
    let filter = to_wire(options.filter)?;
    let (sites, unseen) = preflight::divide(hook, support, btf, filter.origins)?;
    let table = (hook != Hook::SockOps).then(symbols::table_perturb);
    let address = table.and_then(Result::ok);
    let settings = settings(hook, support, btf, &filter, options, address)?;
    let needs = needs(hook, &settings, options);
    let failed_calls = failed_calls::offered(hook, btf, &settings.offsets);
    let mut plan = Plan { hook, settings, sites, unseen, failed_calls, no_binds: None };
    let (programs, ebpf, began_ns) = plan.carry_out(support, needs, options.log_level)?;
    let Plan { settings, mut sites, unseen, failed_calls, no_binds, .. } = plan;
    let mut tracer = tracer(hook, &sites, programs, ebpf, &settings.filter, options)?;
    tracer.began_ns = began_ns;
    tracer.left_out = LeftOut::of_probes(hook, support);
    tracer.own_range_steps_by_one = offsets::own_range_steps_by_one(btf);
    tracer.has_large_table = address.is_some();
    tracer.map_bytes = maps::bytes(needs);
    tracer.unseen = unseen;
    tracer.failed_calls = failed_calls;
    tracer.no_table = table.and_then(Result::err);
    for site in sites.clone() {
        if sites::row(site).module.is_some()
            && let Err(error) = tracer.add_module(site, support)
        {
            tracer.unseen.push(give_up(&mut sites, sites::row(site).function, error)?);
        }
    }
    prove(&mut tracer, &mut sites)?;
    let seen_in_part = |site| match &no_binds {
        Some(why) if site == Site::Bind => Some((site, why.clone())),
        _ => Some((site, failed_calls::misses(hook, site, failed_calls)?)),
    };
    tracer.seen_in_part = sites.into_iter().filter_map(seen_in_part).collect();
    tracer.no_binds = no_binds;
    Ok(tracer)
}

/// Programs to attach: fewer after each refusal by the kernel.
struct Plan {
    hook: Hook,
    settings: Settings,
    sites: Vec<Site>,
    unseen: Unseen,
    failed_calls: FailedCalls,
    /// Reason why programs on the root cgroup can't see `bind()`.
    no_binds: Option<String>,
}

impl Plan {
    /// Loads and attaches everything that the kernel accepts. Also returns the time before the
    /// first program was attached, on the monotonic clock.
    fn carry_out(
        &mut self,
        support: &Support,
        needs: Needs,
        log_level: u8,
    ) -> Result<(Programs, Ebpf, u64), AttachError> {
        loop {
            failed_calls::set(&mut self.settings.features, self.failed_calls);
            let binds = if self.no_binds.is_none() { Binds::Free } else { Binds::Held };
            let fit = fit(&self.settings, self.failed_calls, binds);
            let programs = programs::programs(self.hook, &self.sites, fit);
            match load_and_attach_all(&programs, &self.settings, support, needs, log_level) {
                Ok((ebpf, began_ns)) => return Ok((programs, ebpf, began_ns)),
                Err((to, error)) => self.go_without(to, error)?,
            }
        }
    }

    /// Continues without the programs that could not be attached to `to`, if possible.
    fn go_without(&mut self, to: &'static str, error: AttachError) -> Result<(), AttachError> {
        let features = &mut self.settings.features;
        let is_refused = matches!(error, AttachError::Refused { .. });
        if is_refused && (features.typed_task, features.typed_tcp) != (0, 0) {
            (features.typed_task, features.typed_tcp) = (0, 0);
        } else if is_refused && features.cookie_in_tracing != 0 {
            features.cookie_in_tracing = 0;
        } else if let Some(rest) = failed_calls::without(self.failed_calls, to) {
            log::info!("{to}: {error}");
            self.failed_calls = rest;
        } else if to == programs::BINDS {
            self.go_without_binds(error)?;
        } else {
            self.unseen.push(give_up(&mut self.sites, to, error)?);
        }
        Ok(())
    }

    /// Continues without `bind()`: the root cgroup accepts no programs that see it.
    fn go_without_binds(&mut self, error: AttachError) -> Result<(), AttachError> {
        let origins = &mut self.settings.filter.origins;
        *origins &= !(origin_bit(Origin::Bind) | origin_bit(Origin::Udp));
        let connects = *origins;
        // A port that a program names in bind() is not seen either.
        let listens = *origins & !origin_bit(Origin::Explicit);
        let is_left = |site: &Site| {
            let wanted = if *site == Site::Connect { connects } else { listens };
            sites::row(*site).sock_ops.by_state && sites::row(*site).is_wanted(wanted)
        };
        let (left, gone): (Vec<_>, Vec<_>) = self.sites.iter().partition(|site| is_left(site));
        if left.is_empty() {
            return Err(error);
        }
        let why = format!("bind() is not seen: {error}");
        self.unseen.extend(gone.into_iter().map(|site| (site, why.clone())));
        (self.sites, self.no_binds) = (left, Some(why));
        self.failed_calls =
            FailedCalls { bind: false, connect: false, send: false, ..self.failed_calls };
        Ok(())
    }
}

/// Continues without the sites that the hook proves not to see, if possible.
fn prove(tracer: &mut Tracer, sites: &mut Vec<Site>) -> Result<(), AttachError> {
    let blind = tracer.self_test.run();
    for (site, why) in &blind {
        let function = sites::row(*site).function;
        let error = AttachError::Blind { function, why: why.clone() };
        tracer.unseen.push(give_up(sites, function, error)?);
    }
    tracer.self_test.forget(&blind);
    Ok(())
}

fn tracer(
    hook: Hook,
    sites: &[Site],
    programs: Programs,
    mut ebpf: Ebpf,
    filter: &WireFilter,
    options: &Options<'_>,
) -> Result<Tracer, AttachError> {
    let counters = ebpf
        .take_map("COUNTERS")
        .and_then(|map| PerCpuArray::try_from(map).ok())
        .ok_or_else(|| AttachError::Unsupported("the eBPF object has no COUNTERS".into()))?;
    let last = ebpf
        .take_map("SELF_TEST")
        .and_then(|map| Array::try_from(map).ok())
        .ok_or_else(|| AttachError::Unsupported("the eBPF object has no SELF_TEST".into()))?;
    Ok(Tracer {
        hook,
        began_ns: 0,
        passed_over: Vec::new(),
        own_range_steps_by_one: None,
        has_large_table: false,
        map_bytes: 0,
        no_table: None,
        no_binds: None,
        unseen: Vec::new(),
        seen_in_part: Vec::new(),
        failed_calls: FailedCalls::ALL,
        programs,
        logger: if options.log_level > 0 { EbpfLogger::init(&mut ebpf).ok() } else { None },
        ebpf,
        awaited: Vec::new(),
        counters,
        missed: Missed::Counting { before: 0, ends_alone: 0 },
        left_out: LeftOut::Nothing,
        self_test: SelfTest::new(last, hook, sites, filter.origins),
    })
}

/// Continues without the function `to`, unless it is the most important one, or the only one.
fn give_up(
    sites: &mut Vec<Site>,
    to: &str,
    error: AttachError,
) -> Result<(Site, String), AttachError> {
    let can_miss = |site: &Site| *site != Site::Connect && sites::row(*site).function == to;
    match sites.iter().position(can_miss) {
        Some(index) if sites.len() > 1 => Ok((sites.remove(index), error.to_string())),
        Some(_) | None => Err(error),
    }
}

fn needs(hook: Hook, settings: &Settings, options: &Options<'_>) -> Needs {
    Needs {
        ring_bytes: options.ring_bytes,
        totals: options.totals,
        has_words: settings.table_perturb != 0,
        has_mptcp: hook != Hook::SockOps && settings.offsets.subflow_conn != Offsets::ABSENT,
        has_log: options.log_level > 0,
    }
}

fn fit(settings: &Settings, failed_calls: FailedCalls, binds: Binds) -> Fit {
    Fit {
        arguments: settings.features.hash_connect_args,
        is_typed: Path::new(VMLINUX).exists(),
        attach_twice: settings.features.attach_twice != 0,
        has_mptcp: settings.offsets.subflow_conn != Offsets::ABSENT,
        binds,
        failed_calls,
    }
}

fn settings(
    hook: Hook,
    support: &Support,
    btf: &Btf,
    filter: &WireFilter,
    options: &Options<'_>,
    table_perturb: Option<u64>,
) -> Result<Settings, AttachError> {
    let offsets = offsets::offsets(btf).map_err(|e| AttachError::Unsupported(e.to_string()))?;
    Ok(Settings {
        filter: *filter,
        table_perturb: table_perturb.unwrap_or(0),
        // Only the table needs the configuration, which takes time to unpack.
        table_mask: table_perturb.map_or(0, |_| config::table_mask()),
        offsets,
        features: Features {
            ancestor_cgroup: u32::from(filter.cgroup_count > 0 && has_ancestor_helper()),
            attach_twice: u32::from(support.is_preemptible && hook != Hook::Kprobe),
            // bpf_get_socket_cookie came to fexit programs with Linux 5.12: only a trial shows it.
            cookie_in_tracing: u32::from(hook == Hook::Fentry),
            ..offsets::features(btf)
        },
        totals: options.totals.mode(),
        own_pid: pid_namespace::own_pid(Path::new("/proc")),
        pid_namespace: pid_namespace::told(Path::new("/proc")),
        ring_bits: options.ring_bytes.ilog2(),
        salt: salt(),
    })
}

/// Returns a random number.
fn salt() -> u32 {
    // The standard library's hashes are keyed at random.
    u32::try_from(RandomState::new().hash_one(0) >> u32::BITS).unwrap_or(0)
}

/// Returns whether tracing programs may ask for an ancestor cgroup's id (Linux 5.11 and later).
///
/// The kernel is asked; an error means no. Other tracing programs may call the helpers of raw
/// tracepoints.
fn has_ancestor_helper() -> bool {
    let helper = BpfHelper::BPF_FUNC_get_current_ancestor_cgroup_id;
    is_helper_supported(ProgramType::RawTracePoint, helper).unwrap_or(false)
}
