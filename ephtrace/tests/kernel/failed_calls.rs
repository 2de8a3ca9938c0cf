//! Calls that fail for lack of a port or of the address are each reported once, and no call that
//! fails for another reason is; or ephtrace says that it does not see them.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    all_clear::{PORTS, in_small_netns, set_no_port},
    mounts::{hide, mount_points, on_a_thread, own_mounts, with_tracefs},
    setup::{self, Scratch},
    tracer::{Trace, Tracer},
    unseen::{Call, sees},
};

tests! {
    each_hook: failed_calls_are_told_once;
    once: without_tracepoints_failures_are_said_to_be_unseen;
}

/// Returns true if this kernel lets hook `sock_ops` see `call` fail.
fn is_offered(call: Call) -> Result<bool> {
    let has = |name: &str| {
        let roots = mount_points("tracefs")?;
        Ok(roots.iter().any(|root| root.join("events/syscalls").join(name).exists()))
    };
    let since = |version| Ok::<bool, anyhow::Error>(setup::kernel()? >= version);
    match call {
        Call::Bind => has("sys_exit_bind"),
        Call::Connect => Ok(has("sys_exit_connect")? && since((5, 15))?),
        Call::Send => since((6, 3)),
    }
}

/// Failures by origin and errno.
type Failures = BTreeMap<(String, i32), usize>;

/// The program's own books of its failures.
#[derive(Default)]
struct Books(Failures);

impl Books {
    fn enter<T>(&mut self, origin: &str, call: Call, done: std::io::Result<T>) -> Result<()> {
        let Err(error) = done else { return Ok(()) };
        let errno = error.raw_os_error().with_context(|| format!("{call:?}: {error}"))?;
        *self.0.entry((origin.to_owned(), errno)).or_default() += 1;
        Ok(())
    }
}

const SOME: usize = 7;

fn any() -> SockAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()
}

fn udp() -> Result<Socket> {
    Ok(Socket::new(Domain::IPV4, Type::DGRAM, None)?)
}

fn tcp() -> Result<Socket> {
    Ok(Socket::new(Domain::IPV4, Type::STREAM, None)?)
}

/// Addresses that no interface has: they are reserved for documentation.
const NOWHERE: [&str; 2] = ["192.0.2.77", "2001:db8::77"];

/// Binds to addresses that no interface has. No search is made, so that a hook sees them only if it
/// sees the call, not the search.
fn bind_to_nowhere(books: &mut Books) -> Result<()> {
    for (addr, domain) in NOWHERE.into_iter().zip([Domain::IPV4, Domain::IPV6]) {
        let addr: IpAddr = addr.parse()?;
        for (kind, origin) in [(Type::STREAM, "bind"), (Type::DGRAM, "udp")] {
            for (port, origin) in [(0, origin), (8010, "explicit")] {
                let socket = Socket::new(domain, kind, None)?;
                let to: SockAddr = SocketAddr::from((addr, port)).into();
                // Binds the socket twice: each call counts.
                for _ in 0..2 {
                    books.enter(origin, Call::Bind, socket.bind(&to))?;
                }
            }
        }
    }
    // Binding without a port makes no search either, and does not fail.
    let socket = tcp()?;
    set_no_port(&socket)?;
    books.enter("bind", Call::Bind, socket.bind(&any()))
}

/// Takes all ports for TCP and UDP, and then asks for more.
fn ask_in_vain(seen: &[Call], taken: &SocketAddr) -> Result<Failures> {
    let mut books = Books::default();
    let mut held = Vec::new();
    for make in [tcp, udp] {
        for _ in 0..PORTS {
            let socket = make()?;
            socket.bind(&any()).context("a range of its own is full already")?;
            held.push(socket);
        }
    }
    let to: SockAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 53)).into();
    let sees_binds = seen.iter().any(|call| matches!(call, Call::Bind));
    for _ in 0..SOME {
        if sees_binds {
            books.enter("bind", Call::Bind, tcp()?.bind(&any()))?;
            books.enter("udp", Call::Bind, udp()?.bind(&any()))?;
            books.enter("explicit", Call::Bind, tcp()?.bind(&(*taken).into()))?;
        } else {
            let _ = tcp()?.bind(&any());
        }
        if seen.iter().any(|call| matches!(call, Call::Connect)) {
            books.enter("udp", Call::Connect, udp()?.connect(&to))?;
        }
        if seen.iter().any(|call| matches!(call, Call::Send)) {
            books.enter("udp", Call::Send, udp()?.send_to(b"x", &to))?;
        }
        let mut absent = Books::default();
        bind_to_nowhere(if sees_binds { &mut books } else { &mut absent })?;
    }
    Ok(books.0)
}

