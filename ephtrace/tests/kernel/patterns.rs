//! Verdicts on a real kernel: ports assigned in a known manner, recorded, reported.
//!
//! docs/patterns.md says how each manner must be called. The recordings can be kept
//! (`EPHTRACE_KEEP`, see [`setup`]).

use std::{collections::BTreeSet, fs, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    assign::{self, Assign, Attempt},
    compare::compare,
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::{CONNECT_ONLY, Trace, Tracer},
};

tests! {
    each_hook: connects_are_called_what_they_are;
    once: ports_of_bind_and_udp_are_called_random;
}

/// Duration of a recording in seconds: longer than the ten seconds that the kernel's hash secret
/// lasts.
const SECONDS: &str = "11";

/// Duration of a recording in seconds with each hook after the first: the ports are assigned alike.
const FEWER_SECONDS: &str = "3";

/// Number of connects from which a destination must have a verdict of its own; others may have
/// none, but no wrong one.
const BUSY: u64 = 60;

/// Algorithm and pattern.
type Expected<'a> = (&'a str, &'a str);

const DOUBLE_HASH: Expected<'_> = ("linux_dhash64k", "per_destination");
const SOCKET_RANGE: Expected<'_> = ("linux_lpr", "per_destination");
const RANDOM_ODD: Expected<'_> = ("random_odd", "random");
const RANDOM_UNIFORM: Expected<'_> = ("random_uniform", "random");

