//! A signal ends each command within a second, whether its reader reads, sleeps or is gone.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, PipeReader, PipeWriter, Write as _},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::mkfifo,
};

use crate::{
    bpf,
    notes::say,
    setup::{self, Scratch, some_hook},
    skip::skip,
    tracer::{Stderr, pid},
    wait,
};

tests! {
    once: each_signal_ends_each_command, both_outputs_may_be_stuck,
        a_second_signal_ends_at_once, a_terminal_that_takes_nothing_is_no_hindrance;
}

/// Signals that a run handles, and others that end a process.
const SIGNALS: [Signal; 10] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGKILL,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGABRT,
];

const TAKEN: usize = 4;

/// Maximum time for an end. Emulated guests need that long for a few system calls.
fn allowed() -> Result<Duration> {
    Ok(if is_slow()? { Duration::from_secs(20) } else { Duration::from_secs(1) })
}

/// Returns true on machines for which storms are made small.
fn is_slow() -> Result<bool> {
    Ok(setup::storm()? < 150_000)
}

/// Reason for a skip; two pipes are enough to see that this kernel lets go.
const SLOW: &str = "this machine is too slow for what takes less than a second";

/// Behaviour of the reader of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    All,
    Nothing,
    Gone,
}

/// A command that is to be ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    args: &'static str,
    /// True if it says that it is attached, and waits for the signal.
    is_live: bool,
}

const fn live(args: &'static str) -> Ended {
    Ended { args, is_live: true }
}

const fn short(args: &'static str) -> Ended {
    Ended { args, is_live: false }
}

const COMMANDS: [Ended; 18] = [
    live("trace --origin connect"),
    live("trace -o json --origin connect"),
    live("trace -o csv --origin connect"),
    live("record FOLDER/recording.parquet"),
    live("storm 0.1"),
    live("storm --json 0.1"),
    short("check --for 1m"),
    short("check --no-trace"),
    short("ports"),
    short("ports --json"),
    short("doctor"),
    short("doctor --json"),
    short("explain :8080"),
    short("whatif --rate 100"),
    short("report FOLDER/events"),
    short("report --json FOLDER/events"),
    short("trace -o json --from FOLDER/events"),
    short("schema"),
];

/// Returns a full pipe, so that the next write to it waits.
fn full_pipe() -> Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = io::pipe()?;
    // SAFETY: the call takes numbers only.
    let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
    writer.write_all(&vec![b'\n'; usize::try_from(size)?])?;
    Ok((reader, writer))
}

/// A command that runs.
struct Running {
    child: Child,
    stderr: Option<Stderr>,
    /// Held open, never read.
    _unread: Option<PipeReader>,
    before: BTreeSet<u32>,
}

impl Running {
    fn start(one: Ended, reads: Reads, folder: &Path) -> Result<Self> {
        let before = bpf::programs()?;
        let (mut reader, writer) = if reads == Reads::Nothing { full_pipe()? } else { io::pipe()? };
        let mut child = command(one.args, folder).stdout(writer).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().map(Stderr::read);
        let unread = match reads {
            Reads::All => {
                thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
                None
            }
            Reads::Nothing => Some(reader),
            Reads::Gone => None,
        };
        let mut running = Self { child, stderr, _unread: unread, before };
        if one.is_live {
            let stderr = running.stderr.as_mut().context("no standard error")?;
            stderr.wait_for("ephtrace: tracing")?;
        }
        let status = format!("/proc/{}/status", running.child.id());
        wait::until("it is to heed SIGINT", || {
            // The process may have ended already.
            let status = fs::read_to_string(&status).unwrap_or_default();
            let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            let ignored = ignored.map_or(Ok(0), |set| u64::from_str_radix(set.trim(), 16))?;
            Ok((ignored >> (libc::SIGINT - 1) & 1 == 0).then_some(()))
        })?;
        if one.args.contains("--for") {
            wait::until("it is to attach", || {
                let attached = &bpf::programs()? - &running.before;
                Ok((!attached.is_empty()).then_some(()))
            })?;
        }
        if reads == Reads::Nothing {
            running.wait_stuck(one)?;
        }
        Ok(running)
    }

