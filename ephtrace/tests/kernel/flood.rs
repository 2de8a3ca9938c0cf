//! A flood by many processes, or by ever new ones, beside a quiet one: all assignments of the quiet
//! process are shown, and losses are counted, also by process.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};

use crate::{
    assign::{self, Assign, outputs},
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::{Summary, pid as pid_of, spawn},
    wait,
};

tests! {
    first_hook: a_flood_hides_no_quiet_process, a_flood_of_new_processes_hides_no_quiet_one;
}

/// Number of processes that bind as fast as they can.
const FLOODING: usize = 50;

/// Connects of the quiet process, a hundred per second.
const QUIET: usize = 500;

/// Time for which the kernel half calls a process young (`YOUNG_NS` in `share.rs`).
const YOUNG: Duration = Duration::from_nanos(2 << 29);

fn a_flood_hides_no_quiet_process(hook: &str) -> Result<()> {
    let flood = ["storm", "--wait", "--threads", "1", "--by", "udp-bind", "--seconds", "6"];
    hides_nothing(hook, &[flood.as_slice(), &["--connects", "1000000000"]].concat())
}

/// Each of these processes writes less than the limit of a quiet one.
fn a_flood_of_new_processes_hides_no_quiet_one(hook: &str) -> Result<()> {
    hides_nothing(hook, &["offspring", "--wait", "--each", "100", "--seconds", "6"])
}

/// Runs [`FLOODING`] processes that do `flood` beside a quiet one, and checks that all of the quiet
/// one is shown.
fn hides_nothing(hook: &str, flood: &[&str]) -> Result<()> {
    if setup::storm()? < 100_000 {
        return skip("this machine is too slow to be flooded");
    }
    let scratch = Scratch::new()?;
    let (attempts, range) = (QUIET.to_string(), ["--range", "20000-29999"]);
    let quiet = ["exhaust", "--wait", "--pace", "100", "--attempts", &attempts];
    let quiet = Assign::start(&scratch, &[quiet.as_slice(), &range].concat())?;
    let grown = Instant::now() + YOUNG;
    let flooding = (0..FLOODING).map(|_| Assign::start(&scratch, flood));
    let flooding = flooding.collect::<Result<Vec<_>>>()?;
    let pid = quiet.pid();
    let path = scratch.file("flood.ndjson");
    let mut ephtrace = Command::new(setup::ephtrace());
    ephtrace.args(["-o", "json", "--hook", hook, "--origin", "connect,udp", "--output"]).arg(&path);
    let (mut child, mut stderr) = spawn(&mut ephtrace)?;
    stderr.wait_for("ephtrace: tracing")?;
    wait::until("the quiet process to be no longer young", || {
        Ok((Instant::now() > grown).then_some(()))
    })?;
    let said = outputs(std::iter::once(quiet).chain(flooding).collect())?;
    kill(pid_of(&child), Signal::SIGINT)?;
    let (status, stderr) = (wait::exit(&mut child)?, stderr.rest());
    ensure!(status.success(), "{status}\n{stderr}");
    let asked = assign::read(&said[0])?.len();
    let (shown, summary) = read(&path, pid)?;
    let lost = summary.losses["ring_full"];
    let share = lost * 100 / (lost + summary.assignments);
    say(&format!("hook {hook}: {shown} of {asked} shown, {share} % of the flood lost"));
    ensure!(lost > 0, "nothing was lost, so that nothing was tested: {summary:?}");
    ensure!(shown * 100 >= asked * 99, "{shown} of {asked}");
    let overflow = summary.overflow.context("no overflow")?;
    ensure!(overflow.all.assignments == lost, "{lost} lost, but {overflow:?}");
    ensure!(overflow.by_process.all() == lost, "{lost} lost, but {overflow:?}");
    let quiet = overflow.by_process.busiest.iter().find(|one| one.pid == Some(pid));
    ensure!(quiet.is_none(), "{quiet:?} is among those that lost most");
    Ok(())
}

/// Returns the number of shown assignments of the process `pid`, and the summary.
fn read(path: &Path, pid: u32) -> Result<(usize, Summary)> {
    let mark = format!("\"pid\":{pid},");
    let (mut shown, mut last) = (0, String::new());
    for line in BufReader::new(File::open(path)?).lines() {
        last = line?;
        shown += usize::from(last.contains(&mark) && last.contains("\"type\":\"assignment\""));
    }
    let summary = serde_json::from_str(&last).with_context(|| format!("the last line: {last}"))?;
    Ok((shown, summary))
}
