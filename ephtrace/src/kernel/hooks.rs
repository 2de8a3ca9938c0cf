//! The table of hooks: what each attaches, needs and gives, best first.

pub use ephtrace_common::Hook;
use ephtrace_common::Origin;

use super::offsets::SEARCH;

/// One way to see assignments.
#[derive(Debug, Clone, Copy)]
pub struct HookRow {
    /// Which one.
    pub hook: Hook,
    /// What it attaches to, for people.
    pub attaches: &'static str,
    /// What the kernel must have, for people.
    pub needs: &'static str,
    /// What it can tell, for people.
    pub gives: &'static str,
}

/// All hooks, in the order in which `--hook auto` tries them.
pub const HOOKS: [HookRow; 3] = [
    HookRow {
        hook: Hook::Fentry,
        attaches: "fentry and fexit on __inet_hash_connect, inet_csk_get_port, udp_lib_get_port, \
                   ping_get_port; kprobe and kretprobe on sctp_get_port_local",
        needs: "BTF, function tracing",
        gives: "everything",
    },
    HookRow {
        hook: Hook::Kprobe,
        attaches: "kprobe and kretprobe on the same",
        needs: "kprobes",
        gives: "everything; missed return probes are counted",
    },
    HookRow {
        hook: Hook::SockOps,
        attaches: "tracepoint inet_sock_set_state; sock_ops, bind and post_bind programs on the root \
                   cgroup",
        needs: "tracepoints, cgroup v2",
        gives: "assignments, latency, failures of connect and listen (errno inferred); nothing of \
                the search",
    },
];

/// The row of `hook`.
pub fn row(hook: Hook) -> &'static HookRow {
    // The table has a row for each hook, in the order of their numbers.
    let index = usize::from(hook.to_wire()) - 1;
    &HOOKS[index]
}

/// A function of the kernel that looks for a port. A hook sees some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// TCP connect.
    Connect,
    /// TCP bind and listen.
    Bind,
    /// UDP.
    Udp,
    /// Ping sockets.
    Ping,
    /// SCTP: part of a module, hooked by kprobes (see `kernel::module`).
    Sctp,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Connect, Self::Bind, Self::Udp, Self::Ping, Self::Sctp];

    /// What the function is called.
    pub fn function(self) -> &'static str {
        match self {
            Self::Connect => SEARCH,
            Self::Bind => "inet_csk_get_port",
            Self::Udp => "udp_lib_get_port",
            Self::Ping => "ping_get_port",
            Self::Sctp => "sctp_get_port_local",
        }
    }

    /// How many arguments it may take.
    pub fn arguments(self) -> &'static [usize] {
        match self {
            Self::Connect => &[4, 5],
            Self::Bind | Self::Ping | Self::Sctp => &[2],
            Self::Udp => &[3],
        }
    }

    /// The origins of what it assigns.
    pub fn origins(self) -> &'static [Origin] {
        match self {
            Self::Connect => &[Origin::Connect, Origin::Explicit],
            Self::Bind => &[Origin::Bind, Origin::Listen, Origin::Explicit],
            Self::Udp => &[Origin::Udp, Origin::Explicit],
            Self::Ping => &[Origin::Ping, Origin::Explicit],
            Self::Sctp => &[Origin::Sctp, Origin::Explicit],
        }
    }

    /// Whether any of `origins` (bits of `Filter::origins`) comes about here.
    pub fn is_wanted(self, origins: u32) -> bool {
        self.origins().iter().any(|&origin| origins & origin_bit(origin) != 0)
    }
}

/// The bit of an origin in `Filter::origins`.
pub fn origin_bit(origin: Origin) -> u32 {
    1 << origin.to_wire()
}

/// A program of the kernel half, and what it is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Name of the program.
    pub program: &'static str,
    /// A function or a tracepoint; empty for the root cgroup.
    pub to: &'static str,
}

/// The programs that make up a hook. Attached ends first and detached starts first, so that no start
/// is seen whose end is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// What sees the end of a search.
    pub ends: Vec<Attachment>,
    /// What sees its start.
    pub starts: Vec<Attachment>,
}

