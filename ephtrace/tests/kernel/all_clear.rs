//! No false all-clear: whatever takes the ports, `check` and `ports` predict what the kernel does
//! next.
//!
//! Each case fills a range in a network namespace of its own, runs ephtrace, and then asks the
//! kernel: it binds and connects until the kernel refuses.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MsFlags, mount};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::{
    mounts::{on_a_thread, own_mounts},
    ports::books::in_new_netns,
    setup::{self, Scratch},
    wait,
};

tests! {
    once: what_takes_the_ports_is_accounted_for, time_waits_count_unless_they_can_be_taken_over,
        without_all_processes_holders_are_unknown, an_answer_that_is_not_written_is_unknown;
}

/// Number of destinations that the connects are spread over.
const DESTINATIONS: u16 = 10;

/// Port of the first destination's listener.
pub(crate) const FIRST: u16 = 7001;

/// Number of ports in the range, none of which is reserved.
pub(crate) const PORTS: usize = 100;

/// A user without rights.
const NOBODY: u32 = 65_534;

/// `IP_BIND_ADDRESS_NO_PORT`.
const NO_PORT: libc::c_int = 24;

/// One way to take ports.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each with each other")]
struct Case {
    sockets: usize,
    is_tcp: bool,
    is_ipv6: bool,
    no_port: bool,
    reuse_address: bool,
    autobind_reuse: bool,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let both = [false, true];
        [PORTS / 2, PORTS * 9 / 10, PORTS].into_iter().flat_map(move |sockets| {
            (0..32_u32).map(move |bits| {
                let is = |nth: u32| both[usize::from(bits & (1 << nth) != 0)];
                Self {
                    sockets,
                    is_tcp: is(0),
                    is_ipv6: is(1),
                    no_port: is(2),
                    reuse_address: is(3),
                    autobind_reuse: is(4),
                }
            })
        })
    }

    fn localhost(self, port: u16) -> SocketAddr {
        let addr: IpAddr =
            if self.is_ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        SocketAddr::new(addr, port)
    }

    /// Returns a socket that is bound to an address, and then connected.
    fn take(self, nth: usize) -> Result<Socket> {
        let kind = if self.is_tcp { Type::STREAM } else { Type::DGRAM };
        let socket = socket(self.is_ipv6, kind)?;
        socket.set_reuse_address(self.reuse_address)?;
        if self.no_port {
            set_no_port(&socket)?;
        }
        socket.bind(&self.localhost(0).into())?;
        let port = FIRST + u16::try_from(nth)? % DESTINATIONS;
        socket.connect(&self.localhost(port).into())?;
        Ok(socket)
    }
}

pub(crate) fn socket(is_ipv6: bool, kind: Type) -> Result<Socket> {
    Ok(Socket::new(if is_ipv6 { Domain::IPV6 } else { Domain::IPV4 }, kind, None)?)
}

pub(crate) fn set_no_port(socket: &Socket) -> Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on))?;
    // SAFETY: the option takes an integer, which outlives the call.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_IP, NO_PORT, (&raw const on).cast(), size)
    };
    ensure!(done == 0, "IP_BIND_ADDRESS_NO_PORT: {}", std::io::Error::last_os_error());
    Ok(())
}

pub(crate) fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv4/{name}");
    fs::write(&path, value).with_context(|| format!("writing {value:?} to {path}"))
}

/// Runs `work` in a namespace with [`PORTS`] ports, and with listeners for both families.
pub(crate) fn in_small_netns(work: impl FnOnce(Vec<Socket>) -> Result<()> + Send) -> Result<()> {
    in_new_netns(|| {
        set("ip_local_reserved_ports", "\n")?;
        let mut listeners = Vec::new();
        for is_ipv6 in [false, true] {
            let case = Case { is_ipv6, ..Case::all().next().context("no case")? };
            for nth in 0..DESTINATIONS {
                let listener = socket(is_ipv6, Type::STREAM)?;
                listener.set_reuse_address(true)?;
                listener.bind(&case.localhost(FIRST + nth).into())?;
                listener.listen(512)?;
                listeners.push(listener);
            }
        }
        work(listeners)
    })
}

pub(crate) fn ports(args: &[&str]) -> Result<Value> {
    let output = Command::new(setup::ephtrace()).args(["ports", "--json"]).args(args).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn check() -> Result<(Option<i32>, String)> {
    let output = Command::new(setup::ephtrace()).args(["check", "--no-trace"]).output()?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?))
}

