//! Every way in which the kernel assigns a port, and what it must look like.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    assign::{self, Assign, Attempt},
    compare::compare,
    setup::{self, Scratch, each_hook},
    tracer::Tracer,
};

#[test]
#[ignore = "needs root and a kernel to trace"]
fn every_way_is_reported_once() -> Result<()> {
    each_hook(|hook| {
        let scratch = Scratch::new()?;
        let tracer = Tracer::start(&scratch, hook, &[])?;
        let truth = assign::ways(&scratch, setup::times()?)?;
        let trace = tracer.stop()?;
        let summary = trace.complete()?;
        compare(&truth, &trace.events, trace.left_out(), |_| true)?;
        let bound = truth.iter().filter(|a| ["bind", "explicit"].contains(&a.origin.as_str()));
        ensure!(summary.kernel.already_bound >= bound.count() as u64, "{summary:?}");
        ensure!(trace.events.iter().all(|e| e.hook == summary.hook), "the hook differs");
        Ok(())
    })
}

#[test]
#[ignore = "needs root and a kernel to trace"]
fn two_processes_at_once_are_told_apart() -> Result<()> {
    each_hook(|hook| {
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
        compare(&truth, &trace.events, trace.left_out(), |_| true)
    })
}

#[test]
#[ignore = "needs root and a kernel to trace"]
fn two_tracers_at_once_see_the_same() -> Result<()> {
    each_hook(|hook| {
        let scratch = Scratch::new()?;
        let tracers = [Tracer::start(&scratch, hook, &[])?, Tracer::start(&scratch, hook, &[])?];
        let truth = assign::ways(&scratch, setup::times()?)?;
        for tracer in tracers {
            let trace = tracer.stop()?;
            trace.complete()?;
            compare(&truth, &trace.events, trace.left_out(), |_| true)?;
        }
        Ok(())
    })
}

/// The keys of the contract, in its order.
const KEYS: &str = "type ts ts_ns pid tid comm uid netns cgroup_id container family protocol \
    origin saddr sport daddr dport errno error latency_ns range range_source salt_epoch \
    first_candidate tried pass search_unknown step \
    self_connect cookie hook";

#[test]
#[ignore = "needs root and a kernel to trace"]
fn every_key_is_in_every_line() -> Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.file("output");
    let output = path.to_str().context("a path that is no text")?;
    let tracer = Tracer::start(&scratch, &setup::some_hook(), &["--output", output])?;
    assign::ways(&scratch, 1)?;
    let trace = tracer.stop()?;
    ensure!(trace.status.success() && trace.events.is_empty(), "{}", trace.stderr);
    let text = std::fs::read_to_string(&path)?;
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
