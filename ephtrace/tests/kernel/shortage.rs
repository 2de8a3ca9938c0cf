//! A range that runs short: the warnings of `ports`, `check` and `storm`, and the time to its end
//! that they predict.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    assign::{Assign, Attempt},
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
};

tests! {
    once: marks_are_named;
    first_hook: the_end_is_foretold;
}

fn ephtrace(args: &[&str]) -> Result<Output> {
    let mut command = Command::new(setup::ephtrace());
    command.args(args).output().with_context(|| format!("starting {command:?}"))
}

/// Returns the fullest destination of a namespace, and all findings.
fn fullest(door: &str) -> Result<(Value, Value)> {
    let output = ephtrace(&["ports", "--json", "--netns", door])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut answer: Value = serde_json::from_slice(&output.stdout)?;
    let one = answer["namespaces"][0]["destinations"][0].take();
    Ok((one, answer["findings"].take()))
}

/// The range has so few ports that the program's log fits into a pipe that nobody reads meanwhile.
const SMALL_RANGE: &str = "40000-40099";
const FEW: u64 = 100;

/// Holds `held` ports; `ports` and `check` must name destination, process and mark.
fn named(held: u64, mark: &str, code: i32, rule: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let attempts = held.to_string();
    let args = ["exhaust", "--hold", "--range", SMALL_RANGE, "--attempts", &attempts];
    let mut assign = Assign::start(&scratch, &args)?;
    // The program holds all ports once it has logged them all.
    let attempts = assign.next(held)?;
    let tid = attempts.first().context("no attempt")?.tid;
    let (pid, name) = (assign.pid(), assign.name().to_owned());
    let door = format!("/proc/{pid}/task/{tid}/ns/net");
    let (one, findings) = fullest(&door)?;
    ensure!(one["in_use"] == held && one["mark"] == mark, "{one}");
    let holder = &one["holders"][0];
    ensure!(holder["pid"] == pid && holder["comm"] == name.as_str(), "{one}");
    ensure!(holder["ports"] == held, "{one}");
    let found = findings.as_array().context("no findings")?;
    ensure!(found.first().is_some_and(|first| first["rule"] == rule), "{findings}");
    let check = ephtrace(&["check", "--no-trace", "--netns", &door])?;
    let line = String::from_utf8(check.stdout)?;
    ensure!(check.status.code() == Some(code), "exit {:?}: {line}", check.status);
    let parts = [format!("{held} of {FEW}"), format!("{name} ({pid})"), "127.0.0.1:".to_owned()];
    ensure!(parts.iter().all(|part| line.contains(part)), "{line}");
    found_among_all(&door, mark)?;
    let rest = assign.output()?;
    ensure!(rest.is_empty(), "more attempts than were asked for: {rest}");
    Ok(())
}

/// The namespace is that of a thread, and must be found like those of processes.
fn found_among_all(door: &str, mark: &str) -> Result<()> {
    let inode = fs::metadata(door)?.ino().to_string();
    let output = ephtrace(&["explain", "EADDRNOTAVAIL", "--netns", "all"])?;
    let text = String::from_utf8(output.stdout)?;
    let full = text.contains(&format!(" in netns {inode}: all {FEW} usable ports are in use"));
    ensure!(full == (mark == "full"), "{text}");
    let output = ephtrace(&["explain", "EADDRNOTAVAIL", "--netns", &inode])?;
    let text = String::from_utf8(output.stdout)?;
    for part in [format!("\nnetns             {inode}\n"), format!("`ephtrace -x --netns {inode}`")]
    {
        ensure!(text.contains(&part), "no {part:?}: {text}");
    }
    Ok(())
}

fn marks_are_named() -> Result<()> {
    named(FEW / 2 + 10, "half", 1, "half-mark")?;
    named(FEW, "full", 2, "full")
}

/// Range of the namespace that leaks, its number of ports, and the ports lost per second: few
/// enough for an emulated guest, which takes milliseconds to search through half of them.
const RANGE: &str = "40000-40399";
const PORTS: u64 = 400;
const PACE: u32 = 50;

