//! The table of sites: kernel functions that search for a port, with the programs that see each.
//!
//! A new site is a row here, a variant of [`Site`] and a file in the kernel half.

pub use ephtrace_common::Site;
use ephtrace_common::{Hook, Origin};

use nix::sys::socket::{SockProtocol, SockType};

use super::filter::origin_bit;

/// A function that searches for a port, with the programs that see its start and end.
#[derive(Debug, Clone, Copy)]
pub struct SiteRow {
    /// The site.
    pub site: Site,
    /// Name of the function.
    pub function: &'static str,
    /// Kind of socket that the self-test opens, for which the function searches.
    pub socket: (SockType, SockProtocol),
    /// Possible numbers of arguments.
    pub arguments: &'static [usize],
    /// Origins of the ports that it assigns.
    pub origins: &'static [Origin],
    /// Module that the function is in; `None` if it is in the kernel itself.
    pub module: Option<Module>,
    /// Programs of the hook `fentry`. There is more than one set if they depend on the number of
    /// arguments: one for each of `arguments`. None for a module, whose types aya can't read.
    pub fentry: &'static [Traced],
    /// Programs of the hook `kprobe`; for a module, of both function hooks.
    pub kprobe: Probed,
    /// Further functions that have to be hooked.
    pub companions: &'static [Companion],
    /// Means by which the hook `sock_ops` sees the site.
    pub sock_ops: SockOps,
}

/// A kernel module, which may be loaded at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// Name of the module.
    pub name: &'static str,
}

/// fentry and fexit programs: each with a second copy, for preemptible kernels.
#[derive(Debug, Clone, Copy)]
pub struct Traced {
    /// Programs that see the search begin.
    pub starts: [&'static str; 2],
    /// Programs that see it end.
    pub ends: [&'static str; 2],
}

/// kprobe and kretprobe programs, which run with preemption off.
#[derive(Debug, Clone, Copy)]
pub struct Probed {
    /// Program that sees the search begin.
    pub start: &'static str,
    /// Program that sees it end.
    pub end: &'static str,
}

/// A function that does not search, but has information about a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Companion {
    /// Name of the function.
    pub function: &'static str,
    /// fentry programs, the second one a copy for preemptible kernels; none in a module.
    pub fentry: &'static [&'static str],
    /// kprobe program.
    pub kprobe: &'static str,
    /// Kernels that have the function.
    pub on: Kernels,
    /// Consequence if the function can't be hooked; `None` if the site needs it.
    pub without: Option<&'static str>,
}

/// Kernels that have a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// All kernels.
    All,
    /// Kernels with MPTCP.
    WithMptcp,
}

/// Means by which programs on tracepoints and on the root cgroup see a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SockOps {
    /// True for a change of the socket's state, and the sock_ops program.
    pub by_state: bool,
    /// True for programs before and after `bind()`.
    pub by_bind: bool,
    /// Assignments that it misses although it sees others; for failures see `failed_calls`.
    pub misses: Option<&'static str>,
    /// Reason why it sees none; `None` if it sees some.
    pub blind: Option<&'static str>,
}

/// The kernel binds a socket by itself. The function is static; a compiler may have inlined it.
const AUTOBIND: Companion = Companion {
    function: "inet_autobind",
    fentry: &["eph_auto", "eph_auto_2"],
    kprobe: "eph_kauto",
    on: Kernels::All,
    without: Some("a UDP connect without a free port is shown as EADDRINUSE"),
};

/// A process connects an MPTCP socket, for which a kernel thread binds further subflows.
const MPTCP_CONNECT: Companion = Companion {
    function: "mptcp_token_new_connect",
    fentry: &["eph_mptcp", "eph_mptcp_2"],
    kprobe: "eph_kmptcp",
    on: Kernels::WithMptcp,
    without: Some("MPTCP subflows that join later show the kernel's thread"),
};

/// A program binds an SCTP socket.
const SCTP_BIND: Companion = Companion {
    function: "sctp_bind",
    fentry: &[],
    kprobe: "eph_ksbind",
    on: Kernels::All,
    without: None,
};

