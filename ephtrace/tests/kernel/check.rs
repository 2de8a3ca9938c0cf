//! `ephtrace check` while ports are assigned: what it counts, and its exit codes.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    assign::Assign,
    setup::{self, Scratch},
};

tests! {
    each_hook: failures_are_critical, what_is_in_order_is_ok_and_slow_is_a_warning;
    once: without_rights_the_answer_is_unknown;
}

/// Attempts a second, and for how many seconds they are counted.
const PACE: f64 = 50.0;
const SECONDS: &str = "2s";

/// Somebody without rights.
const NOBODY: u32 = 65_534;

/// A process that goes on and on connecting, in a namespace with these ports, and that namespace.
fn endless(scratch: &Scratch, range: &str) -> Result<(Assign, String)> {
    let pace = PACE.to_string();
    let args = ["exhaust", "--range", range, "--pace", &pace, "--attempts", "1000000"];
    let mut assign = Assign::start(scratch, &args)?;
    // More than the narrow range has ports: from now on, they are used up.
    let attempts = assign.next(11)?;
    let tid = attempts.first().context("no attempt")?.tid;
    assign.discard()?;
    let door = format!("/proc/{}/task/{tid}/ns/net", assign.pid());
    Ok((assign, door))
}

fn check(hook: &str, door: &str, more: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(setup::ephtrace());
    command.args(["check", "--hook", hook, "--netns", door, "--for", SECONDS]).args(more);
    let Output { status, stdout, .. } = command.output()?;
    let line = String::from_utf8(stdout)?;
    ensure!(line.lines().count() == 1, "not one line: {line:?}");
    Ok((status.code(), line))
}

/// The number before `what`, which is how many were counted; as many as the pace makes.
fn counted(line: &str, what: &str) -> Result<u64> {
    let before = line.split(what).next().unwrap_or_default();
    let count: u64 = before.rsplit(' ').next().unwrap_or_default().parse().context("no number")?;
    let value = line.split("assigned=").nth(1).and_then(|text| text.split(';').next());
    let per_second: f64 = value.context("no performance data")?.parse()?;
    // A busy machine is behind, and catches up.
    let is_paced = (PACE / 5.0..=PACE * 5.0).contains(&per_second);
    ensure!(count > 0 && is_paced, "{count} counted, {per_second} a second: {line}");
    Ok(count)
}

fn failures_are_critical(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let (assign, door) = endless(&scratch, "40000-40009")?;
    let (code, line) = check(hook, &door, &[])?;
    ensure!(code == Some(2) && line.starts_with("EPHTRACE CRITICAL: "), "exit {code:?}: {line}");
    let failed = counted(&line, " assignments failed")?;
    let who = format!("{} ({})", assign.name(), assign.pid());
    for part in [
        &format!("{failed} of {failed} assignments failed (EADDRNOTAVAIL {failed})"),
        "100 % of the ports in use",
        "10 of 10",
        &who,
        "use=100.00%;50;90;0;100",
        "failed=100.00%;0;1;0;100",
    ] {
        ensure!(line.contains(part), "no {part:?}: {line}");
    }
    Ok(())
}

fn what_is_in_order_is_ok_and_slow_is_a_warning(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let (_assign, door) = endless(&scratch, "20000-60999")?;
    let (code, line) = check(hook, &door, &["--p99", "10s,20s"])?;
    ensure!(code == Some(0) && line.starts_with("EPHTRACE OK: "), "exit {code:?}: {line}");
    let fine = counted(&line, " assignments failed")?;
    ensure!(line.contains(&format!("0 of {fine} assignments failed, ")), "{line}");
    ensure!(line.contains("failed=0.00%;0;1;0;100"), "{line}");
    // Every search takes longer than a nanosecond.
    let (code, line) = check(hook, &door, &["--p99", "1ns,20s"])?;
    ensure!(code == Some(1) && line.starts_with("EPHTRACE WARNING: "), "exit {code:?}: {line}");
    let p99 = line.split("search_p99=").nth(1).context("no p99")?;
    if p99.starts_with('U') {
        bail!("the latency is unknown: {line}");
    }
    Ok(())
}

fn without_rights_the_answer_is_unknown() -> Result<()> {
    let scratch = Scratch::new()?;
    let ephtrace = scratch.program(&setup::ephtrace(), "ephtrace")?;
    let output = Command::new(ephtrace).arg("check").uid(NOBODY).gid(NOBODY).output()?;
    let line = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(3), "{}: {line}", output.status);
    ensure!(line.starts_with("EPHTRACE UNKNOWN: ") && line.lines().count() == 1, "{line:?}");
    ensure!(line.contains("CAP_BPF") && line.contains("sudo"), "{line}");
    Ok(())
}
