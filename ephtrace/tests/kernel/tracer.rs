//! Running ephtrace, and reading its output.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    assign::Attempt,
    by_process::ByProcess,
    setup::{self, Scratch},
    unseen::{self, Call},
    wait::{self, PATIENCE},
};

/// For tests that do not depend on the origin: emulated guests take a second for each hooked
/// function.
pub(crate) const CONNECT_ONLY: [&str; 2] = ["--origin", "connect"];

/// Beginning of the first line on standard error once the programs are attached.
const ATTACHED: &str = "ephtrace: tracing";

/// A line `"type":"assignment"`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) ts_ns: u64,
    pub(crate) pid: Option<u32>,
    pub(crate) tid: Option<u32>,
    pub(crate) comm: Option<String>,
    pub(crate) uid: Option<u32>,
    pub(crate) netns: Option<u64>,
    pub(crate) cgroup_id: Option<u64>,
    pub(crate) container: Option<String>,
    pub(crate) container_name: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) pod_namespace: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) family: u8,
    pub(crate) protocol: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) saddr: IpAddr,
    pub(crate) sport: Option<u16>,
    pub(crate) daddr: Option<IpAddr>,
    pub(crate) dport: Option<u16>,
    pub(crate) errno: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) latency_ns: Option<u64>,
    pub(crate) range_low: Option<u16>,
    pub(crate) range_high: Option<u16>,
    pub(crate) first_candidate: Option<u16>,
    pub(crate) tried: Option<u32>,
    pub(crate) pass: Option<String>,
    pub(crate) search_unknown: Option<String>,
    pub(crate) self_connect: bool,
    pub(crate) cookie: Option<u64>,
    pub(crate) hook: Option<String>,
    pub(crate) host_pid: Option<u32>,
}

impl Event {
    pub(crate) fn range(&self) -> Option<(u16, u16)> {
        self.range_low.zip(self.range_high)
    }
}

/// A line `"type":"loss"`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Loss {
    pub(crate) stage: String,
    pub(crate) lost: u64,
}

/// The line `"type":"summary"`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) assignments: u64,
    pub(crate) failures: u64,
    pub(crate) losses: BTreeMap<String, u64>,
    #[serde(rename = "kernel_counts")]
    pub(crate) kernel: KernelCounts,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) hook: Option<String>,
    pub(crate) unseen_failures: Option<String>,
    pub(crate) kernel_cost: Option<Cost>,
}

/// Sampled cost of the programs.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Cost {
    pub(crate) run_time_ns: u64,
    pub(crate) runs: u64,
    pub(crate) searches: u64,
}

/// Events that were only counted.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Overflow {
    pub(crate) all: OverflowNumbers,
    pub(crate) by_process: ByProcess,
}

/// The part of [`Overflow`] that tests read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OverflowNumbers {
    pub(crate) assignments: u64,
    pub(crate) failures: u64,
}

/// Counts of the kernel half.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KernelCounts {
    pub(crate) seen: u64,
    pub(crate) filtered: u64,
    pub(crate) emitted: u64,
    pub(crate) already_bound: u64,
    pub(crate) read_failed: u64,
    pub(crate) map_bytes: u64,
}

/// The whole output of ephtrace.
pub(crate) struct Trace {
    pub(crate) status: ExitStatus,
    pub(crate) events: Vec<Event>,
    pub(crate) losses: Vec<Loss>,
    /// The last line of the output, if it is a summary.
    pub(crate) summary: Option<Summary>,
    /// The unparsed output.
    pub(crate) text: String,
    pub(crate) stderr: String,
}

/// Stages that count a search whose start or end was not seen.
const LEFT_OUT: [&str; 2] = ["hook_missed", "return_missed"];

impl Trace {
    /// Returns the summary of a run that ended well and lost nothing, except events that the kernel
    /// itself kept from it (see [`Trace::left_out`]).
    pub(crate) fn complete(&self) -> Result<&Summary> {
        let summary = self.ended_well()?;
        let lost: u64 = summary.losses.values().sum();
        ensure!(lost == self.left_out(), "losses: {:?}", summary.losses);
        Ok(summary)
    }

