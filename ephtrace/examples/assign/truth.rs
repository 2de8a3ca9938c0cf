//! The log of the attempts, one line each, and their measurement.

use std::{
    fs,
    io::{self, BufWriter, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd as _,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result};
pub(crate) use ephtrace_common::Origin;
use serde::{Serialize, Serializer};
use socket2::{SockAddr, Socket};

use crate::{
    calls::Calls,
    net::{self, now_ns},
    netns,
};

/// Writes an origin by ephtrace's name; `none` for an attempt that ended before the search for a
/// port.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn name<S: Serializer>(
    origin: &Option<Origin>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(origin.map_or("none", Origin::name))
}

/// One attempt to get a port, as its own process saw it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attempt {
    /// Name of the way in which the attempt was made.
    pub(crate) way: String,
    /// 4 or 6; an IPv4-mapped destination is 4.
    pub(crate) family: u8,
    /// `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`.
    pub(crate) protocol: &'static str,
    /// Source address, even of a failed attempt.
    pub(crate) saddr: IpAddr,
    /// Port according to `getsockname`; null if none was assigned.
    pub(crate) sport: Option<u16>,
    /// Destination address.
    pub(crate) daddr: IpAddr,
    /// Destination port.
    pub(crate) dport: u16,
    /// Errno of the assignment: 0, or `EADDRNOTAVAIL`, `EADDRINUSE`, `EAGAIN`.
    pub(crate) errno: i32,
    /// Errno of the call, which has more reasons to fail.
    pub(crate) connect_errno: i32,
    /// Process id.
    pub(crate) pid: u32,
    /// Process id of the parent.
    pub(crate) ppid: u32,
    /// Thread id.
    pub(crate) tid: i32,
    /// Name of the process (of its main thread).
    pub(crate) comm: String,
    /// Real user id.
    pub(crate) uid: u32,
    /// Origin of the port.
    #[serde(serialize_with = "name")]
    pub(crate) origin: Option<Origin>,
    /// Inode number of the thread's network namespace.
    pub(crate) netns: u64,
    /// Range in force for the socket, both ends inclusive; null if there is none.
    pub(crate) range: Option<(u16, u16)>,
    /// Socket cookie.
    pub(crate) cookie: Option<u64>,
    /// True if the cookie was also asked for before the attempt. The kernel makes a cookie when it
    /// is asked for, so that a tracer that only reads memory then finds it, and otherwise may not.
    pub(crate) cookie_before: bool,
    /// Time before `connect()`, in nanoseconds since the Unix epoch.
    pub(crate) start_ns: u64,
    /// Time after it.
    pub(crate) end_ns: u64,
    /// Calls of the kernel function that this program counts, from the count's start to the end of
    /// this attempt; null if it counts none.
    pub(crate) calls: Option<u64>,
}

/// A way that this machine does not offer.
#[derive(Serialize)]
struct Skipped<'a> {
    way: &'a str,
    skipped: String,
}

/// Destination of the log, shared by threads.
pub(crate) struct Truth {
    out: Mutex<BufWriter<Box<dyn Write + Send>>>,
    /// Number of attempts so far.
    attempts: AtomicU64,
}

impl Truth {
    /// Writes the log to standard output.
    pub(crate) fn stdout() -> Self {
        Self::to(Box::new(io::stdout()))
    }

    /// Writes the log to a new file.
    pub(crate) fn file(path: &Path) -> Result<Self> {
        let file =
            fs::File::create(path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self::to(Box::new(file)))
    }

