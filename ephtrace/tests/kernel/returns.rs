//! Programs that the kernel leaves out. A search whose end was not seen must not end with the
//! return of the same task's next call, which would be a success that never was. Each search must
//! be seen or counted.

use std::{
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
    changed::Changed,
    notes::say,
    setup::{self, Scratch},
    tracer::{CONNECT_ONLY, Trace, Tracer},
};

tests! {
    each_function_hook: a_missed_return_makes_no_success;
    each_hook: every_search_is_seen_or_counted_as_lost;
}

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Number of tasks that search at the same time: more than a return probe has slots for.
const TASKS: u16 = 40;

/// Searches of each task; more if the kernel preempts programs, because few are left out there.
const ROUNDS: u16 = 15;
const PREEMPTED_ROUNDS: u16 = 150;

/// Outcome of a program's connects, and ephtrace's trace of them.
struct Outcome {
    failed: u64,
    bound: u64,
    trace: Trace,
}

/// Many tasks connect at once while no port is free; in between, they connect from ports of their
/// own if these `are_bound`.
fn connect_in_vain(hook: &str, are_bound: bool) -> Result<Outcome> {
    let server = TcpListener::bind("127.0.0.1:0").context("no port to listen on")?;
    let to = server.local_addr()?;
    let narrowed = Changed::to(RANGE, "40000 40999")?;
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
                for round in 0..rounds() {
                    failed.fetch_add(u64::from(TcpStream::connect(to).is_err()), Ordering::Relaxed);
                    let port = 10_000 + task * 200 + round;
                    let is_bound = are_bound && from_port(port, to).is_ok();
                    bound.fetch_add(u64::from(is_bound), Ordering::Relaxed);
                }
            });
        }
    });
    let trace = tracer.stop()?;
    drop((held, narrowed));
    let failed = failed.into_inner();
    ensure!(failed == u64::from(TASKS) * u64::from(rounds()), "{failed} failed");
    Ok(Outcome { failed, bound: bound.into_inner(), trace })
}

fn rounds() -> u16 {
    if setup::kernel_preempts() { PREEMPTED_ROUNDS } else { ROUNDS }
}

fn a_missed_return_makes_no_success(hook: &str) -> Result<()> {
    let Outcome { failed, bound, trace } = connect_in_vain(hook, true)?;
    let (seen, lost) = seen_and_lost(hook, &trace)?;
    let successes = trace.events.iter().filter(|event| event.errno == Some(0)).count();
    ensure!(bound > 0, "no connect from a port of the program's own");
    ensure!(successes == 0, "{successes} successes, but every search failed");
    ensure!(seen + lost >= failed, "{seen} seen and {lost} lost of {failed}");
    Ok(())
}

/// Holds even if the kernel leaves out every program that would see a search begin or end.
fn every_search_is_seen_or_counted_as_lost(hook: &str) -> Result<()> {
    let Outcome { failed, trace, .. } = connect_in_vain(hook, false)?;
    let (seen, lost) = seen_and_lost(hook, &trace)?;
    let unknown = not_known(&trace);
    say(&format!("hook {hook}: not known: {unknown:?}"));
    let is_all = match &*setup::used_hook(hook)? {
        "fentry" => seen + lost == failed,
        // The kernel counts the kprobes that it leaves out, but not the return probes.
        "kprobe" => seen + lost >= failed,
        _ => {
            (failed..=failed + unknown.unwrap_or(0)).contains(&(seen + lost + unknown.unwrap_or(0)))
        }
    };
    ensure!(is_all, "{seen} seen, {lost} lost, {unknown:?} not known of {failed}");
    Ok(())
}

/// Returns the upper bound on the searches that ephtrace calls not known.
fn not_known(trace: &Trace) -> Option<u64> {
    let said = trace.summary.as_ref()?.unseen_failures.as_deref()?;
    said.split_once("unknown, because")?.1.split_once("up to ")?.1.split(' ').next()?.parse().ok()
}

fn seen_and_lost(hook: &str, trace: &Trace) -> Result<(u64, u64)> {
    let losses = &trace.ended_well()?.losses;
    let seen = trace.events.len() as u64;
    say(&format!("hook {hook}: {seen} seen; losses {losses:?}"));
    Ok((seen, losses.values().sum()))
}

/// Connects from a port that the program names, which needs no search.
fn from_port(port: u16, to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).into())?;
    socket.connect(&to.into())?;
    socket.set_linger(Some(std::time::Duration::ZERO))?;
    Ok(socket)
}
