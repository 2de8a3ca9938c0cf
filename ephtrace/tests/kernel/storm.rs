//! Many connects: no loss, or every loss counted.

use std::process::Command;

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};

use crate::{
    assign::{self, Assign},
    bpf,
    compare::compare,
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::{CONNECT_ONLY, Tracer, pid as pid_of, spawn},
    wait,
};

tests! {
    each_hook: a_storm_loses_nothing, a_storm_of_datagrams_loses_nothing,
        a_storm_is_told_port_by_port, every_loss_is_counted, short_lived_threads_are_reported,
        an_open_search_outlives_many_others;
    first_hook: a_full_ring_is_read_to_its_end;
}

/// The smallest ring buffer that ephtrace makes.
const SMALL_RING: [&str; 2] = ["--ring-size", "4096"];

fn a_storm_loses_nothing(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = setup::storm()?.to_string();
    let storm = Assign::start(&scratch, &["storm", "--wait", "--connects", &connects])?;
    let tracer =
        Tracer::start(&scratch, hook, &["-p", &storm.pid().to_string(), "--origin", "connect"])?;
    let report = storm.storm()?;
    say(&format!("storm beside hook {hook}: {:.0} connects/s", report.rate));
    let trace = tracer.stop()?;
    let summary = trace.complete()?;
    ensure!(report.failures == 0, "{report:?}");
    let told = report.connects - trace.left_out();
    ensure!(summary.kernel.emitted == told, "{report:?}, but {summary:?}");
    ensure!(summary.assignments == told, "{report:?}, but {summary:?}");
    Ok(())
}

/// Ports for a resolver: a UDP socket for each question. The cost of the kernel half is printed
/// beside its cost for TCP, where it looks at more.
fn a_storm_of_datagrams_loses_nothing(hook: &str) -> Result<()> {
    for (by, origin) in [("connect", "connect"), ("udp-bind", "udp"), ("udp", "udp")] {
        // No program on a cgroup sees a UDP socket that the kernel binds by itself.
        if (hook, by) != ("sock_ops", "udp") {
            storm_by(hook, by, origin)?;
        }
    }
    Ok(())
}

fn storm_by(hook: &str, by: &str, origin: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = (setup::storm()? / 2).to_string();
    let storm = Assign::start(&scratch, &["storm", "--wait", "--by", by, "--connects", &connects])?;
    let before = bpf::programs()?;
    let args = ["-p", &storm.pid().to_string(), "--origin", origin];
    let tracer = Tracer::start(&scratch, hook, &args)?;
    let ours = &bpf::programs()? - &before;
    let stats = bpf::measured()?;
    let report = storm.storm()?;
    let (run_time_ns, _) = bpf::run_time(&ours)?;
    drop(stats);
    let trace = tracer.stop()?;
    let summary = trace.complete()?;
    ensure!(report.failures == 0, "{report:?}");
    let told = report.connects - trace.left_out();
    let counts = (summary.kernel.emitted, summary.assignments);
    if summary.hook.as_deref() == Some("sock_ops") && by == "udp" {
        return Ok(());
    }
    ensure!(counts == (told, told), "by {by}: {report:?}, but {summary:?}");
    let each_ns = run_time_ns / report.connects.max(1);
    say(&format!("hook {hook}: by {by}: {:.0}/s, {each_ns} ns in programs each", report.rate));
    Ok(())
}

fn a_storm_is_told_port_by_port(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = (setup::storm()? / 4).to_string();
    let log = scratch.file("truth");
    let args = ["storm", "--wait", "--threads", "4", "--destinations", "3"];
    let log_name = log.display().to_string();
    let more = ["--connects", &connects, "--truth", &log_name];
    let storm = Assign::start(&scratch, &[args.as_slice(), more.as_slice()].concat())?;
    let before = bpf::programs()?;
    let tracer = Tracer::start(&scratch, hook, &["-c", storm.name(), "--origin", "connect"])?;
    storm.storm()?;
    let ours = &bpf::programs()? - &before;
    say(&format!("hook {hook}: {} calls of programs left out", bpf::misses(&ours)?));
    let trace = tracer.stop()?;
    trace.complete()?;
    let truth = assign::read(&std::fs::read_to_string(&log)?)?;
    compare(&truth, &trace, |_| true)
}

