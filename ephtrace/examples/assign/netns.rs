//! Network namespaces: one for each thread that asks, removed when the thread ends.

use std::{fs, io, os::fd::AsRawFd as _, os::unix::fs::MetadataExt as _, thread};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};

use crate::skip;

/// Range of the namespace of the thread that opens the file.
const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Runs `work` on a thread in a new network namespace whose loopback device is up; its ephemeral
/// range is `range`, or the default one.
pub(crate) fn in_new<T: Send>(
    range: Option<(u16, u16)>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter_new()?;
            if let Some(range) = range {
                set("ip_local_port_range", &format!("{} {}", range.0, range.1))?;
            }
            work()
        });
        thread.join().map_err(|_| anyhow!("a thread panicked"))?
    })
}

/// Moves this thread and its future child threads to a new network namespace whose loopback device
/// is up.
pub(crate) fn enter_new() -> Result<()> {
    let errnos = &[libc::EPERM, libc::EINVAL];
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|e| skip::lacking("a network namespace can't be made", errnos, e.into()))?;
    loopback_up().context("bringing up the loopback device")
}

/// Writes a sysctl below `net.ipv4` of this thread's namespace.
pub(crate) fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv4/{name}");
    fs::write(&path, value).with_context(|| format!("writing {value:?} to {path}"))
}

/// Returns the ephemeral range of this thread's namespace, both ends inclusive.
pub(crate) fn range() -> Result<(u16, u16)> {
    let text = fs::read_to_string(RANGE).context(RANGE)?;
    let mut ends = text.split_whitespace().map(str::parse);
    match (ends.next(), ends.next()) {
        (Some(Ok(low)), Some(Ok(high))) => Ok((low, high)),
        _ => Err(anyhow!("{RANGE} holds {text:?}")),
    }
}

/// Returns the inode number of this thread's namespace.
pub(crate) fn inode() -> Result<u64> {
    let path = "/proc/thread-self/ns/net";
    Ok(fs::metadata(path).context(path)?.ino())
}

fn loopback_up() -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: all zero is a valid `ifreq`: it holds integers and arrays of them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
    // SAFETY: `request` is of the type that SIOCSIFFLAGS reads, and outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
