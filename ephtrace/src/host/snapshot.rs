//! A snapshot of the kernel's sockets, in this namespace, in named ones, or in all.
//!
//! ```text
//! netns ─→ sysctl, sock_diag (or proc_net) ─→ Census ─→ holders ─→ Inventory
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use thiserror::Error;

use super::{
    hidden,
    holders::{self, Holders, Wanted},
    netns::{self, EnterError, Found},
    ns_file::NsFile,
    proc_net,
    sock_diag::{self, DiagError, Transport},
    sysctl::{self, PROC_SYS_NET, SysctlError},
};
use crate::{
    inventory::{
        Inventory, Namespace, PastOwners, Unreadable,
        census::{Census, Listing},
        namespace::{NetnsRef, Source},
        owners::Owners,
        sysctls::Sysctls,
    },
    model::grouping::By,
};

/// Number of attempts to read a list that changes while the kernel writes it.
const MAX_ATTEMPTS: u32 = 3;

/// Directory of the processes.
const PROC: &str = "/proc";

/// First kernel version that lists sockets which are only bound.
const LISTS_BOUND: (u32, u32) = (6, 8);

/// Namespaces to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The namespace that ephtrace runs in.
    #[default]
    Own,
    /// All namespaces that can be found.
    All,
    /// These namespaces.
    These(Vec<Named>),
}

/// A namespace given by the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Text that the user typed.
    pub text: String,
    /// Inode number of the namespace.
    pub netns: u32,
    /// File that represents it, if one was given.
    pub path: Option<PathBuf>,
}

/// Reason why there is no inventory.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// `/proc` can't be read.
    #[error("can't read /proc: {0}; mount it")]
    Proc(io::Error),
    /// The namespace's settings are not known.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The kernel gave no list.
    #[error(transparent)]
    Diag(#[from] DiagError),
    /// A namespace given by the user can't be entered.
    #[error("network namespace {text}: {cause}")]
    Enter {
        /// Text that the user typed.
        text: String,
        /// Reason of the failure.
        cause: EnterError,
    },
    /// A namespace given by its number is not found.
    #[error(
        "network namespace {0}: no visible process, thread, open file or mount refers to it; \
         `ephtrace ports --netns all` lists the visible ones"
    )]
    NotFound(String),
}

/// Takes an inventory of the ports in use now, with the fullest `limit` destinations of each
/// namespace one by one.
///
/// The cost is about a microsecond of processor time for each socket, and five for each open file
/// of all processes, up to the last holder found.
pub fn snapshot(
    which: &Which,
    limit: usize,
    past_owners: &PastOwners,
) -> Result<Inventory, InventoryError> {
    snapshot_by(By::Process, which, limit, past_owners)
}

/// Takes an inventory like [`snapshot`], with holders grouped `by`.
pub fn snapshot_by(
    by: By,
    which: &Which,
    limit: usize,
    past_owners: &PastOwners,
) -> Result<Inventory, InventoryError> {
    let looked = Looked::at(which)?;
    let wanted: Wanted = looked.censuses.iter().flat_map(|census| census.inodes(limit)).collect();
    let holders = holders::find(Path::new(PROC), wanted).map_err(InventoryError::Proc)?;
    Ok(looked.describe(limit, &holders, past_owners, by))
}

/// Takes an inventory like [`snapshot`], without the holders of sockets: for periodic callers.
pub fn snapshot_without_holders(
    which: &Which,
    limit: usize,
    past_owners: &PastOwners,
) -> Result<Inventory, InventoryError> {
    Ok(Looked::at(which)?.describe(limit, &Holders::default(), past_owners, By::Process))
}

/// Namespaces that were looked at.
#[derive(Default)]
struct Looked {
    censuses: Vec<Census>,
    unreadable: Vec<Unreadable>,
    hidden_processes: Option<u32>,
}

impl Looked {
    fn at(which: &Which) -> Result<Self, InventoryError> {
        let mut looked = Self::default();
        match which {
            Which::Own => looked.own()?,
            Which::All => looked.all()?,
            Which::These(these) => looked.these(these)?,
        }
        Ok(looked)
    }

    fn describe(
        self,
        limit: usize,
        holders: &Holders,
        past_owners: &PastOwners,
        by: By,
    ) -> Inventory {
        let owners = Owners { by, ..Owners::new(&holders.open, past_owners) };
        let censuses = self.censuses.into_iter();
        let mut namespaces: Vec<Namespace> =
            censuses.map(|census| census.describe(limit, owners)).collect();
        namespaces.sort_by(|a, b| {
            b.fullest().total_cmp(&a.fullest()).then(b.place.own.cmp(&a.place.own))
        });
        let hidden_by = hidden::reason(Path::new(PROC));
        Inventory {
            ts_ns: now_ns(),
            namespaces,
            unreadable: self.unreadable,
            hidden_processes: self.hidden_processes.filter(|_| hidden_by.is_none()),
            hidden_holders: Some(holders.hidden_processes).filter(|_| hidden_by.is_none()),
            processes_hidden_by: hidden_by,
            openers_known: !past_owners.is_empty(),
            openers_forgotten: past_owners.evicted(),
        }
    }

    fn own(&mut self) -> Result<(), InventoryError> {
        let netns = netns::own().map_err(InventoryError::Proc)?;
        let name = netns::name_of(netns);
        self.censuses.push(take(NetnsRef { netns, name, own: true, ..NetnsRef::default() })?);
        Ok(())
    }

