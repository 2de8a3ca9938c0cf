//! What is in use now: a snapshot of the kernel's list of sockets, TIME_WAIT too, by network
//! namespace and destination, with who holds what.
//!
//! ```text
//! netns ─→ sysctl, diag ─→ Census ─→ holders ─→ Namespace ┐
//!                                    openers ──┘          ├─→ Inventory ─→ text, JSON
//! ```
//!
//! [`snapshot`] does it all; [`census`] and what it is made of do no I/O. It hooks nothing, so it
//! knows nothing of what came before, but by what [`Openers`] were told.

pub mod census;
pub mod diag;
pub mod holders;
pub mod namespace;
pub mod netns;
pub mod openers;
pub mod owners;
pub mod port_set;
pub mod proc_net;
pub mod socket;
pub mod sysctl;
mod text;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use thiserror::Error;

use self::{
    census::{Census, Listing},
    diag::{DiagError, Transport},
    holders::{Holders, Wanted},
    namespace::{Place, Source},
    netns::{EnterError, Found},
    owners::Owners,
    port_set::PortSet,
    socket::{Socket, State},
    sysctl::{PROC_SYS_NET, SysctlError, Sysctls},
};
pub use self::{
    namespace::{Destination, Mark, Namespace, Unreadable},
    openers::Openers,
};

/// Sockets of the range that are kept of one namespace: 48 bytes each, so 48 MiB at most. What is
/// beyond is counted (`left_out`).
pub const MAX_SOCKETS: usize = 1 << 20;

/// How often a list is asked for that changes while the kernel writes it.
const MAX_ATTEMPTS: u32 = 3;

/// Where processes are shown.
const PROC: &str = "/proc";

/// Linux lists sockets that are bound and nothing else from this version on.
const LISTS_BOUND: (u32, u32) = (6, 8);

/// Which namespaces to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The one that ephtrace runs in.
    #[default]
    Own,
    /// All that can be found.
    All,
    /// These.
    These(Vec<Named>),
}

/// A namespace that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What was typed.
    pub text: String,
    /// Its inode number.
    pub netns: u32,
    /// A file that stands for it, where one was named.
    pub path: Option<PathBuf>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inventory {
    /// Always `inventory`.
    pub r#type: &'static str,
    /// When, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Each namespace, the one with the fullest destination first.
    pub namespaces: Vec<Namespace>,
    /// Namespaces that could not be looked at.
    pub unreadable: Vec<Unreadable>,
    /// Processes whose network namespace may not be looked at; null unless all were wanted.
    pub hidden_processes: Option<u32>,
    /// Processes whose open files may not be looked at, so that holders may be missing.
    pub hidden_holders: u32,
    /// It was told who opened connections, so that a TIME_WAIT can have a holder.
    pub openers_known: bool,
    /// Connections that were forgotten, of those that it was told of, for lack of room.
    pub openers_forgotten: u64,
}

/// Why there is no inventory.
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
    /// A namespace that was named can't be entered.
    #[error("network namespace {text}: {cause}")]
    Enter {
        /// What was typed.
        text: String,
        /// Why not.
        cause: EnterError,
    },
    /// A namespace that was named by its number is not found.
    #[error(
        "network namespace {0}: no process is in it and it is mounted nowhere, as far as may be \
         seen; `ephtrace ports --netns all` lists what there is"
    )]
    NotFound(String),
}

/// Looks at what is in use now, with the fullest `limit` destinations of each namespace one by one.
///
/// Takes about a microsecond of processor time for each socket, and five for each open file of all
/// processes, up to where the last holder is found.
pub fn snapshot(
    which: &Which,
    limit: usize,
    openers: &Openers,
) -> Result<Inventory, InventoryError> {
    let looked = Looked::at(which)?;
    let wanted: Wanted = looked.censuses.iter().flat_map(|census| census.inodes(limit)).collect();
    let holders = holders::find(Path::new(PROC), wanted).map_err(InventoryError::Proc)?;
    Ok(looked.describe(limit, &holders, openers))
}

