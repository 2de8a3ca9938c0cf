//! Capabilities: those that ephtrace uses, their purpose, the loss without each, and how a process
//! drops those that it no longer needs.

use std::io;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
pub use rustix::thread::CapabilitySet as Rights;
use rustix::thread::{
    CapabilitySets, capabilities, set_capabilities, set_keep_capabilities, set_no_new_privs,
};

/// One capability.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// Name, as in `capabilities(7)`.
    pub name: &'static str,
    /// The capability.
    pub right: Rights,
    /// Capabilities of which any one serves instead.
    pub or: Rights,
    /// Use that ephtrace makes of it.
    pub purpose: &'static str,
    /// Loss without it, as the end of a sentence.
    pub lost: &'static str,
}

/// No other capability serves instead.
const NONE: Rights = Rights::empty();

/// All capabilities that ephtrace uses. docs/security.md has the same table; a test compares them.
pub const RIGHTS: [Right; 13] = [
    Right {
        name: "CAP_BPF",
        right: Rights::BPF,
        or: Rights::SYS_ADMIN,
        purpose: "load the programs; read their maps (up to Linux 5.18)",
        lost: "nothing can be traced",
    },
    Right {
        name: "CAP_PERFMON",
        right: Rights::PERFMON,
        or: Rights::SYS_ADMIN,
        purpose: "load tracing programs; attach kprobes, also to modules loaded later",
        lost: "nothing can be traced",
    },
    Right {
        name: "CAP_NET_ADMIN",
        right: Rights::NET_ADMIN,
        or: Rights::SYS_ADMIN,
        purpose: "load cgroup programs; query conntrack",
        lost: "nothing can be traced",
    },
    Right {
        name: "CAP_SYSLOG",
        right: Rights::SYSLOG,
        or: NONE,
        purpose: "read the address of table_perturb in /proc/kallsyms",
        lost: "the candidates of a search are unknown (TRIED)",
    },
    Right {
        name: "CAP_SYS_NICE",
        right: Rights::SYS_NICE,
        or: NONE,
        purpose: "raise the reader's priority above that of traced programs (nice -10)",
        lost: "the reader has normal priority, so a flood may lose records",
    },
    Right {
        name: "CAP_SYS_RESOURCE",
        right: Rights::SYS_RESOURCE,
        or: NONE,
        purpose: "lock memory for the maps, up to Linux 5.10",
        lost: "maps must fit into `ulimit -l` up to Linux 5.10",
    },
    Right {
        name: "CAP_DAC_READ_SEARCH",
        right: Rights::DAC_READ_SEARCH,
        or: Rights::DAC_OVERRIDE,
        purpose: "read tracefs and the open files of other users' processes",
        lost: "sock_ops does not see failed calls; owners of other users' sockets are unknown",
    },
    Right {
        name: "CAP_SYS_PTRACE",
        right: Rights::SYS_PTRACE,
        or: NONE,
        purpose: "read the namespaces and open files of other users' processes",
        lost: "other users' namespaces and the owners of their sockets are unknown",
    },
    Right {
        name: "CAP_SYS_ADMIN",
        right: Rights::SYS_ADMIN,
        or: NONE,
        purpose: "enter other network namespaces; let the kernel measure the programs (bpf_stats)",
        lost: "ports in use in other network namespaces and the programs' cost are unknown",
    },
    Right {
        name: "CAP_DAC_OVERRIDE",
        right: Rights::DAC_OVERRIDE,
        or: NONE,
        purpose: "write files in directories of other users",
        lost: "ephtrace can write files only in its own user's directories",
    },
    Right {
        name: "CAP_CHOWN",
        right: Rights::CHOWN,
        or: NONE,
        purpose: "give files beside another user's file to that user",
        lost: "files beside another user's file belong to ephtrace's user",
    },
    Right {
        name: "CAP_FOWNER",
        right: Rights::FOWNER,
        or: NONE,
        purpose: "set the mode of another user's files",
        lost: "another user's files keep their mode",
    },
    Right {
        name: "CAP_NET_BIND_SERVICE",
        right: Rights::NET_BIND_SERVICE,
        or: NONE,
        purpose: "probe ports below 1024 (`explain --probe`)",
        lost: "`explain --probe` can't probe ports below 1024",
    },
];