    /// Waits until it waits in a write, if it writes at all; connections give it output.
    fn wait_stuck(&mut self, one: Ended) -> Result<()> {
        if one.args.starts_with("record") || one.args.contains("1m") {
            return Ok(());
        }
        let path = format!("/proc/{}/syscall", self.child.id());
        let write = format!("{} ", libc::SYS_write);
        let server = TcpListener::bind("127.0.0.1:0")?;
        wait::until("a write that nobody takes", || {
            if one.is_live {
                let client = TcpStream::connect(server.local_addr()?)?;
                drop((client, server.accept()?));
            }
            ensure!(self.child.try_wait()?.is_none(), "{one:?} ended by itself");
            Ok(fs::read_to_string(&path)?.starts_with(&write).then_some(()))
        })
    }

    /// Sends the signal, and checks that nothing stays behind.
    fn end(mut self, signal: Signal) -> Result<(ExitStatus, Duration, String)> {
        let attached = &bpf::programs()? - &self.before;
        let began = Instant::now();
        // The process may have ended by itself, if nobody reads.
        let _ = kill(pid(&self.child), signal);
        let status = wait::exit(&mut self.child)?;
        let took = began.elapsed();
        wait::until("programs stay in the kernel", || {
            Ok(bpf::programs()?.is_disjoint(&attached).then_some(()))
        })?;
        let stderr = self.stderr.as_mut().map(Stderr::rest).unwrap_or_default();
        Ok((status, took, stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(args: &str, folder: &Path) -> Command {
    let mut command = Command::new(setup::ephtrace());
    let folder = folder.display().to_string();
    command.args(args.split(' ').map(|word| word.replace("FOLDER", &folder)));
    command.stdin(Stdio::null());
    let as_in_the_background = || {
        let set = [
            (libc::SIGINT, libc::SIG_IGN),
            (libc::SIGQUIT, libc::SIG_IGN),
            (libc::SIGHUP, libc::SIG_DFL),
        ];
        for (signal, action) in set {
            // SAFETY: the call sets how a signal is handled, and runs no handler.
            unsafe { libc::signal(signal, action) };
        }
        Ok(())
    };
    // SAFETY: the child only sets signals before it runs ephtrace.
    unsafe { command.pre_exec(as_in_the_background) };
    command
}

/// Writes enough events for an output that no pipe holds.
fn write_events(folder: &Path) -> Result<()> {
    let mut file = io::BufWriter::new(File::create(folder.join("events"))?);
    for n in 0..20_000_u64 {
        writeln!(
            file,
            "{{\"ts_ns\":{},\"saddr\":\"10.0.0.1\",\"sport\":{},\"daddr\":\"10.0.0.2\",\
             \"dport\":5432,\"errno\":0}}",
            1_767_268_800_000_000_000 + n * 1_000_000,
            32_768 + n % 28_232
        )?;
    }
    Ok(file.flush()?)
}

/// Tests all ten signals with `EPHTRACE_SIGNALS=10`; else only those that a run handles, in turn.
fn each_signal_ends_each_command() -> Result<()> {
    if is_slow()? {
        return skip(SLOW);
    }
    let scratch = Scratch::new()?;
    let folder = scratch.file("ended");
    fs::create_dir(&folder)?;
    write_events(&folder)?;
    let (every, mut count, mut slowest) = (setup::signals()?, 0, Duration::ZERO);
    for (nth, one) in COMMANDS.iter().enumerate() {
        for reads in [Reads::All, Reads::Nothing, Reads::Gone] {
            for at in (0..every).map(|k| if every < SIGNALS.len() { (nth + k) % TAKEN } else { k })
            {
                let signal = SIGNALS[at];
                let what = || format!("{signal} to `{}`, read: {reads:?}", one.args);
                let running = Running::start(*one, reads, &folder).with_context(what)?;
                let (status, took, stderr) = running.end(signal).with_context(what)?;
                ensure!(took < allowed()?, "{}: ended after {took:?}", what());
                judged(*one, reads, (signal, status), &stderr).with_context(what)?;
                (count, slowest) = (count + 1, slowest.max(took));
            }
        }
    }
    say(&format!("{count} ends, the slowest after {slowest:?}"));
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// Judges the exit status, and the output if somebody can still read it.
fn judged(
    one: Ended,
    reads: Reads,
    (signal, status): (Signal, ExitStatus),
    stderr: &str,
) -> Result<()> {
    let is_taken = one.is_live && SIGNALS[..TAKEN].contains(&signal);
    let number = signal as i32;
    let is_by_signal = status.signal() == Some(number);
    match (reads, is_taken) {
        // Without a reader, and at the end of its output, the command ends by itself.
        (Reads::Gone | Reads::All, false) => {
            ensure!(is_by_signal || status.code().is_some(), "{status}\n{stderr}");
        }
        (Reads::Gone | Reads::All, true) => {
            ensure!(status.success(), "{status}\n{stderr}");
        }
        (Reads::Nothing, true) if one.args.starts_with("record") => {
            ensure!(status.success(), "{status}\n{stderr}");
        }
        (Reads::Nothing, true) => {
            ensure!(status.code() == Some(128 + number), "{status}\n{stderr}");
            ensure!(stderr.contains("the reader of the output is gone or too slow"), "{stderr}");
            let summary = if one.args.starts_with("storm") { "total, " } else { "lost 0 events" };
            ensure!(stderr.contains(summary), "no summary: {stderr}");
        }
        (Reads::Nothing, false) => {
            ensure!(is_by_signal || status.code() == Some(128 + number), "{status}\n{stderr}");
        }
    }
    ensure!(!stderr.contains("panicked"), "{stderr}");
    Ok(())
}

/// Tests `ephtrace 2>&1 | less` while nobody presses a key.
fn both_outputs_may_be_stuck() -> Result<()> {
    for args in ["trace -o json --origin connect", "storm 0.1"] {
        let before = bpf::programs()?;
        let (unread, writer) = full_pipe()?;
        let mut command = command(args, Path::new("/"));
        command.args(["--hook", &some_hook()]).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn()?;
        drop(command);
        let mut running = Running { child, stderr: None, _unread: Some(unread), before };
        running.wait_stuck(short(args))?;
        let (status, took, _) = running.end(Signal::SIGINT)?;
        ensure!(took < allowed()?, "`{args}` ended after {took:?}");
        ensure!(status.code() == Some(128 + libc::SIGINT), "`{args}`: {status}");
    }
    Ok(())
}

/// Starts a command on a terminal whose output nobody reads.
fn on_terminal(args: &str, folder: &Path) -> Result<(Running, OpenptyResult)> {
    let before = bpf::programs()?;
    let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None)?;
    let end = || pty.slave.as_fd().try_clone_to_owned().map(Stdio::from);
    let mut command = command(args, folder);
    command.env("TERM", "xterm-256color").stdin(end()?).stdout(end()?).stderr(end()?);
    let child = command.spawn()?;
    Ok((Running { child, stderr: None, _unread: None, before }, pty))
}

/// After Ctrl-S, or with a dead connection, the terminal accepts no more output.
fn a_terminal_that_takes_nothing_is_no_hindrance() -> Result<()> {
    if is_slow()? {
        return skip(SLOW);
    }
    let scratch = Scratch::new()?;
    let folder = scratch.file("terminal");
    fs::create_dir(&folder)?;
    write_events(&folder)?;
    for one in [live("storm 0.1"), live("top"), short("top --from FOLDER/events")] {
        let (mut running, _pty) = on_terminal(one.args, &folder)?;
        running.wait_stuck(one)?;
        let (status, took, _) = running.end(Signal::SIGTERM)?;
        ensure!(took < allowed()?, "`{}` ended after {took:?}: {status}", one.args);
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// The view waits for a recording that does not come, and so does not see the signal.
fn a_second_signal_ends_at_once() -> Result<()> {
    if is_slow()? {
        return skip(SLOW);
    }
    let scratch = Scratch::new()?;
    let folder = scratch.file("second");
    fs::create_dir(&folder)?;
    let fifo = folder.join("events");
    mkfifo(&fifo, Mode::S_IRWXU)?;
    let _writer = File::options().read(true).write(true).open(&fifo)?;
    let mut took = Vec::new();
    for signals in 1..=2 {
        let (running, _pty) = on_terminal("top --from FOLDER/events", &folder)?;
        let path = format!("/proc/{}/status", running.child.id());
        wait::until("it is to take signals", || {
            let status = fs::read_to_string(&path)?;
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            Ok(blocked.is_some_and(|set| set.contains(|c| ('1'..='f').contains(&c))).then_some(()))
        })?;
        let began = Instant::now();
        if signals == 2 {
            kill(pid(&running.child), Signal::SIGINT)?;
            // An earlier signal would count as the same event.
            thread::sleep(Duration::from_millis(300));
        }
        let (status, ..) = running.end(Signal::SIGINT)?;
        ensure!(status.code() == Some(128 + libc::SIGINT), "{status}");
        took.push(began.elapsed());
    }
    ensure!(took[0] < allowed()? && took[1] < took[0], "{took:?}");
    fs::remove_dir_all(folder)?;
    Ok(())
}
