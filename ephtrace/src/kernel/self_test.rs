//! Self-test of a hook: ephtrace searches for a port, and the hook must have seen it, with the
//! right port.
//!
//! Attaching without an error proves little: with `kernel.ftrace_enabled=0`, or if the compiler has
//! inlined the function or a live patch has replaced it, programs are attached and never run.
//!
//! The kernel half recognizes ephtrace's searches by the process id. They bypass the filter and end
//! in the map `SELF_TEST`, so that no output, total or verdict includes them.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
    time::{Duration, Instant},
};

use aya::maps::{Array, MapData};
use ephtrace_common::{AssignmentRecord, Hook, Origin};
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockaddrIn, bind, connect, getsockname, listen, socket,
    },
};

use super::{
    decode::{Machine, decode},
    error::is_ftrace_off,
    module,
    sites::{self, Site},
};
use crate::{host::pid_namespace, model::Assignment};

/// Interval between self-tests of a hook. One search costs some microseconds.
const EVERY: Duration = Duration::from_mins(1);

/// A port that is rarely in use, in case the kernel has none to reserve.
const DISCARD: u16 = 9;

/// Outcome of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The search was seen, and all of its fields are right.
    Proven,
    /// No search took place, for this reason.
    Inconclusive(String),
    /// A search took place, but was not seen, or not correctly; for this reason.
    Blind(String),
}

/// Tests of one attached hook.
pub(super) struct SelfTest {
    last: Array<MapData, [u8; size_of::<AssignmentRecord>()]>,
    hook: Hook,
    /// Sites that the hook sees, each with an origin to record.
    subjects: Vec<(Site, Origin)>,
    due: Instant,
}

impl SelfTest {
    /// Creates the tests of `hook`, which sees `sites`, for `origins` (bits of `Filter::origins`).
    /// `last` is the map `SELF_TEST`.
    pub(super) fn new(
        last: Array<MapData, [u8; size_of::<AssignmentRecord>()]>,
        hook: Hook,
        sites: &[Site],
        origins: u32,
    ) -> Self {
        let subject = |&site: &Site| Some((site, sites::row(site).first_wanted(origins)?));
        Self {
            last,
            hook,
            subjects: sites.iter().filter_map(subject).collect(),
            due: Instant::now() + EVERY,
        }
    }

    /// Returns the sites where a search took place that `hook` did not see, with the reason.
    pub(super) fn run(&mut self) -> Vec<(Site, String)> {
        self.due = Instant::now() + EVERY;
        let subjects = self.subjects.clone();
        let test = |(site, origin)| match self.test(site, origin) {
            Sight::Blind(why) => Some((site, why)),
            Sight::Proven => None,
            Sight::Inconclusive(why) => {
                log::info!("{}: not tested: {why}", sites::row(site).function);
                None
            }
        };
        subjects.into_iter().filter_map(test).collect()
    }

    /// Runs the tests if they are due. Each blind site is returned once: it is not tested again.
    pub(super) fn run_if_due(&mut self) -> Vec<(Site, String)> {
        if Instant::now() < self.due {
            return Vec::new();
        }
        let blind = self.run();
        self.forget(&blind);
        blind
    }

    /// Stops testing these sites.
    pub(super) fn forget(&mut self, blind: &[(Site, String)]) {
        self.subjects.retain(|(site, _)| blind.iter().all(|(other, _)| other != site));
    }

    /// Returns the outcome of one more test of each site that is not blind.
    pub(super) fn outcomes(&mut self) -> Vec<(Site, Sight)> {
        let subjects = self.subjects.clone();
        subjects.into_iter().map(|(site, origin)| (site, self.test(site, origin))).collect()
    }

    fn test(&mut self, site: Site, origin: Origin) -> Sight {
        // Otherwise the kernel half could not recognize the search, and would show it.
        if pid_namespace::own_pid(Path::new("/proc")) == 0 {
            return Sight::Inconclusive("ephtrace's own process id is unknown".into());
        }
        if sites::row(site).module.is_some_and(|module| !module::is_loaded(module)) {
            return Sight::Inconclusive("its module is not loaded".into());
        }
        let search = match Search::prepare(site, origin) {
            Ok(search) => search,
            Err(error) => return Sight::Inconclusive(format!("no socket: {error}")),
        };
        if let Err(error) = self.last.set(0, [0; size_of::<AssignmentRecord>()], 0) {
            return Sight::Inconclusive(format!("the map SELF_TEST can't be written: {error}"));
        }
        let outcome = search.make();
        let seen = self.last.get(&0, 0).ok().filter(|bytes| bytes.iter().any(|&byte| byte != 0));
        let seen = seen.map(|bytes| decode(&bytes, &Machine { unix_offset_ns: 0 }));
        match (outcome, seen) {
            (_, Some(Err(error))) => Sight::Blind(format!("reads invalid data: {error}")),
            (Ok(port), Some(Ok(decoded))) => {
                compare(&decoded.assignment, has_address(site, origin), port)
            }
            (Ok(port), None) => Sight::Blind(format!(
                "did not see this process get port {port}{}",
                self.reason(site)
            )),
            // If the range has no room, bind programs see nothing.
            (Err(_), Some(Ok(_))) => Sight::Proven,
            (Err(errno), None) => Sight::Inconclusive(format!("no port: {errno}")),
        }
    }

