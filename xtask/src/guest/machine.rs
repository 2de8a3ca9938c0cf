//! One QEMU: starts it, streams its output, and detects its end.
//!
//! The first serial port is the kernel's and goes to a file; the second is the command's and comes
//! through QEMU's stdout.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    initramfs,
    kernel::Kernel,
    verdict::{Outcome, Verdict},
};
use crate::{
    apt, process,
    say::{result, say},
    setup::version::Version,
    tally::Tally,
};

pub(super) const QEMU: &str = "qemu-system-x86_64";
/// Beginning of the init's last line.
const MARK: &str = "guest-init: exit ";
/// Number of output lines buffered for the terminal: a slow terminal slows the guest down.
const LINES_AHEAD: usize = 1024;
/// Number of lines of the kernel's log that a failure shows.
const LAST_WORDS: usize = 30;
/// Timeout for a kernel's first message under KVM; it takes a fraction of this.
const KVM_PATIENCE: Duration = Duration::from_secs(10);

/// Way in which QEMU runs the guest's instructions.
#[derive(Clone, Copy)]
pub(super) enum Accelerator {
    Kvm,
    Tcg,
    /// Emulation with all of a guest's processors on one thread.
    TcgInTurns,
    /// Emulation of one processor that takes a nanosecond for an instruction and no time for
    /// waiting: the guest's clock counts instructions.
    Counting,
}

/// First QEMU version with safe parallel emulation: older ones may translate code while another
/// processor patches it, and a guest that switches a static key under load (BPF statistics, a
/// tracepoint) dies of `Oops: int3`.
const TCG_THREADS_ARE_SAFE_FROM: Version = Version { major: 8, minor: 1, patch: 0 };

/// Common setup of all guests of one run.
pub(super) struct Machine {
    pub(super) initramfs: PathBuf,
    pub(super) accelerator: Accelerator,
    pub(super) memory_mib: u32,
    pub(super) processors: u32,
    pub(super) timeout: Duration,
    /// True if each line of output is prefixed with the kernel's version.
    pub(super) prefixed: bool,
}

/// Receiver of a guest's lines.
pub(super) type Listener<'guest> = &'guest mut dyn FnMut(&str);

/// Installs QEMU if apt can, else reports what is missing.
pub(super) fn require_qemu() -> Result<()> {
    if process::find(QEMU).is_some() {
        return Ok(());
    }
    apt::require("booting other kernels", &["qemu-system-x86"])
}

impl Accelerator {
    /// Chooses KVM if a kernel boots under it: the device alone proves nothing, since on some hosts
    /// it opens and then refuses to run.
    pub(super) fn choose(image: &Path) -> Self {
        if Path::new("/dev/kvm").exists() && kvm_speaks(image) {
            say("guests run under KVM");
            return Self::Kvm;
        }
        let version = qemu_version();
        if version.is_some_and(|version| version >= TCG_THREADS_ARE_SAFE_FROM) {
            say("guests run emulated: no usable KVM");
            return Self::Tcg;
        }
        say("guests run emulated, each on one thread: no usable KVM, and QEMU is older than 8.1");
        Self::TcgInTurns
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::TcgInTurns | Self::Counting => "tcg,thread=single",
        }
    }
}

fn qemu_version() -> Option<Version> {
    let text = process::output(Command::new(QEMU).arg("--version")).ok()?;
    let (_, version) = text.split_once("version ")?;
    Version::parse(version)
}

fn kvm_speaks(image: &Path) -> bool {
    let mut qemu = qemu(Accelerator::Kvm, 2, image, "console=ttyS0 panic=-1");
    qemu.args(["-m", "256", "-serial", "stdio"]).stderr(Stdio::null());
    let Ok(mut child) = qemu.spawn() else { return false };
    let deadline = Instant::now() + KVM_PATIENCE;
    let spoke = child.stdout.take().is_some_and(|stdout| {
        let lines = lines_of(stdout);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) if line.contains("Linux version") => break true,
                Ok(_) => {}
                Err(_) => break false,
            }
        }
    });
    let _already_gone = child.kill();
    let _already_gone = child.wait();
    spoke
}

