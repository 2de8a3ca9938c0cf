//! Every way in which the kernel assigns a port, and its event.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    assign::{self, Assign, Attempt},
    compare::{compare, compare_events},
    mounts::with_tracefs,
    setup::{self, Scratch},
    skip::skip,
    tracer::{Event, Tracer},
};

tests! {
    each_hook: every_way_is_reported_once, two_processes_at_once_are_told_apart,
        two_tracers_at_once_see_the_same, a_filtered_bind_leaves_a_connect_alone,
        a_kernel_without_ipv6_is_traced, named_ports_are_told_on_request;
    once: every_way_is_offered, every_key_is_in_every_line;
}

fn every_way_is_reported_once(hook: &str) -> Result<()> {
    with_tracefs(|| each_once(hook))
}

fn each_once(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &[])?;
    let truth = assign::ways(&scratch, setup::times()?)?;
    let trace = tracer.stop()?;
    let summary = trace.complete()?;
    compare(&truth, &trace, |_| true)?;
    let bound = truth.iter().filter(|a| a.origin == "explicit");
    ensure!(summary.kernel.already_bound >= bound.count() as u64, "{summary:?}");
    ensure!(trace.events.iter().all(|e| e.hook == summary.hook), "the hook differs");
    Ok(())
}

fn two_processes_at_once_are_told_apart(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &[])?;
    let times = setup::times()?.to_string();
    let both: Vec<Assign> = (0..2)
        .map(|_| Assign::start(&scratch, &["ways", "--wait", "--times", &times]))
        .collect::<Result<_>>()?;
    let mut truth = Vec::new();
    let outputs: Vec<Result<Vec<Attempt>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = both.into_iter().map(|a| scope.spawn(|| a.truth())).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    ensure!(outputs.len() == 2, "a thread panicked");
    for output in outputs {
        truth.extend(output?);
    }
    let trace = tracer.stop()?;
    trace.complete()?;
    compare(&truth, &trace, |_| true)
}

fn two_tracers_at_once_see_the_same(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracers = [Tracer::start(&scratch, hook, &[])?, Tracer::start(&scratch, hook, &[])?];
    let truth = assign::ways(&scratch, setup::times()?)?;
    for tracer in tracers {
        let trace = tracer.stop()?;
        trace.complete()?;
        compare(&truth, &trace, |_| true)?;
    }
    Ok(())
}

/// A bind that no filter wants, in the middle of a connect with a deferred SYN: both are told
/// apart.
fn a_filtered_bind_leaves_a_connect_alone(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    // A bind has no destination.
    let args = ["--origin", "connect,bind", "--dst", "127.0.0.0/8"];
    let tracer = Tracer::start(&scratch, hook, &args)?;
    let times = setup::times()?.to_string();
    let args = ["ways", "--times", &times, "--only", "fastopen_beside_bind"];
    all_told(&scratch, tracer, &args)
}

/// Runs `assign` with `args` while `tracer` traces, and checks that it tells all attempts and
/// nothing else.
fn all_told(scratch: &Scratch, tracer: Tracer, args: &[&str]) -> Result<()> {
    let truth = Assign::start(scratch, args)?.truth()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    compare(&truth, &trace, |_| true)
}

/// Uses the kernel's types without the addresses of IPv6, as without `CONFIG_IPV6`.
fn a_kernel_without_ipv6_is_traced(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let btf = scratch.file("btf");
    let mut types = fs::read("/sys/kernel/btf/vmlinux")?;
    for name in [b"\0skc_v6_daddr\0".as_slice(), b"\0skc_v6_rcv_saddr\0"] {
        let at = types.windows(name.len()).position(|bytes| bytes == name);
        types[at.context("the kernel has no IPv6 itself")? + 1] = b'-';
    }
    fs::write(&btf, types)?;
    let btf = btf.display().to_string();
    let tracer = Tracer::start(&scratch, hook, &["--btf", &btf])?;
    let args = ["ways", "--times", "3", "--only", "ipv4,tcp_bind,listen,udp_bind"];
    all_told(&scratch, tracer, &args)
}

/// Ports that the program named, or that it had before it connected.
fn named_ports_are_told_on_request(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &["--origin", "explicit"])?;
    let times = setup::times()?.to_string();
    // Among them are connects whose port the kernel chooses: they are not asked for, and must not
    // be counted as lost.
    let only = "bind_zero,bind_explicit,bind_explicit_conflict,udp_bind,ipv4,ipv6";
    let args = ["ways", "--times", &times, "--only", only];
    let truth = Assign::start(&scratch, &args)?.truth()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    ensure!(trace.events.iter().all(|e| e.origin.as_deref() == Some("explicit")), "not asked for");
    let pid = truth.first().map(|a| a.pid);
    let (connects, binds): (Vec<Event>, Vec<Event>) =
        trace.events.iter().cloned().partition(|e| e.dport.is_some());
    let named = |a: &Attempt| a.origin == "explicit" && a.dport != 0;
    compare_events(&truth, &connects, trace.left_out(), named)?;
    // The sockets that listen, and the clients that named their port.
    let named = binds.iter().filter(|e| e.pid == pid && e.sport.is_some()).count() as u64;
    ensure!(named > 2 * setup::times()?, "{named} binds to a port with a name");
    Ok(())
}

/// Tests leave out the ways that this kernel does not offer; they are counted here.
fn every_way_is_offered() -> Result<()> {
    let scratch = Scratch::new()?;
    let output = Assign::start(&scratch, &["ways", "--times", "1"])?.output()?;
    let left_out = assign::left_out(&output)?;
    if left_out.is_empty() { Ok(()) } else { skip(left_out.join("; ")) }
}

/// Keys of the contract, in its order.
const KEYS: &str = "type ts ts_ns pid tid comm uid netns cgroup_id container container_name image \
    pod pod_namespace unit family protocol \
    origin saddr sport daddr dport errno error latency_ns range_low range_high \
    range_source salt_epoch first_candidate tried pass search_unknown step \
    self_connect cookie hook host_pid";

fn every_key_is_in_every_line() -> Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.file("output");
    let output = path.to_str().context("a path that is no text")?;
    let tracer = Tracer::start(&scratch, &setup::some_hook(), &["--output", output])?;
    assign::ways(&scratch, 1)?;
    let trace = tracer.stop()?;
    ensure!(trace.status.success() && trace.events.is_empty(), "{}", trace.stderr);
    let text = fs::read_to_string(&path)?;
    let mut keys: Vec<&str> = KEYS.split_whitespace().collect();
    keys.sort_unstable();
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for line in text.lines() {
        let object: BTreeMap<String, Value> = serde_json::from_str(line)?;
        let kind = object["type"].as_str().context("the type is no text")?;
        *kinds.entry(kind.to_owned()).or_default() += 1;
        let complete = object.keys().eq(keys.iter().copied());
        ensure!(kind != "assignment" || complete, "the keys are not {KEYS}:\n{line}");
    }
    ensure!(kinds.get("summary") == Some(&1), "{kinds:?}");
    ensure!(kinds.get("assignment").is_some_and(|&n| n > 0), "{kinds:?}");
    Ok(())
}
