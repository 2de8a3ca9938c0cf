//! Return probes that the kernel misses: a search whose end was not seen must not end with the
//! return of the same task's next call, which would be a success that never was.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};

use crate::{
    notes::say,
    setup::{self, Scratch},
    tracer::{CONNECT_ONLY, Tracer},
};

tests! {
    each_function_hook: a_missed_return_makes_no_success;
}

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Tasks that search at the same time: more than a return probe has slots for.
const TASKS: u16 = 40;

/// Searches of each.
const ROUNDS: u16 = 15;

/// The range of ephemeral ports, narrowed until it is dropped.
struct Narrowed(String);

impl Narrowed {
    fn new() -> Result<Self> {
        let before = fs::read_to_string(RANGE)?;
        fs::write(RANGE, "40000 40999")?;
        Ok(Self(before))
    }
}

impl Drop for Narrowed {
    fn drop(&mut self) {
        // The next test would find a full range.
        let _ = fs::write(RANGE, &self.0);
    }
}

fn a_missed_return_makes_no_success(hook: &str) -> Result<()> {
    let server = TcpListener::bind("127.0.0.1:0").context("no port to listen on")?;
    let to = server.local_addr()?;
    let narrowed = Narrowed::new()?;
    let accepting = server.try_clone()?;
    thread::spawn(move || accepting.incoming().flatten().collect::<Vec<_>>());
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect(to) {
        held.push(stream);
        ensure!(held.len() <= 1000, "the range does not fill up");
    }
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    let (failed, bound) = (AtomicU64::new(0), AtomicU64::new(0));
    let all_at_once = Barrier::new(usize::from(TASKS));
    thread::scope(|scope| {
        for task in 0..TASKS {
            let (failed, bound, all_at_once) = (&failed, &bound, &all_at_once);
            scope.spawn(move || {
                all_at_once.wait();
                for round in 0..ROUNDS {
                    failed.fetch_add(u64::from(TcpStream::connect(to).is_err()), Ordering::Relaxed);
                    let port = 10_000 + task * 200 + round;
                    bound.fetch_add(u64::from(from_port(port, to).is_ok()), Ordering::Relaxed);
                }
            });
        }
    });
    let trace = tracer.stop()?;
    drop((held, narrowed));
    let summary = trace.ended_well()?;
    let failed = failed.into_inner();
    let successes = trace.events.iter().filter(|event| event.errno == Some(0)).count();
    say(&format!(
        "hook {hook}: {failed} failed, {} of them seen, {successes} successes; losses {:?}",
        trace.events.len(),
        summary.losses
    ));
    ensure!(bound.into_inner() > 0, "no connect from a port of the program's own");
    ensure!(failed == u64::from(TASKS) * u64::from(ROUNDS), "{failed} failed");
    ensure!(successes == 0, "{successes} successes, but every search failed");
    let lost: u64 = summary.losses.values().sum();
    let seen = trace.events.len() as u64;
    // On preemptible kernels, a start that was missed is counted with its end, if that was seen:
    // one search in 600 had neither.
    let neither = if setup::kernel_preempts() { failed / 100 } else { 0 };
    ensure!(seen + lost + neither >= failed, "{seen} seen and {lost} lost of {failed}");
    Ok(())
}

/// Connects from a port that the program names, which is no search.
fn from_port(port: u16, to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).into())?;
    socket.connect(&to.into())?;
    socket.set_linger(Some(std::time::Duration::ZERO))?;
    Ok(socket)
}