/// Maximum number of runs until a leak is steady: a busy machine can't keep the pace.
const RUNS: usize = 4;

/// A leak at a known rate: from half way on, the predicted end is right within a tenth.
fn the_end_is_foretold(hook: &str) -> Result<()> {
    for _ in 0..RUNS {
        let (looks, truth, who) = leak(hook)?;
        if is_steady(&truth) {
            is_named(&looks, &who)?;
            return foretold(&looks, &truth);
        }
        say("this machine did not keep the pace of the leak: once more");
    }
    skip("this machine is too busy for a leak at a known rate")
}

/// Returns the output about a leak, the attempts of the leaking program, and its name.
fn leak(hook: &str) -> Result<(String, Vec<Attempt>, String)> {
    let scratch = Scratch::new()?;
    let pace = PACE.to_string();
    let args = ["exhaust", "--wait", "--range", RANGE, "--pace", &pace, "--attempts", "404"];
    let assign = Assign::start(&scratch, &args)?;
    let pid = assign.pid().to_string();
    let who = format!("mostly {} ({pid})", assign.name());
    let tracer = Tracer::start_storm(&scratch, hook, &["0.5", "-p", &pid, "--origin", "connect"])?;
    let truth = assign.truth()?;
    Ok((tracer.stop_text()?, truth, who))
}

/// Checks that the holder of the ports is named once they run short.
fn is_named(looks: &str, who: &str) -> Result<()> {
    let is_said = |look: Value| {
        let all = look["findings"].as_array().into_iter().flatten();
        let mut half = all.filter(|finding| finding["rule"] == "half-mark");
        half.any(|finding| finding["evidence"].to_string().contains(who))
    };
    let all: Vec<Value> = looks.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(all.into_iter().any(is_said), "{who} is not named: {looks}");
    Ok(())
}

/// Returns true if the leak kept its pace within a twentieth of a second.
fn is_steady(truth: &[Attempt]) -> bool {
    let Some(first) = truth.first() else { return false };
    let due = |nth: u64| Duration::from_secs(nth) / PACE;
    (0..).zip(truth).all(|(nth, attempt)| {
        let at = Duration::from_nanos(attempt.start_ns.saturating_sub(first.start_ns));
        at.abs_diff(due(nth)) < Duration::from_millis(50)
    })
}

fn foretold(looks: &str, truth: &[Attempt]) -> Result<()> {
    let end = truth.iter().find(|attempt| attempt.errno != 0).context("no end")?.start_ns;
    let start = truth.first().context("no start")?.start_ns;
    let mut told = 0;
    for look in looks.lines().map(serde_json::from_str::<Value>) {
        let look = look?;
        let capacity = &look["rows"][0]["capacity"];
        let (Some(in_use), Some(left_s)) =
            (capacity["in_use"].as_u64(), capacity["full_in_s"].as_f64())
        else {
            continue;
        };
        let (at_ns, now_ns) = (capacity["at_ns"].as_u64(), look["ts_ns"].as_u64());
        let at_ns = at_ns.max(now_ns).context("no time")?;
        if look["type"] != "storm" || !(PORTS / 2..PORTS).contains(&in_use) || at_ns >= end {
            continue;
        }
        let real_s = Duration::from_nanos(end - at_ns).as_secs_f64();
        let whole_s = Duration::from_nanos(end - start).as_secs_f64();
        say(&format!("{in_use} in use, {left_s:.2} s told, {real_s:.2} s left"));
        // A tenth, and a hundredth of the whole, because the range changes while ephtrace looks at
        // it.
        let allowed_s = real_s / 10.0 + whole_s / 100.0;
        ensure!((left_s - real_s).abs() <= allowed_s, "{left_s} told, {real_s} left: {look}");
        told += 1;
    }
    ensure!(told >= 3, "told {told} times only:\n{looks}");
    Ok(())
}