/// The fields of `ephtrace report --json` that the test reads.
#[derive(Debug, Deserialize)]
struct Report {
    verdict: Verdict,
    origins: Vec<Origin>,
    destinations: Vec<Destination>,
    assignments: u64,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    pattern: String,
    pattern_confidence: f64,
    algorithm: String,
    algorithm_confidence: f64,
    confirmed_by_kernel: Option<bool>,
    #[expect(dead_code, reason = "for whoever reads why a test failed")]
    evidence: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Origin {
    origin: String,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Destination {
    dport: Option<u16>,
    assignments: u64,
    complete: bool,
    #[serde(flatten)]
    verdict: Verdict,
}

/// One recording: its processes, and the names that it must get.
struct Case {
    name: &'static str,
    /// Arguments of each `assign` process.
    processes: &'static [&'static str],
    expected: Expected<'static>,
}

const CASES: [Case; 4] = [
    Case { name: "connect-one", processes: &["connect --times 300"], expected: DOUBLE_HASH },
    Case {
        name: "connect-many",
        processes: &["connect --times 360 --destinations 12"],
        expected: DOUBLE_HASH,
    },
    Case {
        name: "connect-two-processes",
        processes: &[
            "connect --times 200 --destinations 2",
            "connect --times 200 --destinations 3",
        ],
        expected: DOUBLE_HASH,
    },
    Case {
        name: "connect-socket-range",
        processes: &["connect --times 300 --destinations 2 --socket-range 45000-46999"],
        // Before Linux 6.8, searches of such sockets still step by two.
        expected: SOCKET_RANGE,
    },
];

/// All cases run at once, as on a busy host; each recording has the lines that `-p` would have
/// kept.
fn connects_are_called_what_they_are(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    let seconds = if hook == setup::some_hook() { SECONDS } else { FEWER_SECONDS };
    // One after the other: a program can't be started while it is open for writing, and a process
    // that another thread starts meanwhile would inherit the open file.
    let running = CASES.iter().map(|case| start(&scratch, case, seconds));
    let running = running.collect::<Result<Vec<_>>>()?;
    let mut logs = assign::outputs(running.into_iter().flatten().collect())?.into_iter();
    let logs_of = |case: &Case| logs.by_ref().take(case.processes.len()).collect::<Vec<_>>();
    let truths = CASES.iter().map(logs_of).map(|logs| truth(&logs));
    let truths = truths.collect::<Result<Vec<_>>>()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    compare(&truths.concat(), &trace, |_| true)?;
    let (mut wrong, mut left_out) = (Vec::new(), Vec::new());
    for (case, truth) in CASES.iter().zip(&truths) {
        if truth.is_empty() {
            left_out.push(case.name);
            continue;
        }
        let recording = recording_of(truth, &trace);
        setup::keep(&format!("{}-{hook}", case.name), &recording)?;
        if let Err(e) = judge(&scratch, &recording, expected(case)?) {
            wrong.push(format!("{}: {e:#}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !left_out.is_empty() {
        return skip(format!("all but {}", left_out.join(", ")));
    }
    Ok(())
}

/// ephtrace does not trace these ports here: the recordings are made by `assign` itself.
fn ports_of_bind_and_udp_are_called_random() -> Result<()> {
    let scratch = Scratch::new()?;
    for (name, args, expected) in [("bind", "bind", RANDOM_ODD), ("udp", "udp", RANDOM_UNIFORM)] {
        let recording = Assign::start(&scratch, &["pattern", args, "--times", "300"])?.output()?;
        setup::keep(name, &recording)?;
        judge(&scratch, &recording, expected).context(name)?;
    }
    Ok(())
}

/// Starts the processes of one recording.
fn start(scratch: &Scratch, case: &Case, seconds: &str) -> Result<Vec<Assign>> {
    let start = |args: &&str| {
        let words = ["pattern"].into_iter().chain(args.split_whitespace());
        let args: Vec<&str> = words.chain(["--seconds", seconds]).collect();
        Assign::start(scratch, &args)
    };
    case.processes.iter().map(start).collect()
}

/// Returns the attempts of the processes of one recording; none if this kernel does not offer the
/// manner.
fn truth(logs: &[String]) -> Result<Vec<Attempt>> {
    if let Some(skipped) = logs.iter().find(|log| log.contains("\"skipped\"")) {
        say(skipped.trim_end());
        return Ok(Vec::new());
    }
    Ok(logs.iter().map(|log| assign::read(log)).collect::<Result<Vec<_>>>()?.concat())
}

/// Returns the lines about these processes, as they were written.
fn recording_of(truth: &[Attempt], trace: &Trace) -> String {
    let pids: BTreeSet<u64> = truth.iter().map(|a| a.pid.into()).collect();
    let is_ours = |line: &&str| {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        value.get("pid").and_then(Value::as_u64).is_some_and(|pid| pids.contains(&pid))
    };
    trace.text.lines().filter(is_ours).flat_map(|line| [line, "\n"]).collect()
}

fn expected(case: &Case) -> Result<Expected<'_>> {
    let steps_by_two = setup::kernel()? < (6, 8);
    Ok(if case.expected == SOCKET_RANGE && steps_by_two { DOUBLE_HASH } else { case.expected })
}

fn judge(scratch: &Scratch, recording: &str, expected: Expected<'_>) -> Result<()> {
    let report = report(scratch, recording)?;
    let lines = recording.lines().count() as u64;
    ensure!(report.assignments == lines, "{lines} lines, {} assignments", report.assignments);
    as_expected(&report.verdict, expected).context("over all")?;
    for Origin { origin, verdict } in &report.origins {
        as_expected(verdict, expected).with_context(|| format!("origin {origin}"))?;
    }
    for destination in &report.destinations {
        let Destination { dport, assignments, complete, verdict } = destination;
        ensure!(*complete, "destinations were left out");
        // The last few hundred ports of one destination may leave random ones undetermined.
        let is_to_be_told = *assignments >= BUSY && expected.1 != "random";
        let judge = if is_to_be_told { as_expected } else { not_wrong };
        judge(verdict, expected).with_context(|| format!("{assignments} to port {dport:?}"))?;
    }
    Ok(())
}

fn as_expected(verdict: &Verdict, expected: Expected<'_>) -> Result<()> {
    let said = said(verdict);
    ensure!(said == expected, "not {expected:?}: {verdict:?}");
    ensure!(verdict.confirmed_by_kernel != Some(false), "the kernel says otherwise: {verdict:?}");
    say(&format!(
        "{said:?} with {:.3} and {:.3}",
        verdict.algorithm_confidence, verdict.pattern_confidence
    ));
    Ok(())
}

/// Checks that a verdict is right or withheld, as is allowed if there is little to go by.
fn not_wrong(verdict: &Verdict, expected: Expected<'_>) -> Result<()> {
    let (algorithm, pattern) = said(verdict);
    let is_right = [expected.0, "undetermined"].contains(&algorithm)
        && [expected.1, "undetermined"].contains(&pattern);
    ensure!(is_right, "not {expected:?}: {verdict:?}");
    if (algorithm, pattern) != expected {
        say(&format!("withheld: {verdict:?}"));
    }
    Ok(())
}

fn said(verdict: &Verdict) -> Expected<'_> {
    (&verdict.algorithm, &verdict.pattern)
}

fn report(scratch: &Scratch, recording: &str) -> Result<Report> {
    let path = scratch.file("recording");
    fs::write(&path, recording)?;
    let output = Command::new(setup::ephtrace()).arg("report").arg(&path).arg("--json").output()?;
    if !output.status.success() {
        bail!("report: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    ensure!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading the report")
}