/// Capabilities to load and attach programs, with everything around it.
pub const TO_ATTACH: Rights = Rights::BPF
    .union(Rights::PERFMON)
    .union(Rights::NET_ADMIN)
    .union(Rights::SYSLOG)
    .union(Rights::SYS_NICE)
    .union(Rights::SYS_RESOURCE)
    .union(Rights::DAC_READ_SEARCH);

/// Capabilities to write into directories of other users, and to give files to them.
pub const TO_WRITE: Rights = Rights::DAC_OVERRIDE.union(Rights::CHOWN).union(Rights::FOWNER);

/// Capabilities to look at the sockets, processes and network namespaces of all users.
pub const TO_LOOK: Rights = Rights::SYS_ADMIN
    .union(Rights::SYS_PTRACE)
    .union(Rights::DAC_READ_SEARCH)
    .union(Rights::NET_ADMIN);

impl Right {
    /// Returns whether `held` has the capability, or one that serves instead.
    pub fn is_in(&self, held: Rights) -> bool {
        held.intersects(self.right.union(self.or))
    }
}

/// Returns the effective capabilities of this thread.
pub fn held() -> io::Result<Rights> {
    Ok(capabilities(None)?.effective)
}

/// Drops all capabilities of this thread but `rights`, for itself and everything that it starts.
/// Capabilities that it lacks are not added. Other threads of the process are not affected.
pub fn keep(rights: Rights) -> io::Result<()> {
    let permitted = capabilities(None)?.permitted.intersection(rights);
    let sets = CapabilitySets { effective: permitted, permitted, inheritable: Rights::empty() };
    set_capabilities(None, sets)?;
    Ok(set_no_new_privs(true)?)
}

/// Returns whether `work` succeeds without `right`, which this thread can regain afterwards.
pub fn works_without(right: Rights, work: impl FnOnce() -> bool) -> bool {
    let Ok(before) = capabilities(None) else { return false };
    let without = CapabilitySets { effective: before.effective.difference(right), ..before };
    let works = set_capabilities(None, without).is_ok() && work();
    set_capabilities(None, before).is_ok() && works
}

/// A user of this machine, whose identity a process may take in place of root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Makes `account` the user of this process, with its groups, and keeps `rights` of the
/// capabilities at hand. Call it before other threads start.
pub fn become_user(account: &Account, rights: Rights) -> io::Result<()> {
    set_keep_capabilities(true)?;
    let groups: Vec<Gid> = account.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    setgroups(&groups)?;
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    set_keep_capabilities(false)?;
    keep(rights)
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn the_page_has_each_right_with_what_it_is_for() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
        let page = fs::read_to_string(page).unwrap();
        for Right { name, purpose, lost, .. } in RIGHTS {
            let row = format!("| `{name}` | {purpose} | {lost} |");
            assert!(page.contains(&row), "docs/security.md lacks:\n{row}");
        }
    }

    #[test]
    fn a_thread_gives_up_rights_for_itself_alone() {
        let before = held().unwrap();
        let after = thread::spawn(|| {
            keep(Rights::SYS_NICE).unwrap();
            held().unwrap()
        });
        assert!(Rights::SYS_NICE.contains(after.join().unwrap()));
        assert_eq!(held().unwrap(), before);
    }

    #[test]
    fn what_works_without_a_right_is_found_out() {
        let before = held().unwrap();
        assert!(works_without(Rights::CHOWN, || !held().unwrap().contains(Rights::CHOWN)));
        assert!(!works_without(Rights::CHOWN, || false));
        assert_eq!(held().unwrap(), before);
    }
}