/// Counts how many more sockets the kernel gives before it refuses for lack of a port; they stay
/// open until then.
fn until_refused(mut one: impl FnMut() -> std::io::Result<Socket>) -> Result<usize> {
    let mut given = Vec::new();
    loop {
        match one() {
            Ok(socket) => given.push(socket),
            Err(error) => {
                let errno = error.raw_os_error().context("no errno")?;
                let is_want = [libc::EADDRINUSE, libc::EADDRNOTAVAIL, libc::EAGAIN];
                ensure!(is_want.contains(&errno), "{error}");
                return Ok(given.len());
            }
        }
        ensure!(given.len() <= PORTS, "more ports than there are");
    }
}

fn bind_any(is_ipv6: bool, kind: Type) -> std::io::Result<Socket> {
    let domain = if is_ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, kind, None)?;
    let any: IpAddr =
        if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    socket.bind(&SocketAddr::new(any, 0).into())?;
    Ok(socket)
}

fn number(value: &Value) -> Result<usize> {
    Ok(usize::try_from(value.as_u64().with_context(|| format!("no number: {value}"))?)?)
}

/// Checks that the kernel gives exactly the ports that were said to be left; returns true if it
/// refuses the first one.
fn left_is_true(namespace: &Value) -> Result<bool> {
    let mut is_full = false;
    for (ask, kind) in [("bind", Type::STREAM), ("udp", Type::DGRAM)] {
        for (family, is_ipv6) in [(4, false), (6, true)] {
            let all = namespace["asked"].as_array().context("nothing asked")?;
            let one = all.iter().find(|one| one["ask"] == ask && one["family"] == family);
            let one = one.context("not asked")?;
            let (left, unsure) = (number(&one["left"])?, number(&one["unsure"])?);
            let given = until_refused(|| bind_any(is_ipv6, kind))?;
            ensure!(left - unsure <= given && given <= left, "{given} given, but said: {one}");
            is_full |= given == 0;
        }
    }
    Ok(is_full)
}

fn connect_left_is_true(namespace: &Value, case: Case) -> Result<bool> {
    let to = case.localhost(FIRST);
    let all = namespace["destinations"].as_array().context("no destinations")?;
    let is_to =
        |one: &&Value| one["dport"] == FIRST && one["daddr"] == to.ip().to_string().as_str();
    let Some(one) = all.iter().find(is_to) else { return Ok(false) };
    let given = until_refused(|| {
        let domain = if case.is_ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.connect(&to.into())?;
        Ok(socket)
    })?;
    let (least, most) = (number(&one["left_least"])?, number(&one["left"])?);
    ensure!(least <= given && given <= most, "{given} connects succeed, but said: {one}");
    Ok(given == 0)
}

/// Returns the ports that the kernel gave to these sockets.
fn own_ports(sockets: &[Socket]) -> Result<BTreeSet<u16>> {
    let port = |socket: &Socket| {
        let addr = socket.local_addr()?.as_socket().context("no address")?;
        Ok(addr.port())
    };
    sockets.iter().map(port).collect()
}

fn one_case(case: Case) -> Result<()> {
    in_small_netns(|_listeners| {
        set("ip_autobind_reuse", if case.autobind_reuse { "1" } else { "0" })?;
        let mut sockets = Vec::new();
        for nth in 0..case.sockets {
            sockets.push(case.take(nth).with_context(|| format!("socket {nth}"))?);
        }
        let said = ports(&["--limit", "50"])?;
        let (code, line) = check()?;
        let namespace = &said["namespaces"][0];
        let is_full = left_is_true(namespace)?;
        let is_full = connect_left_is_true(namespace, case)? || is_full;
        let is_critical = code == Some(2);
        ensure!(is_critical || !is_full, "the kernel refuses, but exit {code:?}: {line}");
        // The thresholds are 50 and 90 %.
        let taken = own_ports(&sockets)?.len();
        let expected = u8::from(taken > PORTS / 2) + u8::from(taken > PORTS * 9 / 10);
        ensure!(code == Some(expected.into()), "{taken} ports, but exit {code:?}: {line}");
        ensure!((taken == PORTS) == is_full, "{taken} ports taken, full: {is_full}");
        Ok(())
    })
    .with_context(|| format!("{case:?}"))
}

fn what_takes_the_ports_is_accounted_for() -> Result<()> {
    ensure!(Case::all().count() == 96, "not all cases");
    Case::all().try_for_each(one_case)
}

/// Takes all ports by connects that this side closes first.
fn fill_with_time_waits(listeners: &[Socket]) -> Result<()> {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST));
    for _ in 0..PORTS {
        let client = socket(false, Type::STREAM)?;
        client.connect(&to.into())?;
        let (server, _) = listeners[0].accept()?;
        drop(client);
        // Reads the end of the stream: the client has closed.
        let _ = server.recv(&mut [std::mem::MaybeUninit::uninit()])?;
    }
    Ok(())
}