    fn all(&mut self) -> Result<(), InventoryError> {
        let own = netns::own().map_err(InventoryError::Proc)?;
        let all = netns::find_all(Path::new(PROC)).map_err(InventoryError::Proc)?;
        self.hidden_processes = Some(all.hidden_processes);
        if all.is_cut {
            log::warn!(
                "network namespaces were searched for in the first {} threads and {} open files \
                 only; name others with --netns",
                netns::MAX_THREADS,
                netns::MAX_FILES
            );
        }
        for found in all.found.values() {
            let place = NetnsRef {
                netns: found.netns,
                name: found.name.clone(),
                own: found.netns == own,
                processes: Some(found.processes),
                ns_path: found.doors.first().map(NsFile::path),
            };
            let reason = match enter(found, place) {
                Ok(Ok(census)) => {
                    self.censuses.push(census);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(cause) => cause.to_string(),
            };
            let name = found.name.clone();
            self.unreadable.push(Unreadable { netns: found.netns, name, reason });
        }
        Ok(())
    }

    fn these(&mut self, these: &[Named]) -> Result<(), InventoryError> {
        let own = netns::own().map_err(InventoryError::Proc)?;
        for named in these {
            let text = &named.text;
            let is_own = named.netns == own;
            let found = match &named.path {
                None if is_own => Found { netns: own, ..Found::default() },
                _ => find(named)?,
            };
            let census = enter(&found, place(&found, is_own))
                .map_err(|cause| InventoryError::Enter { text: text.clone(), cause })?;
            self.censuses.push(census?);
        }
        Ok(())
    }
}

/// Finds a namespace given by the user.
pub(super) fn find(named: &Named) -> Result<Found, InventoryError> {
    let Some(path) = &named.path else {
        let mut all = netns::find_all(Path::new(PROC)).map_err(InventoryError::Proc)?;
        let found = all.found.remove(&named.netns);
        return found.ok_or_else(|| InventoryError::NotFound(named.text.clone()));
    };
    Ok(Found {
        netns: named.netns,
        name: netns::name_of(named.netns),
        processes: 0,
        doors: vec![NsFile::new(path.clone())],
    })
}

/// Returns the namespace as outputs show it.
pub(super) fn place(found: &Found, own: bool) -> NetnsRef {
    let ns_path = found.doors.first().map(NsFile::path);
    NetnsRef { netns: found.netns, name: found.name.clone(), own, processes: None, ns_path }
}

/// Takes a census from inside a namespace.
fn enter(found: &Found, place: NetnsRef) -> Result<Result<Census, InventoryError>, EnterError> {
    if place.own { Ok(take(place)) } else { found.inside(|| take(place)) }
}

/// Takes a census of the namespace of this thread.
fn take(place: NetnsRef) -> Result<Census, InventoryError> {
    let sysctls = sysctl::read(Path::new(PROC_SYS_NET))?;
    let listing = list(&sysctls)?;
    Ok(Census::new(place, sysctls, listing))
}

/// Lists sockets by `sock_diag`, or by `/proc/net` if the kernel lacks it or a sandbox forbids it.
pub(super) fn list(sysctls: &Sysctls) -> Result<Listing, InventoryError> {
    let mut listing = match list_by_diag(sysctls) {
        Err(DiagError::Missing { .. } | DiagError::Open(_)) => {
            list_by_proc(sysctls).map_err(InventoryError::Proc)?
        }
        listed => listed?,
    };
    let by_diag = listing.source == Source::SockDiag;
    listing.lists_bound = by_diag && (listing.tcp.bound_only > 0 || kernel() >= Some(LISTS_BOUND));
    Ok(listing)
}

fn list_by_diag(sysctls: &Sysctls) -> Result<Listing, DiagError> {
    let mut listing = Listing::default();
    for _ in 0..MAX_ATTEMPTS {
        listing = Listing::default();
        let began_ns = now_ns();
        let interrupted =
            sock_diag::list(Transport::Tcp, |socket| listing.add_tcp(socket, sysctls))?;
        listing.ts_ns = began_ns.midpoint(now_ns());
        listing.tcp.interrupted = interrupted;
        if !interrupted {
            break;
        }
    }
    sock_diag::list(Transport::Udp, |socket| listing.add_udp(socket, sysctls))?;
    Ok(listing)
}

fn list_by_proc(sysctls: &Sysctls) -> io::Result<Listing> {
    let began_ns = now_ns();
    let mut listing = Listing { source: Source::Proc, ..Listing::default() };
    proc_net::list(Transport::Tcp, |socket| listing.add_tcp(socket, sysctls))?;
    listing.ts_ns = began_ns.midpoint(now_ns());
    proc_net::list(Transport::Udp, |socket| listing.add_udp(socket, sysctls))?;
    Ok(listing)
}

/// Returns the first two numbers of the kernel's version.
fn kernel() -> Option<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    numbers.next()?.ok().zip(numbers.next()?.ok())
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::inventory::{DestinationUse, bound::HeldState};

    #[test]
    fn a_snapshot_of_here_knows_this_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(there).unwrap();
        let here = client.local_addr().unwrap();
        let all = snapshot(&Which::Own, usize::MAX, &PastOwners::default()).unwrap();
        let [namespace] = &*all.namespaces else { panic!("{all:?}") };
        assert_eq!(namespace.place.netns, netns::own().unwrap());
        let to_here = |one: &&DestinationUse| one.flow.remote() == Some(there);
        let one = namespace.destinations.iter().find(to_here).unwrap();
        assert_eq!((one.in_use, one.flow.saddr), (1, IpAddr::from([127, 0, 0, 1])));
        assert_eq!(one.holders[0].owner.pid, Some(std::process::id()), "{here}");
        let held = namespace.bound.held.iter().find(|held| held.port == there.port()).unwrap();
        assert_eq!((held.state, held.saddr), (HeldState::Listen, there.ip()));
    }
}