    fn to(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(BufWriter::new(out)), attempts: AtomicU64::new(0) }
    }

    /// Asks for the cookie of `socket` before every second attempt; returns true if it did.
    fn asks_for_cookie(&self, socket: &Socket) -> bool {
        let is_asked = self.attempts.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        is_asked && net::cookie(socket.as_raw_fd()).is_ok()
    }

    /// Appends one attempt, after those that were refused before it.
    pub(crate) fn attempt(&self, attempt: &Attempt) -> Result<()> {
        self.refused()?;
        self.line(&serde_json::to_string(attempt)?)
    }

    /// Appends the failed attempts of [`net::bound`].
    fn refused(&self) -> Result<()> {
        for refused in net::take_refused() {
            self.line(&serde_json::to_string(&Attempt::refused(&refused)?)?)?;
        }
        Ok(())
    }

    /// Logs that a way is not available.
    pub(crate) fn skipped(&self, way: &str, why: &anyhow::Error) -> Result<()> {
        self.line(&serde_json::to_string(&Skipped { way, skipped: format!("{why:#}") })?)
    }

    /// Appends lines unchanged.
    pub(crate) fn line(&self, line: &str) -> Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(out, "{}", line.trim_end()).context("writing the log")
    }

    /// Makes everything visible to the reader.
    pub(crate) fn flush(&self) -> Result<()> {
        self.refused()?;
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.flush().context("writing the log")
    }
}

/// One kind of attempt: makes it, asks the kernel for the result, and logs it.
#[derive(Clone)]
pub(crate) struct Probe<'a> {
    truth: &'a Truth,
    way: &'a str,
    to: SocketAddr,
    origin: Origin,
    range: Option<(u16, u16)>,
    calls: Option<&'a Calls>,
}

impl<'a> Probe<'a> {
    /// Returns a probe for ordinary connects to `to`.
    pub(crate) fn new(truth: &'a Truth, way: &'a str, to: SocketAddr) -> Self {
        Self { truth, way, to, origin: Origin::Connect, range: None, calls: None }
    }

    /// Sets the origin of the ports.
    pub(crate) fn origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Sets the range in force, if it is not the namespace's.
    pub(crate) fn range(self, range: (u16, u16)) -> Self {
        Self { range: Some(range), ..self }
    }

    /// Adds the counted calls to the log.
    pub(crate) fn counting(self, calls: Option<&'a Calls>) -> Self {
        Self { calls, ..self }
    }

    /// Returns its destination.
    pub(crate) fn to(&self) -> SocketAddr {
        self.to
    }

    /// Connects `client` and logs it.
    pub(crate) fn connect(&self, client: &Socket) -> Result<Attempt> {
        self.act(client, || client.connect(&SockAddr::from(self.to)))
    }

    /// Calls `act`, which connects `client` in its own manner, and logs it.
    pub(crate) fn act(
        &self,
        client: &Socket,
        act: impl FnOnce() -> io::Result<()>,
    ) -> Result<Attempt> {
        let cookie_before = self.truth.asks_for_cookie(client);
        let (errno, start_ns, end_ns) = timed(act)?;
        let outcome = self.outcome(client, errno)?;
        let attempt = Attempt { cookie_before, start_ns, end_ns, ..outcome };
        self.truth.attempt(&attempt)?;
        Ok(attempt)
    }

    /// Calls `act`, which gives `socket`, bound to the probe's address or to none, a port before it
    /// has a destination; logs it.
    pub(crate) fn bind(
        &self,
        socket: &Socket,
        protocol: &'static str,
        act: impl FnOnce() -> io::Result<()>,
    ) -> Result<Attempt> {
        let cookie_before = self.truth.asks_for_cookie(socket);
        let (errno, start_ns, end_ns) = timed(act)?;
        let local = socket.local_addr()?.as_socket().context("not an internet socket")?;
        let bound = self.to.ip().to_canonical();
        let any = if bound.is_ipv4() { ANY.0 } else { ANY.1 };
        // A ping socket gets its port before its address.
        let saddr = if self.origin == Origin::Ping { any } else { bound };
        let attempt = Attempt {
            way: self.way.to_owned(),
            family: if saddr.is_ipv4() { 4 } else { 6 },
            protocol,
            saddr,
            sport: (errno == 0).then_some(local.port()),
            daddr: any,
            errno,
            connect_errno: errno,
            origin: Some(self.origin),
            // A ping socket's port is an identifier, for which there is no range.
            range: match self.origin {
                Origin::Ping => None,
                _ => Some(self.range.map_or_else(netns::range, Ok)?),
            },
            cookie: net::cookie(socket.as_raw_fd()).ok(),
            cookie_before,
            start_ns,
            end_ns,
            ..Attempt::of_this_thread()?
        };
        self.truth.attempt(&attempt)?;
        Ok(attempt)
    }

