//! `ephtrace record` on a real kernel: the same ports, the same report, and the remains after a
//! kill.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command},
};

use anyhow::{Context as _, Result, ensure};
use ephtrace::{
    model::Assignment,
    output::stream::parquet::journal_path,
    replay::{Item, Recording},
};
use nix::sys::signal::{Signal, kill};
use parquet::file::{reader::FileReader as _, serialized_reader::SerializedFileReader};
use serde_json::Value;

use crate::{
    assign::{self, Assign},
    setup::{self, Scratch},
    tracer::{Stderr, pid, spawn},
    wait::{self, Changes},
};

tests! {
    first_hook: a_recording_has_every_port_and_the_same_report,
        a_kill_leaves_what_was_recorded_seconds_before;
}

/// Values that are equal live and from the recording. Times differ (a run begins before its first
/// event), and values that only the live run knows are null.
const ALIKE: [&str; 12] = [
    "/assignments",
    "/failures",
    "/errors",
    "/latency",
    "/losses",
    "/verdict/pattern",
    "/verdict/algorithm",
    "/verdict/n",
    "/verdict/informative_pairs",
    "/destinations_known",
    "/reuse",
    "/self_connects",
];

/// Records the connects of a process; returns once it is attached.
fn start(file: &Path, hook: &str, pid: u32) -> Result<(Child, Stderr)> {
    let mut command = Command::new(setup::ephtrace());
    command.arg("record").arg(file).args(["--hook", hook, "--origin", "connect"]);
    let (child, mut stderr) = spawn(command.args(["-p", &pid.to_string()]))?;
    stderr.wait_for("ephtrace: tracing")?;
    stderr.wait_for(&format!("ephtrace: recording to {} until Ctrl-C", file.display()))?;
    Ok((child, stderr))
}

pub(crate) fn read(file: &Path) -> Result<Vec<Assignment>> {
    let assignments = Recording::open(file)?.map(|item| match item? {
        Item::Assignment(assignment) => Ok(assignment),
        Item::Broken(broken) => Err(broken.into()),
    });
    assignments.collect()
}

/// Returns the summary of the live run.
fn live_summary(file: &Path) -> Result<Value> {
    let reader = SerializedFileReader::new(File::open(file)?)?;
    let pairs = reader.metadata().file_metadata().key_value_metadata();
    let summary = pairs.into_iter().flatten().find(|pair| pair.key == "ephtrace.summary");
    let text = summary.and_then(|pair| pair.value.as_deref()).context("no summary in it")?;
    Ok(serde_json::from_str(text)?)
}

fn report(file: &Path) -> Result<Value> {
    let output = Command::new(setup::ephtrace()).args(["report", "--json"]).arg(file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Destination port and assigned port.
type Ports = (Option<u16>, Option<u16>);

/// Returns the ports, sorted by destination port.
fn ports<T>(all: &[T], ports_of: impl Fn(&T) -> Ports) -> Vec<Ports> {
    let mut ports: Vec<_> = all.iter().map(ports_of).collect();
    ports.sort_unstable();
    ports
}

fn a_recording_has_every_port_and_the_same_report(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let (file, log) = (scratch.file("parquet"), scratch.file("truth"));
    let connects = (setup::storm()? / 4).to_string();
    let log_name = log.display().to_string();
    let args = ["storm", "--wait", "--threads", "2", "--destinations", "3"];
    let more = ["--connects", &connects, "--truth", &log_name];
    let storm = Assign::start(&scratch, &[args.as_slice(), more.as_slice()].concat())?;
    let (mut child, mut stderr) = start(&file, hook, storm.pid())?;
    storm.storm()?;
    kill(pid(&child), Signal::SIGINT)?;
    let status = wait::exit(&mut child)?;
    ensure!(status.success(), "{}", stderr.rest());
    let truth = assign::read(&std::fs::read_to_string(&log)?)?;
    let recorded = read(&file)?;
    if !setup::kernel_preempts() {
        let truth = ports(&truth, |attempt| (Some(attempt.dport), attempt.sport));
        let recorded = ports(&recorded, |a| (a.flow.dport, a.sport));
        ensure!(recorded == truth, "{} of {}", recorded.len(), truth.len());
    }
    let (live, replayed) = (live_summary(&file)?, report(&file)?);
    ensure!(!says_cut(&replayed), "it ended as it should: {replayed:#}");
    for key in ALIKE {
        let (live, replayed) = (live.pointer(key), replayed.pointer(key));
        ensure!(live.is_some() && live == replayed, "{key}: {live:?}, but {replayed:?}");
    }
    Ok(())
}

fn a_kill_leaves_what_was_recorded_seconds_before(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let file = scratch.file("parquet");
    let changes = Changes::of(scratch.path())?;
    let connects = (setup::storm()? / 4).to_string();
    let storm = Assign::start(&scratch, &["storm", "--wait", "--connects", &connects])?;
    let (mut child, _stderr) = start(&file, hook, storm.pid())?;
    let made = storm.storm()?.connects;
    // All but the searches that a preemptible kernel left out.
    let expected = made - if setup::kernel_preempts() { 2 + made / 100 } else { 0 };
    let is_there =
        || Ok((read(&file).map_or(0, |rows| rows.len() as u64) >= expected).then_some(()));
    changes.until("not all rows get into the file", is_there)?;
    kill(pid(&child), Signal::SIGKILL)?;
    let status = wait::exit(&mut child)?;
    ensure!(status.signal() == Some(libc::SIGKILL), "{status}");
    ensure!(read(&file)?.len() as u64 >= expected);
    ensure!(!journal_path(&file).exists(), "a journal is left");
    let report = report(&file)?;
    ensure!(report["assignments"].as_u64() >= Some(expected));
    ensure!(says_cut(&report), "it passes for whole: {report:#}");
    Ok(())
}

/// Returns true if a finding says that the recording has not ended.
fn says_cut(report: &Value) -> bool {
    let findings = report["findings"].as_array();
    findings.is_some_and(|all| all.iter().any(|finding| finding["rule"] == "cut"))
}