/// What decides which programs fit a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// How many arguments the kernel's search function takes.
    pub arguments: u32,
    /// The kernel has its own BTF, so that programs may load fields directly.
    pub is_typed: bool,
    /// The kernel may preempt a program, and leaves it out for other tasks meanwhile.
    pub is_preemptible: bool,
    /// The kernel has MPTCP.
    pub has_mptcp: bool,
}

/// The function by which the kernel binds a socket of its own accord.
const OWN_ACCORD: &str = "inet_autobind";

/// The function by which a process that connects an MPTCP socket is known; it tells for whom a kernel
/// thread binds further subflows.
const JOINED_BY: &str = "mptcp_token_new_connect";

/// What is not known without a function that a hook can do without.
pub fn unknown_without(function: &str) -> Option<&'static str> {
    match function {
        // A static function, which a compiler may have made part of others.
        OWN_ACCORD => Some("a UDP connect without a port is told as EADDRINUSE"),
        JOINED_BY => Some("of MPTCP subflows that join later, the kernel's thread is shown"),
        _ => None,
    }
}

/// The programs with which `hook` sees `sites`.
pub fn programs(hook: Hook, sites: &[Site], fit: Fit) -> Programs {
    if hook == Hook::SockOps {
        return by_cgroup(sites, fit);
    }
    let mut programs = Programs::default();
    for &site in sites {
        let (ends, starts) = names(hook, site, fit);
        programs.add(ends, starts, site.function(), fit.is_preemptible);
        if matches!(site, Site::Udp | Site::Ping) {
            programs.add(&[], own_accord(hook), OWN_ACCORD, fit.is_preemptible);
        }
        if site == Site::Bind && fit.has_mptcp {
            programs.add(&[], joined_by(hook), JOINED_BY, fit.is_preemptible);
        }
    }
    programs
}

/// The programs that see SCTP's ports, with `fentry` and `kprobe` alike: aya reads no types of modules,
/// which fentry takes. A start comes before the one that needs it.
pub fn module_programs() -> Programs {
    let mut programs = Programs::default();
    programs.add(&["eph_ksctp_x"], &[], Site::Sctp.function(), false);
    programs.add(&[], &["eph_ksbind"], SCTP_BIND, false);
    programs.add(&[], &["eph_ksctp"], Site::Sctp.function(), false);
    programs
}

/// The function by which a program binds an SCTP socket.
const SCTP_BIND: &str = "sctp_bind";

/// The programs of the hook `sock_ops`: a tracepoint, and programs on the root cgroup, which the
/// kernel never leaves out.
fn by_cgroup(sites: &[Site], fit: Fit) -> Programs {
    let mut programs = Programs::default();
    let wants = |wanted: &[Site]| sites.iter().any(|site| wanted.contains(site));
    if wants(&[Site::Connect, Site::Bind]) {
        let state: &[_] = if fit.is_typed {
            &["eph_state_btf", "eph_state_btf2"]
        } else {
            &["eph_state", "eph_state_spare"]
        };
        programs.add(&["eph_connected"], &[], "", false);
        programs.add(&[], state, STATE, fit.is_preemptible);
    }
    if wants(&[Site::Bind, Site::Udp]) {
        for (end, start) in
            [(&["eph_cbound4"], &["eph_cbind4"]), (&["eph_cbound6"], &["eph_cbind6"])]
        {
            programs.add(end, start, "", false);
        }
    }
    programs
}

/// The tracepoint of the hook `sock_ops`.
const STATE: &str = "inet_sock_set_state";