/// Returns true if every socket in `TIME_WAIT` is old enough to be taken over; older kernels
/// compare full seconds. The kernel's own list gives the time left of each, in hundredths of a
/// second.
fn are_old() -> Result<bool> {
    const ALL_OF_IT: u64 = 60 * 100;
    const OLD: u64 = 205;
    let text = fs::read_to_string("/proc/thread-self/net/tcp")?;
    let left = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(3);
        let is_waiting = fields.next()? == "06";
        let timer = fields.nth(1)?.strip_prefix("03:").filter(|_| is_waiting)?;
        u64::from_str_radix(timer, 16).ok()
    });
    let left: Vec<u64> = left.collect();
    Ok(left.len() == PORTS && left.iter().all(|left| left + OLD <= ALL_OF_IT))
}

/// Connects to the first destination once more.
pub(crate) fn connect_once() -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST)).into())?;
    Ok(socket)
}

fn time_waits_count_unless_they_can_be_taken_over() -> Result<()> {
    for (timestamps, reuse, is_fine) in [("1", "2", true), ("0", "2", false), ("1", "0", false)] {
        in_small_netns(|listeners| {
            set("tcp_timestamps", timestamps)?;
            // On a slow machine, connects would otherwise take over sockets that are a second old.
            set("tcp_tw_reuse", "0")?;
            fill_with_time_waits(&listeners)?;
            set("tcp_tw_reuse", reuse)?;
            wait::until("TIME_WAITs are old", || Ok(are_old()?.then_some(())))?;
            let said = ports(&[])?;
            let (code, line) = check()?;
            let one = &said["namespaces"][0]["destinations"][0];
            ensure!(one["by_state"]["time_wait"] == PORTS, "{one}");
            ensure!(connect_once().is_ok() == is_fine, "the next connect: {is_fine} was expected");
            let reusable = if is_fine { PORTS } else { 0 };
            ensure!(one["time_wait_reusable"] == reusable, "{one}");
            ensure!(one["mark"] == if is_fine { "none" } else { "full" }, "{one}");
            let is_said_full = said["findings"]
                .as_array()
                .is_some_and(|all| all.iter().any(|finding| finding["rule"] == "full"));
            ensure!(is_said_full != is_fine, "{}", said["findings"]);
            // A bind may not take over a port in TIME_WAIT.
            ensure!(until_refused(|| bind_any(false, Type::STREAM))? == 0, "a bind succeeds");
            ensure!(line.contains("bind() to port 0: 100 of 100"), "{line}");
            ensure!(code == Some(if is_fine { 1 } else { 2 }), "exit {code:?}: {line}");
            let worst = &said["findings"][0]["severity"];
            ensure!((worst == "critical") != is_fine, "{}", said["findings"]);
            ensure!(line.contains("use=0.00%") == is_fine, "{line}");
            Ok(())
        })
        .with_context(|| format!("timestamps {timestamps}, reuse {reuse}"))?;
    }
    Ok(())
}

fn without_all_processes_holders_are_unknown() -> Result<()> {
    let scratch = Scratch::new()?;
    let ephtrace = scratch.program(&setup::ephtrace(), "ephtrace")?;
    on_a_thread(|| {
        own_mounts()?;
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), Some("hidepid=2"))
            .context("mounting /proc")?;
        let said = |uid: u32| {
            let mut command = Command::new(&ephtrace);
            command.args(["ports", "--json", "--netns", "all"]).uid(uid).gid(uid);
            let output = command.output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Ok(serde_json::from_slice::<Value>(&output.stdout)?)
        };
        let nobody = said(NOBODY)?;
        for key in ["hidden_processes", "hidden_holders"] {
            ensure!(nobody[key].is_null(), "{key}: {}", nobody[key]);
        }
        let reason = nobody["processes_hidden_by"].as_str().context("no reason")?;
        ensure!(reason.contains("hidepid"), "{reason}");
        let root = said(0)?;
        ensure!(root["hidden_processes"].is_number(), "{}", root["hidden_processes"]);
        ensure!(root["processes_hidden_by"].is_null(), "{}", root["processes_hidden_by"]);
        Ok(())
    })
}

fn an_answer_that_is_not_written_is_unknown() -> Result<()> {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let full = match full {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return crate::skip::skip("there is no /dev/full");
        }
        full => full?,
    };
    let mut command = Command::new(setup::ephtrace());
    let status = command.args(["check", "--no-trace"]).stdout(Stdio::from(full)).status()?;
    ensure!(status.code() == Some(3), "{status}");
    Ok(())
}
