//! `ephtrace doctor`: what this kernel and user allow, the reasons for the rest, and remedies.
//!
//! With sufficient rights, each hook is really tried: loaded, attached, detached. Without them,
//! doctor reports only what can be read, and the rest is unknown.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use serde::Serialize;

use super::settings::all_origins;
use crate::{
    cli::DoctorArgs,
    host::{
        hidden,
        rights::{self, Rights, TO_ATTACH},
    },
    kernel::{
        attach,
        btf::Btf,
        error::AttachError,
        generation::Generation,
        hooks::{HOOKS, HookRow},
        module,
        options::{Options, TotalsMode},
        preflight,
        sites::{self, SITES, Site, Unseen},
        support::Support,
        symbols::{self, NoTable},
    },
    model::{Filter, Hook, Origin, escape::shown},
    output::{Kind, write_object},
    pipeline::rights::{is_memory_locked, look_only},
};

mod memory;
mod right_report;
mod test_report;

use self::{memory::KernelMemory, right_report::RightReport, test_report::TestReport};

/// Ring buffer of a trial, which needs no room for events: one page.
const TRIAL_RING_BYTES: u32 = 4096;

/// All results of doctor.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Diagnosis"))]
pub struct Report {
    /// Version of ephtrace.
    pub version: &'static str,
    /// `uname -r`.
    pub kernel: String,
    /// Effective user id is 0.
    pub root: bool,
    /// Capabilities that are missing.
    pub missing_rights: Vec<&'static str>,
    /// Each capability that ephtrace uses.
    pub rights: Vec<RightReport>,
    /// Active lockdown mode; null if off, or if it can't be read.
    pub lockdown: Option<String>,
    /// True if `lockdown` could be read.
    pub lockdown_known: bool,
    /// The BTF file, if it can be used.
    pub btf: Option<String>,
    /// Why the BTF can't be used.
    pub btf_problem: Option<String>,
    /// Mount point of cgroup v2.
    pub cgroup2: Option<String>,
    /// Generation of this kernel's port selection; null if its types can't be read.
    pub port_selection: Option<Generation>,
    /// Why not all processes can be seen, so that owners of sockets may be missing, and what to do;
    /// null if they can.
    pub processes_hidden_by: Option<String>,
    /// Upper bound on the kernel memory that ephtrace uses.
    pub kernel_memory: KernelMemory,
    /// Each hook, best first.
    pub hooks: Vec<HookReport>,
    /// The hook that `--hook auto` uses; null if none works or this is unknown.
    pub auto: Option<&'static str>,
}

/// Result for one hook.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HookReport {
    /// Name of the hook.
    pub hook: &'static str,
    /// Whether it works; null if telling needs more rights.
    pub available: Option<bool>,
    /// Why not, or why this is unknown, and what would help.
    pub reason: Option<String>,
    /// Each origin, and whether this hook can see it.
    pub origins: Vec<OriginReport>,
    /// Places that it attaches to.
    pub attaches: String,
    /// Requirements.
    pub needs: &'static str,
    /// Data that the hook provides.
    pub gives: String,
    /// With `--probe`, the result of a test search for each origin that the hook sees; else null.
    pub tests: Option<Vec<TestReport>>,
    /// The verifier's log if it refused; else null.
    pub verifier_log: Option<String>,
}

/// Result for one origin with one hook.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OriginReport {
    /// Name of the origin.
    pub origin: &'static str,
    /// Whether it is seen; null if telling needs more rights.
    #[serde(rename = "is_seen")]
    pub seen: Option<bool>,
    /// Why not, or which part is not seen.
    pub reason: Option<String>,
}

/// Examines this kernel and user, and prints the result.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let held = rights::held().ok();
    look_only(TO_ATTACH);
    let report = Report {
        rights: RightReport::all(held, is_memory_locked()),
        ..examine(&Support::gather(args.btf.as_deref()), args.probe)
    };
    let mut out = io::stdout().lock();
    if args.json {
        write_object(&mut out, Kind::Doctor, &report)?;
    } else {
        report.write_text(&mut out, args.verbosity.verbose > 0)?;
    }
    Ok(if report.can_trace() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Collects all results.
///
/// With `probe`, each hook that works is also tested with a search of ephtrace's own.
pub fn examine(support: &Support, probe: bool) -> Report {
    let btf = support.load_btf();
    let hooks: Vec<HookReport> =
        HOOKS.iter().map(|row| examine_hook(row, support, btf.as_ref(), probe)).collect();
    let auto = hooks.iter().find(|hook| hook.available == Some(true)).map(|hook| hook.hook);
    Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: support.release.clone(),
        root: support.is_root,
        missing_rights: support.missing_rights.clone(),
        rights: RightReport::all(rights::held().ok(), is_memory_locked()),
        lockdown: support.lockdown.clone().ok().flatten(),
        lockdown_known: support.lockdown.is_ok(),
        port_selection: btf.as_ref().ok().map(|btf| Generation::of(btf, symbols::table_perturb())),
        processes_hidden_by: processes_hidden_by(support),
        btf: btf.as_ref().ok().and(support.btf.as_ref().ok()).map(|p| shown(&p).to_string()),
        btf_problem: btf.err(),
        cgroup2: support
            .cgroup2
            .as_ref()
            .and_then(|root| Some(shown(&root.mount_point.as_ref()?).to_string())),
        kernel_memory: KernelMemory::here(),
        hooks,
        auto,
    }
}