    /// Returns the number of searches that were counted as not seen, because the kernel leaves out
    /// a program while another task is in the middle of it: at most one in a hundred, and two more.
    pub(crate) fn left_out(&self) -> u64 {
        let Some(summary) = self.summary.as_ref().filter(|_| setup::kernel_preempts()) else {
            return 0;
        };
        let missed = LEFT_OUT.iter().filter_map(|&stage| summary.losses.get(stage)).sum();
        if missed <= 2 + summary.kernel.seen / 100 { missed } else { 0 }
    }

    /// Returns the summary of a run that ended well and whose numbers agree with each other.
    pub(crate) fn ended_well(&self) -> Result<&Summary> {
        ensure!(self.status.success(), "ephtrace: {}\n{}", self.status, self.stderr);
        let summary = self.summary.as_ref().context("the last line is no summary")?;
        let failed = self.events.iter().filter(|e| e.sport.is_none()).count() as u64;
        ensure!(
            (summary.assignments, summary.failures) == (self.events.len() as u64, failed),
            "{} lines, {failed} of them failures, but {summary:?}",
            self.events.len()
        );
        let KernelCounts { seen, filtered, emitted, read_failed, .. } = summary.kernel;
        let kernel_lost: u64 = ["ring_full", "in_flight_full", "return_missed"]
            .iter()
            .map(|&stage| summary.losses.get(stage).copied().unwrap_or(0))
            .sum();
        ensure!(seen >= filtered + emitted + kernel_lost, "the counters disagree: {summary:?}");
        ensure!(read_failed == 0, "fields could not be read: {summary:?}");
        Ok(summary)
    }

    /// Returns true if the hook in use can see this attempt.
    pub(crate) fn sees(&self, attempt: &Attempt) -> bool {
        let hook = self.summary.as_ref().and_then(|summary| summary.hook.as_deref());
        let is_bind = attempt.way.contains("bind");
        let failed = self.summary.as_ref().and_then(|summary| summary.unseen_failures.as_deref());
        hook != Some("sock_ops")
            || match (attempt.origin.as_str(), attempt.errno) {
                ("bind", 0) | ("connect" | "listen", _) => true,
                // A connect of a bound socket.
                ("explicit", _) => attempt.dport != 0,
                ("udp", 0) => is_bind,
                ("bind", _) | ("udp", libc::EADDRINUSE) => unseen::sees(failed, Call::Bind),
                ("udp", _) if attempt.way.contains("send") => unseen::sees(failed, Call::Send),
                ("udp", _) => unseen::sees(failed, Call::Connect),
                _ => false,
            }
    }

    /// Returns the losses at one stage, from the lines that report them as they happen.
    pub(crate) fn lost(&self, stage: &str) -> u64 {
        self.losses.iter().filter(|l| l.stage == stage).map(|l| l.lost).sum()
    }
}

/// A running ephtrace, attached.
pub(crate) struct Tracer {
    child: Child,
    stderr: Stderr,
    output: PathBuf,
}

impl Tracer {
    /// Starts it with `-o json` and `args`, and waits until it is attached.
    pub(crate) fn start(scratch: &Scratch, hook: &str, args: &[&str]) -> Result<Self> {
        let mut tracer = Self::spawn(scratch, hook, args)?;
        tracer.wait_attached()?;
        Ok(tracer)
    }

    /// Starts `ephtrace storm --json` with `args`, and waits until it is attached.
    pub(crate) fn start_storm(scratch: &Scratch, hook: &str, args: &[&str]) -> Result<Self> {
        let output = scratch.file("storm");
        let mut command = Command::new(setup::ephtrace());
        command.args(["storm", "--json", "--hook", hook]).args(args);
        let (child, stderr) = spawn(command.stdout(File::create(&output)?))?;
        let mut tracer = Self { child, stderr, output };
        tracer.wait_attached()?;
        Ok(tracer)
    }

    /// Starts it without waiting.
    pub(crate) fn spawn(scratch: &Scratch, hook: &str, args: &[&str]) -> Result<Self> {
        let output = scratch.file("trace");
        let stdout = File::create(&output)?;
        let mut command = command(hook, args);
        let (child, stderr) = spawn(command.stdout(stdout))?;
        Ok(Self { child, stderr, output })
    }