/// Makes calls that fail with the same errno for reasons that have nothing to do with ports.
fn decoys(folder: &Path) -> Result<()> {
    let path = folder.join("unix");
    let listener = UnixListener::bind(&path)?;
    for _ in 0..SOME {
        // The bind leaves the kernel half with a bind that needed no port.
        let socket = tcp()?;
        set_no_port(&socket)?;
        socket.bind(&any())?;
        let again = UnixListener::bind(&path).err().map(|error| error.kind());
        ensure!(again == Some(ErrorKind::AddrInUse), "{again:?}");
    }
    // EAGAIN of a connect: the listener does not accept, and its queue is full.
    let mut waiting = Vec::new();
    let socket = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(socket)
    };
    loop {
        let one = socket()?;
        match one.connect(&SockAddr::unix(&path)?) {
            Ok(()) => waiting.push(one),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
        ensure!(waiting.len() < 100_000, "the queue is never full");
    }
    drop(listener);
    // EAGAIN of a send: the buffer is full.
    let (mut full, _other) = UnixStream::pair()?;
    full.set_nonblocking(true)?;
    while full.write(&[0; 4096]).is_ok() {}
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8001))?;
    let bound = tcp()?;
    bound.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 8002)).into())?;
    bound.connect(&listener.local_addr()?.into())?;
    let mut stream: TcpStream = bound.into();
    stream.set_nonblocking(true)?;
    while stream.write(&[0; 4096]).is_ok() {}
    Ok(())
}

fn told(trace: &Trace) -> Failures {
    let own = std::process::id();
    let mut told = Failures::new();
    for event in trace.events.iter().filter(|event| event.pid == Some(own)) {
        let origin = event.origin.clone().unwrap_or_default();
        *told.entry((origin, event.errno.unwrap_or(0))).or_default() += 1;
    }
    told
}

fn failed_calls_are_told_once(hook: &str) -> Result<()> {
    with_tracefs(|| {
        let scratch = Scratch::new()?;
        let used = setup::used_hook(hook)?;
        let mut seen = vec![Call::Bind, Call::Connect, Call::Send];
        if used == "sock_ops" {
            let offered: Vec<bool> = seen.iter().map(|&c| is_offered(c)).collect::<Result<_>>()?;
            let mut offered = offered.into_iter();
            seen.retain(|_| offered.next() == Some(true));
        }
        let pid = std::process::id().to_string();
        let tracer = Tracer::start(&scratch, hook, &["--failed", "-p", &pid])?;
        let mut books = Failures::new();
        in_small_netns(|listeners| {
            let taken = listeners[0].local_addr()?.as_socket().context("no address")?;
            decoys(scratch.path())?;
            books = ask_in_vain(&seen, &taken)?;
            Ok(())
        })?;
        let trace = tracer.stop()?;
        trace.complete()?;
        ensure!(told(&trace) == books, "told {:?}, in the books {books:?}", told(&trace));
        ensure!(!books.is_empty(), "nothing failed");
        for event in trace.events.iter().filter(|event| event.errno == Some(libc::EADDRNOTAVAIL)) {
            ensure!(NOWHERE.contains(&&*event.saddr.to_string()), "{event:?}");
            let named = (event.origin.as_deref() == Some("explicit")).then_some(8010);
            ensure!(event.first_candidate == named, "{event:?}");
        }
        let unseen = trace.summary.as_ref().and_then(|s| s.unseen_failures.as_deref());
        for call in [Call::Bind, Call::Connect, Call::Send] {
            let is_seen = used != "sock_ops" || is_offered(call)?;
            ensure!(sees(unseen, call) == is_seen, "{call:?}: said to be unseen: {unseen:?}");
        }
        Ok(())
    })
}

fn without_tracepoints_failures_are_said_to_be_unseen() -> Result<()> {
    if !setup::working_hooks()?.iter().any(|hook| hook == "sock_ops") {
        return crate::skip::skip("hook sock_ops does not work here");
    }
    on_a_thread(|| {
        own_mounts()?;
        for folder in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
            if fs::metadata(folder).is_ok() {
                hide(folder)?;
            }
        }
        let scratch = Scratch::new()?;
        let tracer = Tracer::start(&scratch, "sock_ops", &["--failed"])?;
        let trace = tracer.stop()?;
        let summary = trace.complete()?;
        let unseen = summary.unseen_failures.as_deref().context("all is seen")?;
        for call in ["binds", "UDP connects"] {
            ensure!(unseen.contains(call), "no {call} in {unseen:?}");
        }
        let sends_unseen = !is_offered(Call::Send)?;
        ensure!(unseen.contains("UDP sends") == sends_unseen, "sends of UDP: {unseen:?}");
        let mut words = Command::new(setup::ephtrace());
        words.args(["--hook", "sock_ops", "--failed", "--duration", "100ms"]);
        let words = String::from_utf8(words.output()?.stderr)?;
        for part in ["0 failed assignments in ", &format!("/s) (not seen: {unseen}); --failed ")] {
            ensure!(words.contains(part), "no {part:?} in {words}");
        }
        Ok(())
    })
}
