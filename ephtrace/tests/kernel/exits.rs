//! A trace always ends with a summary, and leaves nothing in the kernel.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    assign, bpf,
    setup::{Scratch, some_hook},
    tracer::{CONNECT_ONLY, Tracer, command, spawn},
    wait::{self, PATIENCE},
};

tests! {
    each_hook: nothing_stays_attached_after_sigkill, the_first_line_names_the_hook;
    first_hook: each_signal_ends_with_a_summary;
    once: count_ends_after_so_many_events, duration_ends_after_so_long,
        a_closed_pipe_is_success, a_full_disk_is_an_error;
}

fn each_signal_ends_with_a_summary(hook: &str) -> Result<()> {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let scratch = Scratch::new()?;
        let before = bpf::programs()?;
        let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
        let attached = &bpf::programs()? - &before;
        ensure!(!attached.is_empty(), "no program of ours is in the kernel");
        tracer.signal(signal)?;
        let trace = tracer.wait()?;
        trace.complete().with_context(|| signal.to_string())?;
        gone(&attached)?;
    }
    Ok(())
}

fn nothing_stays_attached_after_sigkill(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let before = bpf::programs()?;
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    let attached = &bpf::programs()? - &before;
    tracer.signal(Signal::SIGKILL)?;
    let status = tracer.wait()?.status;
    ensure!(status.signal() == Some(libc::SIGKILL), "{status}");
    gone(&attached)
}

/// Waits until the kernel has removed these programs; it does so with a delay and without a sign.
fn gone(programs: &BTreeSet<u32>) -> Result<()> {
    wait::until("programs stay in the kernel", || {
        Ok(bpf::programs()?.is_disjoint(programs).then_some(()))
    })
}

fn count_ends_after_so_many_events() -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, &some_hook(), &["--count", "3", "--origin", "connect"])?;
    assign::ways(&scratch, 2)?;
    let trace = tracer.wait()?;
    let summary = trace.ended_well()?;
    ensure!(trace.events.len() == 3 && summary.assignments == 3, "{summary:?}");
    Ok(())
}

fn duration_ends_after_so_long() -> Result<()> {
    let scratch = Scratch::new()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let tracer =
        Tracer::start(&scratch, &some_hook(), &["--duration", "1s", "--origin", "connect"])?;
    let start = Instant::now();
    let client = TcpStream::connect(server.local_addr()?)?;
    let port = client.local_addr()?.port();
    let trace = tracer.wait()?;
    let took = start.elapsed();
    trace.complete()?;
    ensure!(took > Duration::from_millis(800), "it ended after {took:?}");
    ensure!(took < PATIENCE / 2, "it ended after {took:?}");
    ensure!(trace.events.iter().any(|e| e.sport == Some(port)), "{port} was not reported");
    Ok(())
}

fn a_closed_pipe_is_success() -> Result<()> {
    let scratch = Scratch::new()?;
    let (mut child, mut stderr) =
        spawn(command(&some_hook(), &[]).stdout(Stdio::piped())).context("starting")?;
    stderr.wait_for("ephtrace: tracing")?;
    let mut stdout = BufReader::new(child.stdout.take().context("no standard output")?);
    assign::ways(&scratch, 1)?;
    let mut line = String::new();
    for _ in 0..3 {
        stdout.read_line(&mut line)?;
    }
    ensure!(line.lines().count() == 3, "three lines were wanted, not {line:?}");
    drop(stdout);
    assign::ways(&scratch, 1)?;
    let status = wait::exit(&mut child)?;
    let stderr = stderr.rest();
    ensure!(status.success(), "{status}\n{stderr}");
    ensure!(!stderr.to_lowercase().contains("pipe"), "{stderr}");
    Ok(())
}

fn a_full_disk_is_an_error() -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, &some_hook(), &["--output", "/dev/full"])?;
    assign::ways(&scratch, 1)?;
    let trace = tracer.wait()?;
    ensure!(trace.status.code() == Some(1), "{}\n{}", trace.status, trace.stderr);
    ensure!(trace.stderr.contains("/dev/full"), "the file is not named:\n{}", trace.stderr);
    ensure!(trace.stderr.contains("No space left"), "the reason is missing:\n{}", trace.stderr);
    ensure!(!trace.stderr.contains("panicked"), "{}", trace.stderr);
    Ok(())
}

fn the_first_line_names_the_hook(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut tracer = Tracer::spawn(&scratch, hook, &CONNECT_ONLY)?;
    let line = tracer.wait_attached()?;
    let trace = tracer.stop()?;
    let used = trace.complete()?.hook.clone().context("the summary names no hook")?;
    ensure!(line.contains(&used), "{line:?} does not name {used}");
    ensure!(hook == "auto" || hook == used, "{used} in place of {hook}");
    Ok(())
}
