//! Calls whose failure is seen separately, if the kernel supports it: with the hook `sock_ops` by
//! tracepoints on the end of a call, with the others by the functions that refuse an address before
//! any search. docs/performance.md has the cost of each.

use std::path::Path;

use aya::{
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported},
};
use ephtrace_common::{Features, Hook, Offsets};

pub(super) use crate::model::{Absent, FailedCalls};

use super::{
    btf::Btf,
    offsets::leads_to_socket,
    sites::{self, Site, SiteRow},
};
use crate::host::mounts;

/// Category of the tracepoints that are found through tracefs.
pub(super) const CATEGORY: &str = "syscalls";

/// Directories to look for them, as aya does.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

const BIND: &str = "sys_exit_bind";
const CONNECT: &str = "sys_exit_connect";
const SEND: &str = "sock_send_length";
const BIND_IPV4: &str = "__inet_bind";
const BIND_IPV6: &str = "__inet6_bind";

/// Returns the calls whose failure `hook` can see here; a function hook sees all failures of a
/// search itself.
pub(super) fn offered(hook: Hook, btf: &Btf, offsets: &Offsets) -> FailedCalls {
    // Socket, address, its length, flags: fexit expects the result behind these four.
    let is_known = |name| btf.function(name).is_some_and(|function| function.params.len() == 4);
    match hook {
        Hook::Fentry => {
            let has_ipv6 = offsets.skc_v6_rcv_saddr != Offsets::ABSENT;
            let absent =
                Absent { ipv4: is_known(BIND_IPV4), ipv6: !has_ipv6 || is_known(BIND_IPV6) };
            FailedCalls { absent, ..FailedCalls::ALL }
        }
        // Attaching decides, also if IPv6 is a module.
        Hook::Kprobe => FailedCalls::ALL,
        Hook::SockOps => seen_by_tracepoints(btf, offsets),
    }
}

fn seen_by_tracepoints(btf: &Btf, offsets: &Offsets) -> FailedCalls {
    FailedCalls {
        bind: is_in_tracefs(BIND),
        connect: is_in_tracefs(CONNECT) && leads_to_socket(offsets) && has_arguments(),
        send: btf.function("__traceiter_sock_send_length").is_some(),
        absent: Absent::ALL,
    }
}

/// Passes the choice to the kernel half.
pub(super) fn set(features: &mut Features, calls: FailedCalls) {
    features.bind_exit = u32::from(calls.bind);
    features.call_arguments = u32::from(calls.connect);
}

/// Returns `calls` without the one that is seen at `to`; `None` if `to` is none of those places.
pub(super) fn without(calls: FailedCalls, to: &str) -> Option<FailedCalls> {
    match to {
        BIND => Some(FailedCalls { bind: false, ..calls }),
        CONNECT => Some(FailedCalls { connect: false, ..calls }),
        SEND => Some(FailedCalls { send: false, ..calls }),
        BIND_IPV4 => Some(FailedCalls { absent: Absent { ipv4: false, ..calls.absent }, ..calls }),
        BIND_IPV6 => Some(FailedCalls { absent: Absent { ipv6: false, ..calls.absent }, ..calls }),
        _ => None,
    }
}

/// Returns the programs that see `calls` of `rows` fail, with their tracepoints. They are attached
/// before the programs that see a call begin.
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

/// Returns the programs with which a function hook sees `bind()` to an address that the host lacks:
/// on the end and on the start of the function, with its name.
pub(super) fn on_functions(
    hook: Hook,
    rows: &[&SiteRow],
    Absent { ipv4, ipv6 }: Absent,
    copies: usize,
) -> impl Iterator<Item = (&'static [&'static str], &'static [&'static str], &'static str)> {
    const FEXIT: [&[&str]; 2] =
        [&["eph_absent4", "eph_absent4_2"], &["eph_absent6", "eph_absent6_2"]];
    const KPROBE: [(&[&str], &[&str]); 2] =
        [(&["eph_kabsent4"], &["eph_kaddr4"]), (&["eph_kabsent6"], &["eph_kaddr6"])];
    let binds = rows.iter().any(|row| matches!(row.site, Site::Bind | Site::Udp));
    [(BIND_IPV4, ipv4), (BIND_IPV6, ipv6)]
        .into_iter()
        .zip(FEXIT.into_iter().zip(KPROBE))
        .filter(move |((_, is_seen), _)| *is_seen && binds)
        .map(move |((to, _), (fexit, (end, start)))| match hook {
            Hook::Kprobe => (end, start, to),
            Hook::Fentry | Hook::SockOps => (&fexit[..copies], [].as_slice(), to),
        })
}

/// Describes the assignments that `hook` misses at `site`, although it sees others.
pub(super) fn misses(hook: Hook, site: Site, calls: FailedCalls) -> Option<String> {
    let missed = sites::row(site).misses(hook).map(str::to_owned);
    if hook != Hook::SockOps {
        let binds = matches!(site, Site::Bind | Site::Udp);
        let failed = calls.unseen(hook).filter(|_| binds).map(|kinds| format!("not seen: {kinds}"));
        return missed.or(failed);
    }
    let failures = match (site, calls.bind) {
        (Site::Bind, true) => {
            "failures through io_uring or in 32-bit programs are not seen".to_owned()
        }
        (Site::Bind, false) => {
            let advice = mounts::advice("mount -t tracefs tracefs /sys/kernel/tracing");
            let advice = advice.map(|advice| format!(" ({advice})")).unwrap_or_default();
            format!(
                "failures are not seen, because the tracepoint sys_exit_bind is missing{advice}"
            )
        }
        (Site::Udp, _) => return Some(format!("{}; nor {}", missed?, calls.unseen(hook)?)),
        _ => return missed,
    };
    Some(failures)
}

fn is_in_tracefs(name: &str) -> bool {
    let is_there =
        |root: &str| Path::new(root).join("events").join(CATEGORY).join(name).join("id").exists();
    TRACEFS.into_iter().any(is_there)
}

/// Returns whether programs on tracepoints may read a task's registers. The kernel is asked; an
/// error means no.
fn has_arguments() -> bool {
    let helper = BpfHelper::BPF_FUNC_task_pt_regs;
    is_helper_supported(ProgramType::TracePoint, helper).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_t_be_attached_to_is_gone_without() {
        let rows = [sites::row(Site::Udp)];
        let functions = |hook, calls: FailedCalls| -> Vec<_> {
            on_functions(hook, &rows, calls.absent, 1).map(|(.., to)| to).collect()
        };
        let rest = without(FailedCalls::ALL, BIND_IPV6).unwrap();
        for hook in [Hook::Fentry, Hook::Kprobe] {
            assert_eq!(functions(hook, FailedCalls::ALL), [BIND_IPV4, BIND_IPV6]);
            assert_eq!(functions(hook, rest), [BIND_IPV4]);
            let told = "not seen: binds to nonexistent IPv6 addresses";
            assert!(misses(hook, Site::Udp, rest).unwrap().starts_with(told));
            assert_eq!(misses(hook, Site::Connect, rest), None);
        }
        assert_eq!(without(rest, BIND_IPV4).unwrap().absent, Absent { ipv4: false, ipv6: false });
        assert_eq!(on_functions(Hook::Fentry, &[], Absent::ALL, 1).count(), 0);
    }
}
