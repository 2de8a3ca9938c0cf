//! The compared tracers: ephtrace, and the peers that are installed.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{process, say::say};

/// Time for a peer to attach: it does not report it.
const PEER_START: Duration = Duration::from_secs(2);

/// One way to trace.
pub(crate) struct Tracer {
    pub(crate) name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    /// True if the program reports on stderr that it is attached, and ends with a summary.
    is_ours: bool,
    /// Signal that ends it cleanly.
    end_by: &'static str,
}

/// A tracer at work.
pub(crate) struct Running {
    child: Child,
    output: PathBuf,
    is_ours: bool,
    end_by: &'static str,
    cpu_before: f64,
}

/// Work of a tracer during the storm.
pub(crate) struct Work {
    /// Processor time, in seconds.
    pub(crate) cpu_s: f64,
    /// Largest resident memory, in KiB.
    pub(crate) peak_kib: u64,
    /// Lines of output.
    pub(crate) lines: u64,
    /// ephtrace's own summary.
    pub(crate) summary: Option<Value>,
}

/// Returns ephtrace in its modes, a process that does nothing (to show how far two equal storms
/// differ), then peers, as far as they are installed.
pub(crate) fn all(ephtrace: &Path) -> Vec<Tracer> {
    let ours = |name, args: &str| Tracer {
        name,
        program: ephtrace.to_path_buf(),
        args: args.split(' ').map(Into::into).collect(),
        is_ours: true,
        end_by: "-INT",
    };
    let mut tracers = vec![
        ours("ephtrace -o json", "-o json"),
        ours("ephtrace storm", "storm 1 --json"),
        ours("ephtrace -P 1 (filtered)", "-o json -P 1"),
        Tracer {
            name: "nothing at all",
            program: "sleep".into(),
            args: vec!["infinity".into()],
            is_ours: false,
            // The tracer may have inherited an ignored SIGINT, and handles none.
            end_by: "-TERM",
        },
    ];
    for name in ["tcpstates", "tcplife"] {
        // Debian's libbpf-tools install under this name, in a folder that only root has on PATH.
        let places = process::find(name).into_iter().chain([Path::new("/usr/sbin").join(name)]);
        if let Some(program) = places.into_iter().find(|path| path.is_file()) {
            let peer = Tracer { name, program, args: Vec::new(), is_ours: false, end_by: "-INT" };
            match peer.trial() {
                Ok(()) => tracers.push(peer),
                Err(why) => say(format_args!("left out: {why:#}")),
            }
        }
    }
    tracers
}

impl Tracer {
    /// Checks whether it runs here at all.
    fn trial(&self) -> Result<()> {
        let mut child = process::as_root(&self.program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        thread::sleep(PEER_START);
        if child.try_wait()?.is_none() {
            process::run(process::as_root("kill").arg(child.id().to_string()))?;
            child.wait()?;
            return Ok(());
        }
        let mut line = String::new();
        if let Some(stderr) = child.stderr.take() {
            BufReader::new(stderr).read_line(&mut line)?;
        }
        bail!("{} ends at once: {}", self.name, line.trim_end())
    }

    /// Starts it, with its output in a file, and waits until it traces.
    pub(crate) fn start(&self, folder: &Path) -> Result<Running> {
        let output = folder.join("events");
        let mut child = process::as_root(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(if self.is_ours { Stdio::piped() } else { Stdio::null() })
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        match child.stderr.take() {
            Some(stderr) => {
                let mut line = String::new();
                BufReader::new(stderr).read_line(&mut line)?;
            }
            None => thread::sleep(PEER_START),
        }
        let cpu_before = cpu_s(child.id());
        let Self { is_ours, end_by, .. } = *self;
        Ok(Running { child, output, is_ours, end_by, cpu_before })
    }
}

impl Running {
    /// Ends it and returns its work.
    pub(crate) fn stop(mut self) -> Result<Work> {
        // Data still in its buffer belongs to the storm.
        thread::sleep(Duration::from_millis(100));
        let pid = self.child.id();
        let cpu_s = cpu_s(pid) - self.cpu_before;
        let peak_kib = peak_kib(pid);
        process::run(process::as_root("kill").args([self.end_by, &pid.to_string()]))?;
        self.child.wait()?;
        let (lines, last) = count_lines(&self.output)?;
        let summary = self.is_ours.then(|| serde_json::from_str(&last)).transpose()?;
        Ok(Work { cpu_s, peak_kib, lines, summary })
    }
}

/// Processor time of a process so far, in seconds: of its main thread, which is the only one of
/// each of the tracers. Accurate to the nanosecond, unlike that in `/proc/PID/stat`.
fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let ns = stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok());
    ns.map_or(f64::NAN, |ns| ns / 1e9)
}

/// Largest resident memory of a process so far, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Returns the number of lines of a file, and the last one.
fn count_lines(path: &Path) -> Result<(u64, String)> {
    let (mut lines, mut last) = (0, String::new());
    for line in BufReader::new(File::open(path)?).lines() {
        last = line?;
        lines += 1;
    }
    Ok((lines, last))
}