/// All sites, in the order of [`Site::ALL`].
pub const SITES: [SiteRow; Site::ALL.len()] = [
    SiteRow {
        site: Site::Connect,
        function: "__inet_hash_connect",
        socket: (SockType::Stream, SockProtocol::Tcp),
        arguments: &[4, 5],
        origins: &[Origin::Connect, Origin::Explicit],
        module: None,
        fentry: &[
            Traced {
                starts: ["eph_connect", "eph_connect_2"],
                ends: ["eph_connect4_x", "eph_connect4_x2"],
            },
            Traced {
                starts: ["eph_connect", "eph_connect_2"],
                ends: ["eph_connect5_x", "eph_connect5_x2"],
            },
        ],
        kprobe: Probed { start: "eph_kconnect", end: "eph_kconnect_x" },
        companions: &[],
        sock_ops: SockOps { by_state: true, by_bind: false, misses: None, blind: None },
    },
    SiteRow {
        site: Site::Bind,
        function: "inet_csk_get_port",
        socket: (SockType::Stream, SockProtocol::Tcp),
        arguments: &[2],
        origins: &[Origin::Bind, Origin::Listen, Origin::Explicit],
        module: None,
        fentry: &[Traced {
            starts: ["eph_bind", "eph_bind_2"],
            ends: ["eph_bind_x", "eph_bind_x2"],
        }],
        kprobe: Probed { start: "eph_kbind", end: "eph_kbind_x" },
        companions: &[MPTCP_CONNECT],
        sock_ops: SockOps { by_state: true, by_bind: true, misses: None, blind: None },
    },
    SiteRow {
        site: Site::Udp,
        function: "udp_lib_get_port",
        socket: (SockType::Datagram, SockProtocol::Udp),
        arguments: &[3],
        origins: &[Origin::Udp, Origin::Explicit],
        module: None,
        fentry: &[Traced { starts: ["eph_udp", "eph_udp_2"], ends: ["eph_udp_x", "eph_udp_x2"] }],
        kprobe: Probed { start: "eph_kudp", end: "eph_kudp_x" },
        companions: &[AUTOBIND],
        sock_ops: SockOps {
            by_state: false,
            by_bind: true,
            misses: Some("not seen: connects and sends that succeed on an unbound socket"),
            blind: None,
        },
    },
    SiteRow {
        site: Site::Ping,
        function: "ping_get_port",
        socket: (SockType::Datagram, SockProtocol::Icmp),
        arguments: &[2],
        origins: &[Origin::Ping, Origin::Explicit],
        module: None,
        fentry: &[Traced {
            starts: ["eph_ping", "eph_ping_2"],
            ends: ["eph_ping_x", "eph_ping_x2"],
        }],
        kprobe: Probed { start: "eph_kping", end: "eph_kping_x" },
        companions: &[AUTOBIND],
        sock_ops: SockOps {
            by_state: false,
            by_bind: false,
            misses: None,
            blind: Some("cgroup programs do not see ping sockets"),
        },
    },
    SiteRow {
        site: Site::Sctp,
        function: "sctp_get_port_local",
        socket: (SockType::Stream, SockProtocol::Sctp),
        arguments: &[2],
        origins: &[Origin::Sctp, Origin::Explicit],
        module: Some(Module { name: "sctp" }),
        fentry: &[],
        kprobe: Probed { start: "eph_ksctp", end: "eph_ksctp_x" },
        companions: &[SCTP_BIND],
        sock_ops: SockOps {
            by_state: false,
            by_bind: false,
            misses: None,
            blind: Some("cgroup programs do not see SCTP sockets"),
        },
    },
];

/// Sites that a hook can't see, with the reason.
pub type Unseen = Vec<(Site, String)>;

/// Returns the row of `site`.
pub fn row(site: Site) -> &'static SiteRow {
    // Numbers begin at 1, and the table has a row for each, in their order.
    &SITES[site.to_wire() as usize - 1]
}

impl SiteRow {
    /// Returns whether any of `origins` (bits of `Filter::origins`) occurs here.
    pub fn is_wanted(&self, origins: u32) -> bool {
        self.first_wanted(origins).is_some()
    }

    /// Returns the first origin of `origins` (bits of `Filter::origins`) that occurs here.
    pub fn first_wanted(&self, origins: u32) -> Option<Origin> {
        self.origins.iter().copied().find(|&origin| origins & origin_bit(origin) != 0)
    }

    /// Returns the assignments that `hook` misses here, although it sees others.
    pub fn misses(&self, hook: Hook) -> Option<&'static str> {
        match hook {
            Hook::Fentry | Hook::Kprobe => None,
            Hook::SockOps => self.sock_ops.misses,
        }
    }
}

/// Returns the consequence of not seeing `function`, if a hook can do without it.
pub fn unknown_without(function: &str) -> Option<&'static str> {
    let mut companions = SITES.iter().flat_map(|row| row.companions);
    companions.find(|companion| companion.function == function)?.without
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_has_its_row() {
        for &site in Site::ALL {
            assert_eq!(row(site).site, site);
        }
    }

    #[test]
    fn each_row_has_what_its_hooks_need() {
        for row in &SITES {
            let sets = row.fentry.len();
            let fits = if row.module.is_some() { sets == 0 } else { sets > 0 };
            assert!(fits && (sets <= 1 || sets == row.arguments.len()), "{:?}", row.site);
            let SockOps { by_state, by_bind, blind, .. } = row.sock_ops;
            assert_eq!(blind.is_none(), by_state || by_bind, "{:?}", row.site);
        }
    }

    #[test]
    fn every_origin_comes_about_somewhere() {
        // No site sees a NAT.
        for &origin in Origin::ALL.iter().filter(|&&origin| origin != Origin::Nat) {
            assert!(SITES.iter().any(|row| row.origins.contains(&origin)), "{origin:?}");
        }
    }
}