    /// Waits until a child is attached that was started with its standard error piped and its
    /// output in the file `output`.
    pub(crate) fn of(mut child: Child, output: PathBuf) -> Result<Self> {
        let stderr = child.stderr.take().context("no standard error")?;
        let mut tracer = Self { child, stderr: Stderr::read(stderr), output };
        tracer.wait_attached()?;
        Ok(tracer)
    }

    /// Waits until it says that it is attached, and returns that line.
    pub(crate) fn wait_attached(&mut self) -> Result<String> {
        self.stderr.wait_for(ATTACHED)
    }

    /// Waits for a line on standard error that begins with `start`.
    pub(crate) fn wait_for(&mut self, start: &str) -> Result<String> {
        self.stderr.wait_for(start)
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> Pid {
        pid(&self.child)
    }

    /// Returns the path of its output.
    pub(crate) fn output(&self) -> &Path {
        &self.output
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("sending {signal}"))
    }

    /// Interrupts it as Ctrl-C does, and reads its output.
    pub(crate) fn stop(self) -> Result<Trace> {
        self.signal(Signal::SIGINT)?;
        self.wait()
    }

    /// Interrupts it, and returns its output unparsed.
    pub(crate) fn stop_text(mut self) -> Result<String> {
        self.signal(Signal::SIGINT)?;
        let status = wait::exit(&mut self.child)?;
        ensure!(status.success(), "ephtrace: {status}\n{}", self.stderr.rest());
        Ok(fs::read_to_string(&self.output)?)
    }

    /// Waits until it ends by itself, and reads its output.
    pub(crate) fn wait(mut self) -> Result<Trace> {
        let status = wait::exit(&mut self.child)?;
        let stderr = self.stderr.rest();
        let text = fs::read_to_string(&self.output)?;
        let (events, losses) = (Vec::new(), Vec::new());
        let mut trace =
            Trace { status, events, losses, summary: None, text: String::new(), stderr };
        for line in text.lines() {
            trace.summary = None;
            read_line(&mut trace, line).with_context(|| format!("reading {line}"))?;
        }
        Ok(Trace { text, ..trace })
    }
}

/// Kills the program, so that a failed test leaves nothing behind.
impl Drop for Tracer {
    fn drop(&mut self) {
        // ephtrace may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.output);
    }
}

/// Returns the command `ephtrace trace -o json` with a hook and `args`.
pub(crate) fn command(hook: &str, args: &[&str]) -> Command {
    let mut command = Command::new(setup::ephtrace());
    command.args(["trace", "-o", "json", "--hook", hook]).args(args);
    command
}

/// Starts a program whose standard error is read line by line.
pub(crate) fn spawn(command: &mut Command) -> Result<(Child, Stderr)> {
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let stderr = child.stderr.take().context("no standard error")?;
    Ok((child, Stderr::read(stderr)))
}

/// Returns a child's process id in the type that signals take.
pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn read_line(trace: &mut Trace, line: &str) -> Result<()> {
    let value: Value = serde_json::from_str(line)?;
    match value.get("type").and_then(Value::as_str) {
        Some("assignment") => trace.events.push(serde_json::from_value(value)?),
        Some("loss") => trace.losses.push(serde_json::from_value(value)?),
        Some("summary") => trace.summary = Some(serde_json::from_value(value)?),
        Some("stream") => {}
        _ => bail!("no type that a reader knows"),
    }
    Ok(())
}

/// A child's standard error, line by line.
pub(crate) struct Stderr {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Stderr {
    pub(crate) fn read(stderr: ChildStderr) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody listens once the test has failed.
                let _ = sender.send(line);
            }
        });
        Self { lines, seen: Vec::new() }
    }

    /// Waits for a line that begins with `start`.
    pub(crate) fn wait_for(&mut self, start: &str) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no line {start:?} on standard error:\n{}", self.seen.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("ended without a line {start:?}:\n{}", self.seen.join("\n"))
                }
            }
            if let Some(line) = self.seen.last().filter(|line| line.starts_with(start)) {
                return Ok(line.clone());
            }
        }
    }

    /// Returns all lines, once the child has ended.
    pub(crate) fn rest(&mut self) -> String {
        self.seen.extend(self.lines.iter());
        self.seen.join("\n")
    }
}