/// Returns the common arguments of every QEMU.
fn qemu(accelerator: Accelerator, processors: u32, image: &Path, command_line: &str) -> Command {
    let mut qemu = Command::new(QEMU);
    // Without cmpxchg16b: QEMU 7.2's emulation of it corrupts flags, and kernels from 6.12 on panic
    // under load.
    if matches!(accelerator, Accelerator::Counting) {
        qemu.args(["-icount", "shift=0,sleep=off"]);
        // Equal random numbers and an equal date each time make the kernel assign the same ports:
        // the judge's work depends on them.
        qemu.args(["-seed", "1", "-rtc", "base=2026-01-01,clock=vm"]);
    }
    qemu.args(["-accel", accelerator.name(), "-cpu", "max,-cx16"])
        .args(["-smp", &processors.to_string()])
        .args(["-display", "none", "-monitor", "none", "-nodefaults", "-no-reboot"])
        .arg("-kernel")
        .arg(image)
        .args(["-append", command_line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    qemu
}

impl Machine {
    /// Boots one kernel, runs the initramfs' command, and waits for the end. The command's output
    /// goes to `listener`, else to the terminal.
    pub(super) fn boot<'guest>(
        &self,
        kernel: &'guest Kernel,
        listener: Option<Listener<'guest>>,
    ) -> Result<Outcome> {
        // Named like the initramfs, so that parallel guests do not collide.
        let log_file = self.initramfs.with_extension(format!("{}.log", kernel.version));
        say(format_args!("booting {}", kernel.version));
        let start = Instant::now();
        let initramfs = initramfs::with_modules(&self.initramfs, kernel)?;
        let mut child = self.start(kernel, &initramfs, &log_file)?;
        let stdout = child.stdout.take().context("QEMU has no stdout")?;
        let mut output = Output {
            version: self.prefixed.then_some(&kernel.version),
            start,
            tests: Tally::default(),
            listener,
        };
        let lines = lines_of(stdout);
        let ended = output.follow(&lines, start + self.timeout);
        // Either it has printed its last line, or it will not any more.
        let _already_gone = child.kill();
        let _already_gone = child.wait();
        if !matches!(ended, Some(Verdict::Exited(_))) {
            output.show_rest(&lines);
        }
        output.tests.finish();
        fs::remove_file(&initramfs).context("cannot remove the guest's initramfs")?;
        let log =
            fs::read(&log_file).with_context(|| format!("cannot read {}", log_file.display()))?;
        let log = String::from_utf8_lossy(&log);
        let verdict = ended.unwrap_or_else(|| Verdict::Died(cause_of_death(&log)));
        let peaceful = matches!(verdict, Verdict::Exited(_));
        let warnings: Vec<_> =
            log.lines().filter(|line| is_warning(line)).map(str::to_owned).collect();
        let worth_keeping = !peaceful || !warnings.is_empty();
        if !worth_keeping {
            fs::remove_file(&log_file).context("cannot remove a guest's log")?;
        }
        let outcome = Outcome {
            kernel: kernel.version.clone(),
            verdict,
            tests: output.tests,
            warnings,
            last_words: if peaceful { Vec::new() } else { last_lines(&log) },
            log: worth_keeping.then_some(log_file),
            took: start.elapsed(),
        };
        if self.prefixed || !outcome.is_uneventful() {
            say(&outcome);
        }
        Ok(outcome)
    }

    fn start(&self, kernel: &Kernel, initramfs: &Path, log: &Path) -> Result<Child> {
        // A survived oops could pass for a success.
        let command_line = "console=ttyS0 loglevel=5 oops=panic panic=-1";
        let mut qemu = qemu(self.accelerator, self.processors, &kernel.image, command_line);
        qemu.arg("-initrd").arg(initramfs);
        qemu.args(["-m", &self.memory_mib.to_string()]);
        qemu.arg("-serial").arg(format!("file:{}", log.display()));
        qemu.args(["-serial", "stdio"]);
        qemu.spawn().with_context(|| format!("cannot start {QEMU}"))
    }
}

/// Output of one guest.
struct Output<'guest> {
    /// Prefix of each line, if there is one.
    version: Option<&'guest str>,
    start: Instant,
    tests: Tally,
    listener: Option<Listener<'guest>>,
}

impl Output<'_> {
    /// Passes lines on until the init reports the end; `None` if the output ends without it.
    fn follow(&mut self, lines: &Receiver<String>, deadline: Instant) -> Option<Verdict> {
        // The init ends an unfinished line before its mark; an empty line is held back until it is
        // known to be the command's own.
        let mut held_back = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Some(Verdict::TimedOut),
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            if let Some(code) = line.strip_prefix(MARK) {
                return Some(exit_verdict(code));
            }
            if std::mem::replace(&mut held_back, line.is_empty()) {
                self.show("");
            }
            if !held_back {
                self.show(&line);
            }
        }
    }

    /// Shows the output that was in transit when the guest was stopped, in particular an unfinished
    /// line.
    fn show_rest(&mut self, lines: &Receiver<String>) {
        for line in lines {
            self.show(&line);
        }
    }

    fn show(&mut self, line: &str) {
        if let Some(listener) = &mut self.listener {
            return listener(line);
        }
        self.tests.count(line);
        match self.version {
            Some(version) => {
                let seconds = self.start.elapsed().as_secs();
                result(format_args!("[{version} {seconds:3}s] {line}"));
            }
            None => result(line),
        }
    }
}

/// Parses the number after the mark, or the reason why there was nothing to run.
fn exit_verdict(code: &str) -> Verdict {
    match code.split_once(' ') {
        Some((_, why)) => Verdict::Died(why.to_owned()),
        None => code.parse().map_or_else(|_| Verdict::Died(code.to_owned()), Verdict::Exited),
    }
}

/// Returns lines as they arrive, each without its end.
fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

fn cause_of_death(log: &str) -> String {
    let telling = ["Kernel panic", "BUG:", "Oops", "guest-init:"];
    let line = log.lines().find(|line| telling.iter().any(|word| line.contains(word)));
    line.map_or_else(|| "it ended without a word".to_owned(), |line| line.trim_end().to_owned())
}

fn is_warning(line: &str) -> bool {
    ["WARNING:", "BUG:", "INFO: rcu", "guest-init:"].iter().any(|word| line.contains(word))
}

fn last_lines(log: &str) -> Vec<String> {
    let lines: Vec<_> = log.lines().collect();
    let from = lines.len().saturating_sub(LAST_WORDS);
    lines.get(from..).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
}
