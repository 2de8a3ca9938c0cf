//! Reasons why a hook can't be used: the cause and the next step, in words.

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

/// Reason why a hook could not be used: the cause, and the next step.
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
        /// Error that the kernel returned.
        error: String,
        /// Log of the verifier.
        log: String,
    },
    /// The filter has too many values.
    #[error(transparent)]
    Filter(#[from] TooManyValues),
    /// The hook is attached, but does not see its target.
    #[error("attached, but {function} is not seen: the hook {why}")]
    Blind {
        /// Name of the kernel function.
        function: &'static str,
        /// Symptom, and its likely cause.
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
        // Lockdown removes this helper.
        if let Ok(Some(mode)) = lockdown
            && log.contains("bpf_probe_read_kernel#")
        {
            return locked_down(mode);
        }
        // The verifier gives its reason in the log; a policy gives none.
        if errno != Some(libc::EPERM) && !log.trim().is_empty() {
            return AttachError::Refused { program: name, error: io_error.kind().to_string(), log };
        }
    }
    match (errno, lockdown) {
        (Some(libc::EPERM), Ok(Some(mode))) if is_tracing(program) => locked_down(mode),
        (Some(libc::EPERM), Err(LockdownUnknown)) if is_function => {
            let advice = mounts::advice("mount -t securityfs none /sys/kernel/security");
            let look = advice.map(|advice| format!(": {advice} lets `ephtrace doctor` check"));
            AttachError::NotPermitted(format!(
                "the kernel refuses {name}, and does not tell why: lockdown=confidentiality would \
                 do it, or a security policy{}",
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

/// Returns whether function tracing is switched off: Linux 5.10 refuses to attach then, later
/// kernels don't.
pub(super) fn is_ftrace_off() -> bool {
    fs::read_to_string("/proc/sys/kernel/ftrace_enabled").is_ok_and(|text| text.trim() == "0")
}

/// Returns the error for kprobes that `perf_event_paranoid` forbids.
fn no_kprobes() -> AttachError {
    AttachError::NotPermitted(
        "kernel.perf_event_paranoid is above 2, so Debian and Ubuntu kernels allow kprobes only \
         with CAP_SYS_ADMIN, which this process lacks: run `sudo ephtrace`, or use another hook"
            .into(),
    )
}

/// Returns whether a patch of Debian's and Ubuntu's kernels asks for `CAP_SYS_ADMIN` in
/// `perf_event_open`, and this process lacks it.
fn is_kept_from_kprobes(program: &Program) -> bool {
    if !matches!(program, Program::KProbe(_)) {
        return false;
    }
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok();
    let is_above_2 =
        level.and_then(|text| text.trim().parse::<i32>().ok()).is_some_and(|it| it > 2);
    is_above_2 && !held().is_ok_and(|rights| rights.contains(Rights::SYS_ADMIN))
}

/// Returns whether the program is attached to functions or tracepoints.
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

/// Explains why a cgroup refuses a program although all rights are held: another program is
/// attached.
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
        "kernel lockdown ({mode}) forbids it; boot without lockdown={mode} and, where secure boot \
         sets it, without that (a kernel built with CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY \
         can't)"
    ))
}

/// Returns whether this mode of lockdown forbids kprobes and reading kernel memory. Both reasons
/// come after `LOCKDOWN_INTEGRITY_MAX`, so `integrity`, the usual mode with secure boot, does not.
///
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/security.h>
fn forbids(mode: &str) -> bool {
    mode == "confidentiality"
}

/// Returns the errno at the bottom of `error`, if it has one.
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

/// Returns `error` and its causes in one line.
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