/// ephtrace is stopped during the storm, so that its small ring buffer must overflow.
fn every_loss_is_counted(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = setup::storm()?.min(20_000).to_string();
    let storm = Assign::start(&scratch, &["storm", "--wait", "--connects", &connects])?;
    let storm_pid = storm.pid();
    let pid = storm_pid.to_string();
    let args = [SMALL_RING.as_slice(), &CONNECT_ONLY, &["-p", &pid]].concat();
    let tracer = Tracer::start(&scratch, hook, &args)?;
    tracer.signal(Signal::SIGSTOP)?;
    let report = storm.storm()?;
    tracer.signal(Signal::SIGCONT)?;
    let trace = tracer.stop()?;
    let summary = trace.ended_well()?;
    let (emitted, lost) = (summary.kernel.emitted, summary.losses["ring_full"]);
    ensure!(lost > 0, "nothing was lost, so that nothing was tested: {summary:?}");
    let told = report.connects - trace.left_out();
    ensure!(emitted + lost == told, "{report:?}, but {summary:?}");
    ensure!(summary.assignments == emitted, "emitted records got lost: {summary:?}");
    ensure!(trace.lost("ring_full") == lost, "{:?}, but {summary:?}", trace.losses);
    let counted = summary.overflow.as_ref().map(|o| (o.all.assignments, o.all.failures));
    ensure!(counted == Some((lost, 0)), "{lost} lost, but {:?} counted", summary.overflow);
    let by_process = summary.overflow.as_ref().map(|overflow| &overflow.by_process);
    let busiest = by_process.map(|all| (all.busiest.as_slice(), all.other_lost));
    let is_its =
        matches!(busiest, Some(([one], 0)) if (one.pid, one.lost) == (Some(storm_pid), lost));
    ensure!(is_its, "{lost} lost by {storm_pid}, but {by_process:?}");
    ensure!(trace.stderr.contains("only counted"), "nobody was told:\n{}", trace.stderr);
    ensure!(trace.stderr.contains("lost"), "nobody was told:\n{}", trace.stderr);
    Ok(())
}

/// More than one drain of the ring buffer takes, so that another must follow.
const SEVERAL_DRAINS: u64 = 300_000;

/// ephtrace is stopped while its large ring buffer fills, and told to end at once when it
/// continues.
fn a_full_ring_is_read_to_its_end(hook: &str) -> Result<()> {
    if setup::storm()? < SEVERAL_DRAINS / 2 {
        return skip("this machine is too slow to fill a large ring");
    }
    let scratch = Scratch::new()?;
    let count = SEVERAL_DRAINS.to_string();
    let storm =
        Assign::start(&scratch, &["storm", "--wait", "--by", "udp-bind", "--connects", &count])?;
    let mut ephtrace = Command::new(setup::ephtrace());
    let pid = storm.pid().to_string();
    ephtrace.args(["-o", "csv", "--output", "/dev/null", "--origin", "udp", "-p", &pid]);
    let (mut child, mut stderr) = spawn(ephtrace.args(["--hook", hook, "--ring-size", "64M"]))?;
    stderr.wait_for("ephtrace: tracing")?;
    let ephtrace = pid_of(&child);
    kill(ephtrace, Signal::SIGSTOP)?;
    storm.storm()?;
    kill(ephtrace, Signal::SIGINT)?;
    kill(ephtrace, Signal::SIGCONT)?;
    let (status, stderr) = (wait::exit(&mut child)?, stderr.rest());
    ensure!(status.success(), "{status}\n{stderr}");
    ensure!(stderr.contains(&format!("{count} assignments in")), "some are missing:\n{stderr}");
    ensure!(stderr.contains("lost 0 events"), "{stderr}");
    Ok(())
}

/// More threads than the kernel half can have searches in flight, each of which ends after one
/// connect.
fn short_lived_threads_are_reported(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    // The host runs more threads than there is room for; in an emulated guest, a thread takes
    // milliseconds.
    let connects = (setup::storm()? / 4).min(20_000).to_string();
    let log = scratch.file("truth");
    let log_name = log.display().to_string();
    let args = ["storm", "--wait", "--per-thread", "1", "--connects", &connects];
    let storm = Assign::start(&scratch, &[&args[..], &["--truth", &log_name]].concat())?;
    let tracer = Tracer::start(&scratch, hook, &["-c", storm.name(), "--origin", "connect"])?;
    storm.storm()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    let truth = assign::read(&std::fs::read_to_string(&log)?)?;
    compare(&truth, &trace, |_| true)
}

/// More threads search than the kernel half has room for while one search stays open, because the
/// hook must wait for the first write: its state must not make way for theirs.
fn an_open_search_outlives_many_others(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    // Guests run as many as their memory allows.
    let threads = if setup::storm()? < 100_000 { "500" } else { "13000" };
    let crowd = Assign::start(&scratch, &["crowd", "--wait", "--threads", threads])?;
    let tracer = Tracer::start(&scratch, hook, &["-c", crowd.name(), "--origin", "connect"])?;
    let report = crowd.storm()?;
    let trace = tracer.stop()?;
    // The kernel has room for a few return probes at once, and counts the calls beyond. A
    // preemptible kernel leaves out more programs the more threads there are at once.
    let (summary, missed) = if hook == "kprobe" || setup::kernel_preempts() {
        let summary = trace.ended_well()?;
        (summary, summary.losses["hook_missed"] + summary.losses["return_missed"])
    } else {
        (trace.complete()?, trace.left_out())
    };
    ensure!(summary.assignments + missed == report.connects, "{report:?}: {summary:?}");
    Ok(())
}