/// The same without asking whose the sockets are, for whoever looks again and again.
pub fn glance(which: &Which, limit: usize) -> Result<Inventory, InventoryError> {
    Ok(Looked::at(which)?.describe(limit, &Holders::default(), &Openers::default()))
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

    fn describe(self, limit: usize, holders: &Holders, openers: &Openers) -> Inventory {
        let owners = Owners { open: &holders.open, openers };
        let censuses = self.censuses.into_iter();
        let mut namespaces: Vec<Namespace> =
            censuses.map(|census| census.describe(limit, owners)).collect();
        namespaces.sort_by(|a, b| {
            b.fullest().total_cmp(&a.fullest()).then(b.place.own.cmp(&a.place.own))
        });
        Inventory {
            r#type: "inventory",
            ts_ns: now_ns(),
            namespaces,
            unreadable: self.unreadable,
            hidden_processes: self.hidden_processes,
            hidden_holders: holders.hidden_processes,
            openers_known: !openers.is_empty(),
            openers_forgotten: openers.evicted(),
        }
    }

    fn own(&mut self) -> Result<(), InventoryError> {
        let netns = netns::own().map_err(InventoryError::Proc)?;
        let name = netns::name_of(netns);
        self.censuses.push(take(Place { netns, name, own: true, ..Place::default() })?);
        Ok(())
    }

    fn all(&mut self) -> Result<(), InventoryError> {
        let own = netns::own().map_err(InventoryError::Proc)?;
        let all = netns::find_all(Path::new(PROC)).map_err(InventoryError::Proc)?;
        self.hidden_processes = Some(all.hidden_processes);
        for found in all.found.values() {
            let place = Place {
                netns: found.netns,
                name: found.name.clone(),
                own: found.netns == own,
                processes: Some(found.processes),
                door: found.doors.first().cloned(),
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
            let found = match &named.path {
                Some(path) => Found {
                    netns: named.netns,
                    name: netns::name_of(named.netns),
                    processes: 0,
                    doors: vec![path.clone()],
                },
                None if named.netns == own => Found { netns: own, ..Found::default() },
                None => netns::find_all(Path::new(PROC))
                    .map_err(InventoryError::Proc)?
                    .found
                    .remove(&named.netns)
                    .ok_or_else(|| InventoryError::NotFound(text.clone()))?,
            };
            let own = named.netns == own;
            let name = found.name.clone();
            let door = found.doors.first().cloned();
            let place = Place { netns: named.netns, name, own, processes: None, door };
            let census = enter(&found, place)
                .map_err(|cause| InventoryError::Enter { text: text.clone(), cause })?;
            self.censuses.push(census?);
        }
        Ok(())
    }
}

/// Looks at a namespace from inside.
fn enter(found: &Found, place: Place) -> Result<Result<Census, InventoryError>, EnterError> {
    if place.own { Ok(take(place)) } else { found.inside(|| take(place)) }
}

/// Looks at the namespace of this thread.
fn take(place: Place) -> Result<Census, InventoryError> {
    let sysctls = Sysctls::read(Path::new(PROC_SYS_NET))?;
    let listing = list(&sysctls)?;
    Ok(Census::new(place, sysctls, listing))
}

/// By `sock_diag`, or by `/proc/net` where the kernel has none or a sandbox forbids to ask.
fn list(sysctls: &Sysctls) -> Result<Listing, InventoryError> {
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
        let interrupted = diag::list(Transport::Tcp, |socket| listing.add_tcp(socket, sysctls))?;
        listing.tcp.interrupted = interrupted;
        if !interrupted {
            break;
        }
    }
    let mut udp_ports = PortSet::default();
    diag::list(Transport::Udp, |socket| listing.add_udp(socket, &mut udp_ports))?;
    listing.udp.ports = udp_ports.split(sysctls.range);
    Ok(listing)
}

fn list_by_proc(sysctls: &Sysctls) -> io::Result<Listing> {
    let mut listing = Listing { source: Source::Proc, ..Listing::default() };
    proc_net::list(Transport::Tcp, |socket| listing.add_tcp(socket, sysctls))?;
    let mut udp_ports = PortSet::default();
    proc_net::list(Transport::Udp, |socket| listing.add_udp(socket, &mut udp_ports))?;
    listing.udp.ports = udp_ports.split(sysctls.range);
    Ok(listing)
}

impl Listing {
    fn add_udp(&mut self, socket: Socket, ports: &mut PortSet) {
        self.udp.sockets += 1;
        ports.insert(socket.sport);
    }

    fn add_tcp(&mut self, socket: Socket, sysctls: &Sysctls) {
        self.tcp.sockets += 1;
        match socket.state {
            State::Listen => self.tcp.listening += 1,
            State::Bound | State::Close => self.tcp.bound_only += 1,
            state => self.tcp.connected.add(state),
        }
        if !sysctls.range.contains(socket.sport) {
            return;
        }
        if self.in_range.len() < MAX_SOCKETS {
            self.in_range.push(socket);
        } else {
            self.tcp.left_out += 1;
        }
    }
}

impl Inventory {
    /// The destination with the largest share of its range, and its namespace.
    pub fn fullest(&self) -> Option<(&Namespace, &Destination)> {
        let first = self.namespaces.first()?;
        Some((first, first.destinations.first()?))
    }

    /// Leaves the fullest `limit` destinations of each namespace; those behind go to the others.
    pub fn cut(&mut self, limit: usize) {
        self.namespaces.iter_mut().for_each(|namespace| namespace.cut(limit));
    }

    /// One JSON object.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    /// For people: what matters most, then each namespace with `limit` destinations.
    pub fn write_text(&self, out: &mut impl io::Write, limit: usize) -> io::Result<()> {
        text::write(out, self, limit)
    }
}

/// The first two numbers of the kernel's version.
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
mod tests;