    fn outcome(&self, client: &Socket, connect_errno: i32) -> Result<Attempt> {
        let (origin, errno) = match connect_errno {
            0 | libc::EINPROGRESS | libc::ECONNREFUSED => (Some(self.origin), 0),
            libc::EADDRNOTAVAIL => (Some(self.origin), connect_errno),
            libc::ENETUNREACH => (None, connect_errno),
            other => {
                let e = io::Error::from_raw_os_error(other);
                return Err(e).with_context(|| format!("{}: connecting to {}", self.way, self.to));
            }
        };
        let local = client.local_addr()?.as_socket().context("not an internet socket")?;
        let daddr = self.to.ip().to_canonical();
        Ok(Attempt {
            way: self.way.to_owned(),
            family: if daddr.is_ipv4() { 4 } else { 6 },
            protocol: "tcp",
            saddr: source(local.ip(), daddr),
            // A failed search leaves the earlier port in the socket.
            sport: (errno == 0).then_some(local.port()),
            daddr,
            dport: self.to.port(),
            errno,
            connect_errno,
            origin,
            range: Some(self.range.map_or_else(netns::range, Ok)?),
            cookie: net::cookie(client.as_raw_fd()).ok(),
            calls: self.calls.map(Calls::so_far).transpose()?,
            ..Attempt::of_this_thread()?
        })
    }
}

const ANY: (IpAddr, IpAddr) =
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));

/// Calls `act`; returns its errno, and the times before and after it.
fn timed(act: impl FnOnce() -> io::Result<()>) -> Result<(i32, u64, u64)> {
    let start_ns = now_ns();
    let result = act();
    let end_ns = now_ns();
    let errno = match &result {
        Ok(()) => 0,
        Err(e) => e.raw_os_error().context("it failed without an errno")?,
    };
    Ok((errno, start_ns, end_ns))
}

impl Attempt {
    fn refused(refused: &net::Refused) -> Result<Self> {
        let net::Refused { addr, tid, netns, range, start_ns, end_ns } = *refused;
        let is_ipv4 = addr.is_ipv4();
        Ok(Self {
            way: "bound".to_owned(),
            family: if is_ipv4 { 4 } else { 6 },
            saddr: addr.ip(),
            daddr: if is_ipv4 { ANY.0 } else { ANY.1 },
            errno: libc::EADDRINUSE,
            connect_errno: libc::EADDRINUSE,
            tid,
            origin: Some(Origin::Explicit),
            netns,
            range: Some(range),
            start_ns,
            end_ns,
            ..Self::of_this_thread()?
        })
    }

    /// Returns the fields that identify this thread; the others are empty.
    pub(crate) fn of_this_thread() -> Result<Self> {
        Ok(Self {
            way: String::new(),
            family: 4,
            protocol: "tcp",
            saddr: Ipv4Addr::LOCALHOST.into(),
            sport: None,
            daddr: Ipv4Addr::LOCALHOST.into(),
            dport: 0,
            errno: 0,
            connect_errno: 0,
            pid: std::process::id(),
            ppid: std::os::unix::process::parent_id(),
            tid: nix::unistd::gettid().as_raw(),
            comm: fs::read_to_string("/proc/self/comm")?.trim_end().to_owned(),
            uid: nix::unistd::getuid().as_raw(),
            origin: Some(Origin::Connect),
            netns: netns::inode()?,
            range: None,
            cookie: None,
            cookie_before: false,
            start_ns: 0,
            end_ns: 0,
            calls: None,
        })
    }
}

/// Returns the source address: that of `getsockname`, else the one that routing chooses for the
/// loopback device. (A refused or failed connect resets the address but not the port.)
fn source(local: IpAddr, daddr: IpAddr) -> IpAddr {
    match local.to_canonical() {
        ip if !ip.is_unspecified() => ip,
        _ if daddr.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    }
}
