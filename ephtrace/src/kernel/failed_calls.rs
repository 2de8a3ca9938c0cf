//! Calls of which the hook `sock_ops` sees the failure in a way of its own, where the kernel offers
//! it: tracepoints on how a call ended. What each costs is in docs/performance.md.

use std::path::Path;

use aya::{
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported},
};
use ephtrace_common::{Features, Hook, Offsets};

pub(super) use crate::model::FailedCalls;

use super::{
    btf::Btf,
    offsets::leads_to_socket,
    sites::{self, Site, SiteRow},
};

/// The category of the tracepoints that are found by way of tracefs.
pub(super) const CATEGORY: &str = "syscalls";

/// Where it is looked for, as aya does.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

const BIND: &str = "sys_exit_bind";
const CONNECT: &str = "sys_exit_connect";
const SEND: &str = "sock_send_length";

/// The calls that `hook` can see fail here. All, where it sees the search itself.
pub(super) fn offered(hook: Hook, btf: &Btf, offsets: &Offsets) -> FailedCalls {
    if hook != Hook::SockOps {
        return FailedCalls::ALL;
    }
    FailedCalls {
        bind: is_in_tracefs(BIND),
        connect: is_in_tracefs(CONNECT) && leads_to_socket(offsets) && has_arguments(),
        send: btf.function("__traceiter_sock_send_length").is_some(),
    }
}

/// Tells the kernel half.
pub(super) fn set(features: &mut Features, calls: FailedCalls) {
    features.bind_exit = u32::from(calls.bind);
    features.call_arguments = u32::from(calls.connect);
}

/// `calls` without the one whose tracepoint is `to`; `None` if `to` is none of those.
pub(super) fn without(calls: FailedCalls, to: &str) -> Option<FailedCalls> {
    match to {
        BIND => Some(FailedCalls { bind: false, ..calls }),
        CONNECT => Some(FailedCalls { connect: false, ..calls }),
        SEND => Some(FailedCalls { send: false, ..calls }),
        _ => None,
    }
}

/// The programs that see `calls` of `rows` fail, with their tracepoints. They are attached before
/// the programs that see a call begin.
pub(super) fn programs(
    rows: &[&SiteRow],
    calls: FailedCalls,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has_udp = rows.iter().any(|row| row.site == Site::Udp);
    [
        ("eph_bind_exit", BIND, calls.bind),
        ("eph_conn_exit", CONNECT, calls.connect && has_udp),
        ("eph_sent", SEND, calls.send && has_udp),
    ]
    .into_iter()
    .filter(|(_, _, is_seen)| *is_seen)
    .map(|(program, to, _)| (program, to))
}

/// What `hook` misses at `site`, although it sees others, in words.
pub(super) fn misses(hook: Hook, site: Site, calls: FailedCalls) -> Option<String> {
    let missed = sites::row(site).misses(hook).map(str::to_owned);
    if hook != Hook::SockOps {
        return missed;
    }
    let failures = match (site, calls.bind) {
        (Site::Bind, true) => "one that fails through io_uring or in a 32-bit program is not seen",
        (Site::Bind, false) => {
            "one that fails is not seen, for want of the tracepoint sys_exit_bind (`mount -t \
             tracefs tracefs /sys/kernel/tracing`)"
        }
        (Site::Udp, _) => return Some(format!("{}; nor {}", missed?, calls.unseen(hook)?)),
        _ => return missed,
    };
    Some(failures.to_owned())
}

fn is_in_tracefs(name: &str) -> bool {
    let is_there =
        |root: &str| Path::new(root).join("events").join(CATEGORY).join(name).join("id").exists();
    TRACEFS.into_iter().any(is_there)
}

/// Whether programs on tracepoints may ask for a task's registers. Asked of the kernel; an error
/// means no.
fn has_arguments() -> bool {
    let helper = BpfHelper::BPF_FUNC_task_pt_regs;
    is_helper_supported(ProgramType::TracePoint, helper).unwrap_or(false)
}