/// Returns why owners of sockets may be missing: other users' processes need rights to be examined.
fn processes_hidden_by(support: &Support) -> Option<String> {
    let others = "the open files of other users' processes can't be read: run as root, or with \
                  CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";
    let to_look = Rights::SYS_PTRACE.union(Rights::DAC_READ_SEARCH);
    let may_look = rights::held().map_or(support.is_root, |held| held.contains(to_look));
    hidden::reason(Path::new("/proc")).or_else(|| (!may_look).then(|| others.to_owned()))
}

fn examine_hook(
    row: &HookRow,
    support: &Support,
    btf: Result<&Btf, &String>,
    probe: bool,
) -> HookReport {
    let mut limits = Limits::default();
    let (available, reason, verifier_log) = match try_hook(row, support, btf, probe) {
        Ok(found) => {
            limits = found;
            (Some(true), None, None)
        }
        Err((available, AttachError::Refused { program, error, log })) => {
            let text = AttachError::Refused { program, error, log: String::new() }.to_string();
            (available, Some(text), Some(log))
        }
        Err((available, error)) => (available, Some(error.to_string()), None),
    };
    let HookRow { hook, needs, gives } = *row;
    let attaches = row.attaches();
    let gives = match limits.no_table {
        Some(why) => format!(
            "{gives}, but neither the first candidate nor the number of candidates tried: {why}"
        ),
        None => gives.to_owned(),
    };
    let origins = origins(hook, available, support, btf, &limits);
    let hook = hook.name();
    let tests = limits.tests;
    HookReport { hook, available, reason, origins, attaches, needs, gives, tests, verifier_log }
}

/// Reports each origin; `limits` are the sites that the trial could not attach to.
fn origins(
    hook: Hook,
    works: Option<bool>,
    support: &Support,
    btf: Result<&Btf, &String>,
    limits: &Limits,
) -> Vec<OriginReport> {
    let mut reports = Vec::new();
    for row in &SITES {
        let site = row.site;
        let found = match limits.unseen.iter().find(|(one, _)| *one == site) {
            Some((_, why)) => Err(why.clone()),
            None => btf
                .map_err(Clone::clone)
                .and_then(|btf| preflight::check_site(hook, site, support, btf)),
        };
        let absent = row.module.and_then(|module| module::absence(module, &support.release));
        for &origin in row.origins.iter().filter(|&&origin| origin != Origin::Explicit) {
            reports.push(OriginReport {
                origin: origin.name(),
                seen: if found.is_err() { Some(false) } else { works },
                reason: found
                    .clone()
                    .err()
                    .or_else(|| absent.clone())
                    .or_else(|| limits.missed(hook, site))
                    // listen() is seen at other sites than bind().
                    .filter(|_| found.is_err() || origin != Origin::Listen),
            });
        }
    }
    reports
}

/// Limits of a hook that works.
#[derive(Default)]
struct Limits {
    unseen: Unseen,
    seen_in_part: Option<Vec<(Site, String)>>,
    no_table: Option<NoTable>,
    tests: Option<Vec<TestReport>>,
}

impl Limits {
    /// Returns what `hook` misses at `site` although it sees others: from the trial, if any.
    fn missed(&self, hook: Hook, site: Site) -> Option<String> {
        let Some(in_part) = &self.seen_in_part else {
            return sites::row(site).misses(hook).map(str::to_owned);
        };
        in_part.iter().find(|(one, _)| *one == site).map(|(_, what)| what.clone())
    }
}

