//! `ephtrace check` while ports are assigned: its counts and its exit codes.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    assign::{Assign, Starts},
    setup::{self, Scratch},
};

tests! {
    each_hook: failures_are_critical;
    first_hook: what_is_in_order_is_ok_and_slow_is_a_warning;
    once: without_rights_the_answer_is_unknown;
}

/// Attempts per second, and the number of seconds that are counted.
const PACE: f64 = 50.0;
const SECONDS: u64 = 2;

/// Factor by which the count may exceed or fall short of the attempts made: `check` begins and ends
/// its seconds when it can.
const TOLERANCE: f64 = 1.5;

/// A user without rights.
const NOBODY: u32 = 65_534;

/// A process that connects without end.
struct Endless {
    assign: Assign,
    /// Path of its network namespace.
    door: String,
    /// Start times of its attempts.
    starts: Starts,
}

/// Starts an endless process in a namespace with these ports.
fn endless(scratch: &Scratch, range: &str) -> Result<Endless> {
    let pace = PACE.to_string();
    let args = ["exhaust", "--range", range, "--pace", &pace, "--attempts", "1000000"];
    let mut assign = Assign::start(scratch, &args)?;
    // These are more attempts than the narrow range has ports: from now on, the range is used up.
    let attempts = assign.next(11)?;
    let tid = attempts.first().context("no attempt")?.tid;
    let starts = assign.follow()?;
    let door = format!("/proc/{}/task/{tid}/ns/net", assign.pid());
    Ok(Endless { assign, door, starts })
}

/// Result of `check`: exit status, line, and the fewest and most attempts per second that the
/// program made in any period as long as the counted one.
struct Checked {
    code: Option<i32>,
    line: String,
    pace: (f64, f64),
}

fn check(hook: &str, endless: &Endless, more: &[&str]) -> Result<Checked> {
    let mut command = Command::new(setup::ephtrace());
    let seconds = format!("{SECONDS}s");
    command.args(["check", "--hook", hook, "--netns", &endless.door, "--for", &seconds]).args(more);
    let from = SystemTime::now();
    let Output { status, stdout, .. } = command.output()?;
    let starts = endless.starts.between(from, SystemTime::now());
    let line = String::from_utf8(stdout)?;
    ensure!(line.lines().count() == 1, "not one line: {line:?}");
    Ok(Checked { code: status.code(), line, pace: pace(&starts?) })
}

/// Returns the fewest and most of these ordered times within any `SECONDS`, per second.
fn pace(starts: &[u64]) -> (f64, f64) {
    let window = SECONDS * 1_000_000_000;
    let last = starts.last().copied().unwrap_or(0);
    let begins = starts.iter().enumerate().filter(|(_, start)| *start + window <= last);
    let counts: Vec<usize> = begins
        .map(|(nth, start)| starts[nth..].partition_point(|other| *other < start + window))
        .collect();
    let bound = |count: Option<&usize>| {
        u32::try_from(*count.unwrap_or(&0)).map_or(0.0, f64::from)
            / Duration::from_secs(SECONDS).as_secs_f64()
    };
    (bound(counts.iter().min()), bound(counts.iter().max()))
}

/// Returns the count in front of `what`, which must be that of the program's attempts.
fn counted(Checked { line, pace: (fewest, most), .. }: &Checked, what: &str) -> Result<u64> {
    let before = line.split(what).next().unwrap_or_default();
    let count: u64 = before.rsplit(' ').next().unwrap_or_default().parse().context("no number")?;
    let value = line.split("attempts=").nth(1).and_then(|text| text.split(';').next());
    let per_second: f64 = value.context("no performance data")?.parse()?;
    let is_paced = (fewest / TOLERANCE..=most * TOLERANCE).contains(&per_second);
    ensure!(
        count > 0 && is_paced,
        "{count} counted, {per_second} a second of {fewest} to {most}: {line}"
    );
    Ok(count)
}

fn failures_are_critical(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let endless = endless(&scratch, "40000-40009")?;
    let checked = check(hook, &endless, &[])?;
    let failed = counted(&checked, " attempts")?;
    let Checked { code, line, .. } = checked;
    ensure!(code == Some(2) && line.starts_with("EPHTRACE CRITICAL: "), "exit {code:?}: {line}");
    let who = format!("{} ({})", endless.assign.name(), endless.assign.pid());
    for part in [
        &format!("{failed} attempts: 0 assigned, {failed} failed: {failed} EADDRNOTAVAIL; "),
        "assigned=0.0;;;0",
        "100 % of ports in use",
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
    let endless = endless(&scratch, "20000-60999")?;
    let checked = check(hook, &endless, &["--p99", "10s,20s"])?;
    let fine = counted(&checked, " attempts")?;
    let Checked { code, line, .. } = checked;
    ensure!(code == Some(0) && line.starts_with("EPHTRACE OK: "), "exit {code:?}: {line}");
    ensure!(line.contains(&format!("{fine} attempts: {fine} assigned, 0 failed; ")), "{line}");
    ensure!(line.contains("failed=0.00%;0;1;0;100"), "{line}");
    // Every search takes longer than a nanosecond.
    let Checked { code, line, .. } = check(hook, &endless, &["--p99", "1ns,20s"])?;
    ensure!(code == Some(1) && line.starts_with("EPHTRACE WARNING: "), "exit {code:?}: {line}");
    let p99 = line.split("search_p99=").nth(1).context("no p99")?;
    if p99.starts_with('U') {
        bail!("the latency is unknown: {line}");
    }
    // Where the connects are, nobody has looked.
    let line = Command::new(setup::ephtrace()).args(["check", "--no-trace"]).output()?.stdout;
    let line = String::from_utf8(line)?;
    let is_told = line.contains("other network namespace") && line.contains("--netns all");
    ensure!(is_told, "{line}");
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
