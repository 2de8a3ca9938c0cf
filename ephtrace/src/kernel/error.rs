//! Why a hook can't be used: the cause and the next step, in words.

use std::{fs, io};

use aya::programs::{Program, ProgramError};
use thiserror::Error;

use super::{
    exclusive,
    filter::TooManyValues,
    support::{LockdownUnknown, Support},
};
use crate::host::{
    mounts,
    rights::{Rights, held},
};

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
    /// The filter has too many values.
    #[error(transparent)]
    Filter(#[from] TooManyValues),
    /// The hook is attached and does not see what it is attached to.
    #[error("attached, but {function} is not seen: the hook {why}")]
    Blind {
        /// The function of the kernel.
        function: &'static str,
        /// How it showed, and the likely cause.
        why: String,
    },
    /// No hook can be used.
    #[error("no hook works here:{0}\nsee `ephtrace doctor`")]
    NoHook(String),
}

/// Puts the cause and the next step into words.
pub(super) fn explain(
    name: &'static str,
    program: &Program,
    error: &ProgramError,
    support: &Support,
) -> AttachError {
    let is_function = matches!(program, Program::FEntry(_) | Program::FExit(_));
    let lockdown = support.lockdown.as_ref().map(|mode| mode.as_deref().filter(|m| forbids(m)));
    let errno = errno(error);
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        // Under lockdown there is no such helper.
        if let Ok(Some(mode)) = lockdown
            && log.contains("bpf_probe_read_kernel#")
        {
            return locked_down(mode);
        }
        // A refusal by the verifier comes with its reason in the log, one by policy without.
        if errno != Some(libc::EPERM) && !log.trim().is_empty() {
            return AttachError::Refused { program: name, error: io_error.kind().to_string(), log };
        }
    }
    match (errno, lockdown) {
        (Some(libc::EPERM), Ok(Some(mode))) if is_tracing(program) => locked_down(mode),
        (Some(libc::EPERM), Err(LockdownUnknown)) if is_function => {
            let advice = mounts::advice("mount -t securityfs none /sys/kernel/security");
            let look = advice.map(|advice| format!("{advice} lets `ephtrace doctor` check, "));
            AttachError::NotPermitted(format!(
                "the kernel forbids tracing functions, most likely because of lockdown; {}booting \
                 with lockdown=none allows it",
                look.unwrap_or_default()
            ))
        }
        (Some(libc::EPERM), _) if is_on_cgroup(program) && support.missing_rights.is_empty() => {
            not_on_cgroup(name, support)
        }
        (Some(libc::EPERM | libc::EACCES), _) if is_kept_from_kprobes(program) => no_kprobes(),
        (Some(libc::EPERM | libc::EACCES), _) if support.missing_rights.is_empty() => {
            AttachError::NotPermitted(format!(
                "the kernel refuses {name} although this process has the capabilities: a policy \
                 forbids it (a container's seccomp, SELinux, AppArmor or another security module)"
            ))
        }
        (Some(libc::EPERM | libc::EACCES), _) => AttachError::NotPermitted(format!(
            "the kernel refuses {name}; run `sudo ephtrace` (a security policy may also forbid \
             it: sysctl kernel.unprivileged_bpf_disabled, kernel.perf_event_paranoid, seccomp)"
        )),
        (Some(libc::EBUSY), _) if is_function && is_ftrace_off() => AttachError::Unsupported(
            "kernel.ftrace_enabled is 0; run `sysctl kernel.ftrace_enabled=1`".into(),
        ),
        _ if is_function => AttachError::Unsupported(format!(
            "fentry can't trace functions here ({}); it needs CONFIG_FUNCTION_TRACER, \
             CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS and BTF",
            chain(error)
        )),
        _ => AttachError::Unsupported(format!("can't attach {name} ({})", chain(error))),
    }
}

/// Whether function tracing is switched off: Linux 5.10 refuses to attach then, later ones don't.
pub(super) fn is_ftrace_off() -> bool {
    fs::read_to_string("/proc/sys/kernel/ftrace_enabled").is_ok_and(|text| text.trim() == "0")
}

/// Whether it is attached to functions or tracepoints.
fn no_kprobes() -> AttachError {
    AttachError::NotPermitted(
        "kernel.perf_event_paranoid is above 2, so Debian and Ubuntu kernels allow kprobes only \
         with CAP_SYS_ADMIN, which this process lacks: run `sudo ephtrace`, or use another hook"
            .into(),
    )
}

/// True where a patch of Debian's and Ubuntu's asks for `CAP_SYS_ADMIN` in `perf_event_open`, and
/// this process lacks it.
fn is_kept_from_kprobes(program: &Program) -> bool {
    if !matches!(program, Program::KProbe(_)) {
        return false;
    }
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok();
    let is_above_2 =
        level.and_then(|text| text.trim().parse::<i32>().ok()).is_some_and(|it| it > 2);
    is_above_2 && !held().is_ok_and(|rights| rights.contains(Rights::SYS_ADMIN))
}

fn is_tracing(program: &Program) -> bool {
    matches!(
        program,
        Program::FEntry(_)
            | Program::FExit(_)
            | Program::KProbe(_)
            | Program::BtfTracePoint(_)
            | Program::RawTracePoint(_)
    )
}

fn is_on_cgroup(program: &Program) -> bool {
    matches!(program, Program::SockOps(_) | Program::CgroupSockAddr(_) | Program::CgroupSock(_))
}

/// With all rights, a cgroup refuses a program because of another one.
fn not_on_cgroup(name: &str, support: &Support) -> AttachError {
    let holders = support.cgroup2.as_ref().and_then(exclusive::holders);
    AttachError::NotPermitted(holders.unwrap_or_else(|| {
        format!(
            "the kernel refuses {name} on the root cgroup, most likely because another program is \
             attached there exclusively; `bpftool cgroup tree` lists them"
        )
    }))
}

fn locked_down(mode: &str) -> AttachError {
    AttachError::NotPermitted(format!(
        "kernel lockdown ({mode}) forbids it; boot with secure boot off or lockdown=none"
    ))
}

/// Whether this mode of lockdown forbids kprobes and reading kernel memory. Both reasons come after
/// `LOCKDOWN_INTEGRITY_MAX`, so that `integrity`, the usual mode with secure boot, does not.
///
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/security.h>
fn forbids(mode: &str) -> bool {
    mode == "confidentiality"
}

/// The errno at the bottom of `error`, if it has one.
pub(super) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
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
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrity_is_not_to_blame() {
        assert!(forbids("confidentiality"));
        assert!(!forbids("integrity"));
    }
}