    /// Returns the likely reason why the hook is blind.
    fn reason(&self, site: Site) -> String {
        let function = sites::row(site).function;
        match self.hook {
            Hook::Fentry | Hook::Kprobe if is_ftrace_off() => {
                ": kernel.ftrace_enabled is 0; run `sysctl kernel.ftrace_enabled=1`".into()
            }
            Hook::Fentry | Hook::Kprobe => {
                format!(": {function} may be inlined, or replaced by a live patch")
            }
            Hook::SockOps => ": its programs do not run for this process's cgroup".into(),
        }
    }
}

/// Returns whether a test's socket has its address when it gets its port: a ping socket gets the
/// port first, and `listen()` on an unbound socket assigns no address.
fn has_address(site: Site, origin: Origin) -> bool {
    site != Site::Ping && origin != Origin::Listen
}

/// Returns whether the record of a search for `port` is right.
fn compare(seen: &Assignment, has_address: bool, port: u16) -> Sight {
    if seen.sport != Some(port) {
        let other = seen.sport.map_or("none".to_owned(), |port| port.to_string());
        return Sight::Blind(format!("saw port {other}, but the kernel assigned {port}"));
    }
    let own = fs::metadata("/proc/self/ns/net").ok().and_then(|m| u32::try_from(m.ino()).ok());
    if own.is_some() && own != seen.flow.netns {
        let netns = seen.flow.netns.map_or("unknown".to_owned(), |netns| netns.to_string());
        return Sight::Blind(format!("saw network namespace {netns}, which is not this process's"));
    }
    if has_address && !seen.flow.saddr.is_loopback() {
        let saddr = seen.flow.saddr;
        return Sight::Blind(format!("saw source address {saddr} of a socket on loopback"));
    }
    Sight::Proven
}

/// A search that is to be made.
struct Search {
    socket: OwnedFd,
    act: Act,
    /// Socket that occupies the port that is connected to, so that nobody listens there.
    _closed: Option<OwnedFd>,
}

/// Call that makes the kernel search.
enum Act {
    Bind(u16),
    Listen,
    Connect(u16),
}

impl Search {
    /// Prepares everything before the call itself.
    fn prepare(site: Site, origin: Origin) -> nix::Result<Self> {
        let socket = open(site)?;
        match (site, origin) {
            (Site::Connect, Origin::Explicit) => {
                bind(socket.as_raw_fd(), &loopback(0))?;
                Self::connect(socket)
            }
            (Site::Connect, _) => Self::connect(socket),
            (_, Origin::Listen) => Ok(Self { socket, act: Act::Listen, _closed: None }),
            (_, Origin::Explicit) => {
                // A port that is free now.
                let port = {
                    let other = open(site)?;
                    bind(other.as_raw_fd(), &loopback(0))?;
                    local_port(&other)?
                };
                Ok(Self { socket, act: Act::Bind(port), _closed: None })
            }
            _ => Ok(Self { socket, act: Act::Bind(0), _closed: None }),
        }
    }

    fn connect(socket: OwnedFd) -> nix::Result<Self> {
        let closed = open(Site::Connect)?;
        let port = match bind(closed.as_raw_fd(), &loopback(0)) {
            Ok(()) => local_port(&closed)?,
            Err(_) => DISCARD,
        };
        Ok(Self { socket, act: Act::Connect(port), _closed: Some(closed) })
    }

    /// Makes the call, and returns the port; fails if the kernel assigned none.
    fn make(&self) -> nix::Result<u16> {
        let fd = self.socket.as_raw_fd();
        match self.act {
            Act::Bind(port) => bind(fd, &loopback(port))?,
            Act::Listen => listen(&self.socket, Backlog::new(1)?)?,
            Act::Connect(port) => match connect(fd, &loopback(port)) {
                Ok(()) | Err(Errno::ECONNREFUSED | Errno::EINPROGRESS) => {}
                Err(errno) => return Err(errno),
            },
        }
        match local_port(&self.socket)? {
            0 => Err(Errno::EADDRNOTAVAIL),
            port => Ok(port),
        }
    }
}

/// Opens a socket whose port is assigned at `site`.
fn open(site: Site) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (kind, protocol) = sites::row(site).socket;
    socket(AddressFamily::Inet, kind, flags, Some(protocol))
}

fn loopback(port: u16) -> SockaddrIn {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
}

fn local_port(socket: &OwnedFd) -> nix::Result<u16> {
    Ok(getsockname::<SockaddrIn>(socket.as_raw_fd())?.port())
}