/// Ends and starts; the second one of each is a spare copy of the first.
fn names(hook: Hook, site: Site, fit: Fit) -> (&'static [&'static str], &'static [&'static str]) {
    match (hook, site) {
        (Hook::Fentry, Site::Connect) if fit.arguments == 5 => {
            (&["eph_exit5", "eph_exit5_spare"], &["eph_enter", "eph_enter_spare"])
        }
        (Hook::Fentry, Site::Connect) => {
            (&["eph_exit4", "eph_exit4_spare"], &["eph_enter", "eph_enter_spare"])
        }
        (Hook::Fentry, Site::Bind) => {
            (&["eph_bind_x", "eph_bind_x2"], &["eph_bind", "eph_bind_spare"])
        }
        (Hook::Fentry, Site::Udp) => (&["eph_udp_x", "eph_udp_x2"], &["eph_udp", "eph_udp_spare"]),
        (Hook::Fentry, Site::Ping) => {
            (&["eph_ping_x", "eph_ping_x2"], &["eph_ping", "eph_ping_spare"])
        }
        // Probes run with preemption off.
        (Hook::Kprobe, Site::Connect) => (&["eph_kretprobe"], &["eph_kprobe"]),
        (Hook::Kprobe, Site::Bind) => (&["eph_kbind_x"], &["eph_kbind"]),
        (Hook::Kprobe, Site::Udp) => (&["eph_kudp_x"], &["eph_kudp"]),
        (Hook::Kprobe, Site::Ping) => (&["eph_kping_x"], &["eph_kping"]),
        // Of its own, see `module_programs`.
        (_, Site::Sctp) | (Hook::SockOps, _) => (&[], &[]),
    }
}

/// What sees the kernel bind a socket of its own accord.
fn own_accord(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::Kprobe => &["eph_kauto"],
        _ => &["eph_auto", "eph_auto_spare"],
    }
}

/// What sees a process connect an MPTCP socket.
fn joined_by(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::Kprobe => &["eph_kmptcp"],
        _ => &["eph_mptcp", "eph_mptcp_spare"],
    }
}

impl Programs {
    /// Adds programs on function `to`, the spare copies only `with_spares`.
    fn add(
        &mut self,
        ends: &'static [&'static str],
        starts: &'static [&'static str],
        to: &'static str,
        with_spares: bool,
    ) {
        let count = if with_spares { 2 } else { 1 };
        for (names, attachments) in [(ends, &mut self.ends), (starts, &mut self.starts)] {
            for &program in names.iter().take(count) {
                let attachment = Attachment { program, to };
                if !attachments.contains(&attachment) {
                    attachments.push(attachment);
                }
            }
        }
    }

    /// Adds `more`, attached after these.
    pub(super) fn extend(&mut self, more: Self) {
        self.ends.extend(more.ends);
        self.starts.extend(more.starts);
    }

    /// All of them, in the order in which they are attached.
    pub fn all(&self) -> impl Iterator<Item = &Attachment> {
        self.ends.iter().chain(&self.starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_has_its_row() {
        for hook in [Hook::Fentry, Hook::Kprobe, Hook::SockOps] {
            assert_eq!(row(hook).hook, hook);
        }
    }

    #[test]
    fn program_names_fit_the_kernel_s_limit() {
        for row in &HOOKS {
            for (arguments, is_typed) in [(4, false), (5, true)] {
                let fit = Fit { arguments, is_typed, is_preemptible: true, has_mptcp: true };
                for Attachment { program, .. } in programs(row.hook, &Site::ALL, fit).all() {
                    assert!(program.len() <= 15, "{program}");
                }
            }
        }
    }

    #[test]
    fn module_programs_fit_too() {
        let programs = module_programs();
        assert!(programs.all().all(|attachment| attachment.program.len() <= 15));
        let to: Vec<_> = programs.all().map(|attachment| attachment.to).collect();
        assert_eq!(to, ["sctp_get_port_local", "sctp_bind", "sctp_get_port_local"]);
    }

    #[test]
    fn every_program_is_attached_once() {
        let fit = Fit { arguments: 5, is_typed: true, is_preemptible: true, has_mptcp: true };
        let programs = programs(Hook::Fentry, &Site::ALL, fit);
        let mut names: Vec<_> = programs.all().map(|attachment| attachment.program).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), count), (20, 20));
    }
}