/// Tries a hook. An error comes with false, or with `None` if rights are missing for the trial.
fn try_hook(
    row: &HookRow,
    support: &Support,
    btf: Result<&Btf, &String>,
    probe: bool,
) -> Result<Limits, (Option<bool>, AttachError)> {
    let no = |error| (Some(false), error);
    let btf = btf.map_err(|why| no(AttachError::Unsupported(why.clone())))?;
    preflight::check_hook(row.hook, support).map_err(no)?;
    preflight::check_rights(support).map_err(|error| (None, error))?;
    let filter = Filter { origins: all_origins(), ..Filter::default() };
    let options = Options {
        filter: &filter,
        ring_bytes: TRIAL_RING_BYTES,
        totals: TotalsMode::Off,
        log_level: 0,
    };
    let mut tracer = attach::attach_one(row.hook, support, btf, &options).map_err(no)?;
    let tests = probe.then(|| tracer.test().into_iter().map(TestReport::new).collect());
    let seen_in_part = Some(tracer.seen_in_part);
    Ok(Limits { no_table: tracer.no_table, unseen: tracer.unseen, seen_in_part, tests })
}

impl Report {
    /// Returns true if ephtrace can trace here, as far as is known.
    pub fn can_trace(&self) -> bool {
        self.auto.is_some()
    }

    /// Writes the report for people. With `verbose`, it includes the verifier's log.
    pub fn write_text(&self, out: &mut impl Write, verbose: bool) -> io::Result<()> {
        writeln!(out, "ephtrace {} on Linux {}", self.version, self.kernel)?;
        writeln!(out)?;
        writeln!(out, "{:<10} {}", "rights", self.rights())?;
        writeln!(out, "{:<10} {}", "lockdown", self.lockdown_text())?;
        let btf = self.btf.as_ref().or(self.btf_problem.as_ref());
        writeln!(out, "{:<10} {}", "BTF", btf.map_or("none", String::as_str))?;
        writeln!(
            out,
            "{:<10} {}",
            "cgroup v2",
            self.cgroup2.as_deref().unwrap_or("not mounted here")
        )?;
        let hidden = self.processes_hidden_by.as_deref().unwrap_or("all processes are visible");
        writeln!(out, "{:<10} {hidden}", "owners")?;
        writeln!(out, "{:<10} {}", "memory", self.kernel_memory.text())?;
        self.write_selection(out)?;
        right_report::write_missing(out, &self.rights)?;
        writeln!(out)?;
        writeln!(out, "{:<10} {:<8} ATTACHES", "HOOK", "WORKS")?;
        for hook in &self.hooks {
            hook.write_text(out, verbose)?;
        }
        writeln!(out)?;
        writeln!(out, "{}", self.verdict())
    }

    fn write_selection(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(selection) = &self.port_selection else { return Ok(()) };
        writeln!(out, "\nPORT SELECTION")?;
        selection.lines().iter().try_for_each(|(part, what)| writeln!(out, "{part:<24} {what}"))
    }

    fn rights(&self) -> String {
        match (self.missing_rights.is_empty(), self.root) {
            (true, true) => "all (root)".into(),
            (true, false) => "all (by capabilities)".into(),
            (false, _) => {
                format!("{} missing; run `sudo ephtrace`", self.missing_rights.join(", "))
            }
        }
    }

    fn lockdown_text(&self) -> &str {
        match (&self.lockdown, self.lockdown_known) {
            (Some(mode), _) => mode,
            (None, true) => "off",
            (None, false) => "unknown (/sys/kernel/security/lockdown can't be read)",
        }
    }

    fn verdict(&self) -> String {
        match self.auto {
            Some(hook) => format!("`ephtrace` uses the hook {hook}."),
            None if self.missing_rights.is_empty() => "ephtrace can't trace here.".into(),
            None => "Run `sudo ephtrace doctor` to test the hooks.".into(),
        }
    }
}

impl HookReport {
    fn write_text(&self, out: &mut impl Write, verbose: bool) -> io::Result<()> {
        let works = match self.available {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        writeln!(out, "{:<10} {works:<8} {}", self.hook, self.attaches)?;
        let mut detail = |name: &str, text: &str| writeln!(out, "{:<19} {name}: {text}", "");
        let seen = |seen: bool| {
            let wanted = self.origins.iter().filter(|o| (o.seen != Some(false)) == seen);
            wanted.map(|o| o.origin).collect::<Vec<_>>().join(", ")
        };
        if self.available != Some(false) {
            detail("sees", &seen(true))?;
            let unseen = seen(false);
            if !unseen.is_empty() {
                detail("does not see", &unseen)?;
            }
            for seen in self.origins.iter().filter(|o| o.seen != Some(false)) {
                if let Some(missing) = &seen.reason {
                    detail("in part", &format!("{}: {missing}", seen.origin))?;
                }
            }
        }
        detail("gives", &self.gives)?;
        match &self.reason {
            Some(reason) => detail("why", reason)?,
            None => detail("needs", self.needs)?,
        }
        for test in self.tests.iter().flatten() {
            let why = test.reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            detail("test", &format!("{}: {}{why}", test.function, test.outcome))?;
        }
        match &self.verifier_log {
            Some(log) if verbose => writeln!(out, "{log}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
