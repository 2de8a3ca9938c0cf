//! Refusal of system calls (seccomp): those that ephtrace never makes, and more if a caller says
//! so. A refused call fails with EPERM; nothing is killed.

use std::{collections::BTreeMap, env};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, apply_filter_all_threads,
};

/// Reason why a filter can't be built, in words.
pub(super) type Reason = Box<dyn std::error::Error>;

/// Calls, each with conditions of which any one refuses it; a call without conditions is always
/// refused.
pub(super) type Refused = BTreeMap<i64, Vec<SeccompRule>>;

/// Threads whose calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    /// The calling thread, and those that it starts.
    This,
    /// All threads of this process.
    All,
}

/// Calls that no command makes after its start.
pub(super) const NEVER: &[libc::c_long] = &[
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Access to files other than by opening them, and changes that need only a name.
    libc::SYS_open_by_handle_at,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The kernel, and the data that it shows to processes.
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
];

/// Calls of this kind that only older architectures have.
#[cfg(target_arch = "x86_64")]
pub(super) const NEVER_HERE: &[libc::c_long] =
    &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_kexec_file_load];

#[cfg(not(target_arch = "x86_64"))]
pub(super) const NEVER_HERE: &[libc::c_long] = &[];

/// Further calls that a live run must not make: it opens files through the open directory, and its
/// user does not change any more.
const NEVER_LIVE: &[libc::c_long] = &[
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_mknodat,
    libc::SYS_personality,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// Commands of `bpf()` that need no new program and no new map (`enum bpf_cmd`): look up, update,
/// delete and walk; information on an open object.
const BPF_READS: [u64; 5] = [1, 2, 3, 4, 15];

/// `BPF_ENABLE_STATS`.
const BPF_ENABLE_STATS: u64 = 32;

/// `BPF_LINK_CREATE`.
const BPF_LINK_CREATE: u64 = 28;

/// Work that a live run still has to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live {
    /// True if it enters other network namespaces.
    pub enters: bool,
    /// True if it has the kernel measure programs.
    pub measures: bool,
    /// True if it attaches kprobes to a module that is loaded later.
    pub awaits_module: bool,
}

/// Refuses, from now on, every call of this process that a live run does not need: no other program
/// or process, no mount, no module, no new BPF program, no socket other than Internet, netlink and
/// UNIX ones, no signal to other processes.
pub fn restrict_live(live: Live) -> Result<(), String> {
    refuse_live(live).map_err(|error| error.to_string())
}

fn refuse_live(live: Live) -> Result<(), Reason> {
    let never = NEVER.iter().chain(NEVER_HERE).chain(NEVER_LIVE);
    let mut refused: Refused = never.map(|&call| (call, Vec::new())).collect();
    let mut commands = BPF_READS.to_vec();
    commands.extend(live.measures.then_some(BPF_ENABLE_STATS));
    commands.extend(live.awaits_module.then_some(BPF_LINK_CREATE));
    refused.insert(libc::SYS_bpf, vec![unless(&commands)?]);
    if !live.awaits_module {
        refused.insert(libc::SYS_perf_event_open, Vec::new());
    }
    if !live.enters {
        refused.insert(libc::SYS_setns, Vec::new());
    }
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let families = families.map(|family| u64::from(family.unsigned_abs()));
    refused.insert(libc::SYS_socket, vec![unless(&families)?]);
    let own = u64::from(std::process::id());
    refused.insert(libc::SYS_kill, vec![unless(&[own, 0])?]);
    refused.insert(libc::SYS_tgkill, vec![unless(&[own])?]);
    refuse(refused, Threads::All)
}

/// Matches if the first argument is none of `values`; the kernel ignores its upper half.
fn unless(values: &[u64]) -> Result<SeccompRule, Reason> {
    let other = |&value| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
    let conditions: Result<Vec<_>, _> = values.iter().map(other).collect();
    Ok(SeccompRule::new(conditions?)?)
}

/// Refuses these calls, and calls that create a process in place of a thread.
pub(super) fn refuse(mut refused: Refused, threads: Threads) -> Result<(), Reason> {
    let machine = TargetArch::try_from(env::consts::ARCH)?;
    // A new process, not a new thread.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let is_process =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
    refused.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_process])?]);
    // The flags of `clone3` are in memory, out of a filter's reach: threads are started by `clone`.
    let hidden = [(libc::SYS_clone3, Vec::new())].into();
    for (calls, errno) in [(hidden, libc::ENOSYS), (refused, libc::EPERM)] {
        let errno = SeccompAction::Errno(errno.cast_unsigned());
        let filter = SeccompFilter::new(calls, SeccompAction::Allow, errno, machine)?;
        let program = BpfProgram::try_from(filter)?;
        match threads {
            Threads::This => apply_filter(&program)?,
            Threads::All => apply_filter_all_threads(&program)?,
        }
    }
    Ok(())
}
