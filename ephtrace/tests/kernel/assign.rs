//! Runs `assign` and reads its log, which is the truth.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Cursor, Read as _},
    net::IpAddr,
    os::fd::AsFd as _,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    notes::say,
    setup::{self, Scratch},
    wait,
};

/// One attempt to connect, as `assign` logged it; see its `truth::Attempt`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) way: String,
    pub(crate) family: u8,
    pub(crate) protocol: String,
    pub(crate) saddr: IpAddr,
    pub(crate) sport: Option<u16>,
    pub(crate) daddr: IpAddr,
    pub(crate) dport: u16,
    pub(crate) errno: i32,
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) tid: u32,
    pub(crate) comm: String,
    pub(crate) uid: u32,
    pub(crate) origin: String,
    pub(crate) netns: u64,
    pub(crate) range: Option<(u16, u16)>,
    pub(crate) cookie: Option<u64>,
    pub(crate) cookie_before: bool,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) calls: Option<u64>,
}

impl Attempt {
    /// Returns true if an event is due: the kernel chose the port, or found none, or refused the
    /// port that the program named. A hook may still be unable to see it.
    pub(crate) fn is_due(&self) -> bool {
        match self.origin.as_str() {
            "explicit" => self.errno != 0,
            origin => origin != "none",
        }
    }
}

/// Last line of a storm.
#[derive(Debug, Deserialize)]
pub(crate) struct StormReport {
    pub(crate) connects: u64,
    pub(crate) failures: u64,
    pub(crate) rate: f64,
}

/// Start times of the attempts of a running program, in nanoseconds since the Unix epoch.
#[derive(Default)]
pub(crate) struct Starts(Arc<Mutex<Vec<u64>>>);

impl Starts {
    /// Returns the start times between two times. The program reports several at once, so this
    /// waits for a later one.
    pub(crate) fn between(&self, from: SystemTime, to: SystemTime) -> Result<Vec<u64>> {
        let ns = |time: SystemTime| time.duration_since(UNIX_EPOCH).map(|since| since.as_nanos());
        let (from, to) = (ns(from)?, ns(to)?);
        wait::until("an attempt after the end", || {
            let starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_told = starts.last().is_some_and(|&last| u128::from(last) > to);
            let inside = |&&start: &&u64| (from..=to).contains(&start.into());
            Ok(is_told.then(|| starts.iter().filter(inside).copied().collect()))
        })
    }
}

/// Returns the output of each process at its end. All are read at once, so that none waits for its
/// reader.
pub(crate) fn outputs(processes: Vec<Assign>) -> Result<Vec<String>> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            processes.into_iter().map(|process| scope.spawn(|| process.output())).collect();
        let join = |t: thread::ScopedJoinHandle<'_, _>| t.join().map_err(|_| anyhow!("a panic"))?;
        threads.into_iter().map(join).collect()
    })
}

/// A running `assign`.
pub(crate) struct Assign {
    child: Child,
    stdout: BufReader<ChildStdout>,
    name: String,
}

impl Assign {
    /// Starts it under a name that no other process has. With `--wait`, it is already waiting when
    /// this returns.
    pub(crate) fn start(scratch: &Scratch, args: &[&str]) -> Result<Self> {
        Self::start_as(scratch, None, args)
    }

    /// Starts it as another user.
    pub(crate) fn start_as(scratch: &Scratch, uid: Option<u32>, args: &[&str]) -> Result<Self> {
        let name = format!("as-{}-{}", std::process::id(), setup::next());
        Self::start_called(scratch, name, uid, args)
    }

    /// Starts it under a name that other processes may have, too.
    pub(crate) fn start_named(scratch: &Scratch, name: &str, args: &[&str]) -> Result<Self> {
        Self::start_called(scratch, name.to_owned(), None, args)
    }

    fn start_called(
        scratch: &Scratch,
        name: String,
        uid: Option<u32>,
        args: &[&str],
    ) -> Result<Self> {
        let program = scratch.program(&setup::assign()?, &name)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(uid) = uid {
            command.uid(uid);
        }
        let waits = args.contains(&"--wait");
        command.args(waits.then_some("--ready"));
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let stdout = BufReader::new(child.stdout.take().context("no output")?);
        let mut assign = Self { child, stdout, name };
        if waits {
            let line = assign.line()?;
            ensure!(line == "ready\n", "assign said {line:?}");
        }
        Ok(assign)
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its name, which no other process has.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the inode number of its network namespace; it is not ours if the program made one
    /// before it began to wait.
    pub(crate) fn own_netns(&self) -> Result<u64> {
        let inode = |path: &str| fs::metadata(path).map(|m| m.ino());
        let netns = inode(&format!("/proc/{}/ns/net", self.pid()))?;
        ensure!(netns != inode("/proc/self/ns/net")?, "assign made no network namespace");
        Ok(netns)
    }

    /// Returns the next `count` attempts while it goes on.
    pub(crate) fn next(&mut self, count: u64) -> Result<Vec<Attempt>> {
        (0..count).map(|_| Ok(serde_json::from_str(&self.line()?)?)).collect()
    }

    /// Reads and discards its output from now on, so that it does not wait for a reader. It must
    /// run for longer than the test, which ends it.
    pub(crate) fn discard(&mut self) -> Result<()> {
        let mut stdout = self.stdout.get_ref().as_fd().try_clone_to_owned().map(File::from)?;
        // The thread ends with the process.
        thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        Ok(())
    }

    /// Reads its output from now on and keeps the start times of its attempts. It must run for
    /// longer than the test, which ends it.
    pub(crate) fn follow(&mut self) -> Result<Starts> {
        let begun = self.stdout.buffer().to_vec();
        self.stdout.consume(begun.len());
        let stdout = self.stdout.get_ref().as_fd().try_clone_to_owned().map(File::from)?;
        let starts = Starts::default();
        let seen = Arc::clone(&starts.0);
        // The thread ends with the process.
        thread::spawn(move || {
            let lines = BufReader::new(Cursor::new(begun).chain(stdout)).lines();
            for line in lines.map_while(Result::ok) {
                let Ok(attempt) = serde_json::from_str::<Attempt>(&line) else { continue };
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(attempt.start_ns);
            }
        });
        Ok(starts)
    }

    /// Returns the next line of its output.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let length = self.stdout.read_line(&mut line)?;
        ensure!(length > 0, "assign ended early");
        Ok(line)
    }

    /// Moves it to a cgroup v2.
    pub(crate) fn move_to(&self, cgroup: &Path) -> Result<()> {
        let procs = cgroup.join("cgroup.procs");
        fs::write(&procs, self.pid().to_string())
            .with_context(|| format!("writing to {}", procs.display()))
    }

    /// Lets it go (`--wait`), waits for its end and returns its output.
    pub(crate) fn output(mut self) -> Result<String> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "assign: {status}");
        Ok(text)
    }

    /// Returns its output, parsed as a log.
    pub(crate) fn truth(self) -> Result<Vec<Attempt>> {
        read(&self.output()?)
    }

    /// Returns its output, parsed as the report of a storm.
    pub(crate) fn storm(self) -> Result<StormReport> {
        Ok(serde_json::from_str(&self.output()?)?)
    }
}

impl Drop for Assign {
    fn drop(&mut self) {
        // The program has already ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Uses each way `times` times.
pub(crate) fn ways(scratch: &Scratch, times: u64) -> Result<Vec<Attempt>> {
    Assign::start(scratch, &["ways", "--times", &times.to_string()])?.truth()
}

/// Parses a log. Ways that this machine does not offer are noted and left out.
pub(crate) fn read(text: &str) -> Result<Vec<Attempt>> {
    let mut attempts = Vec::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
        if value.get("skipped").is_none() {
            attempts.push(serde_json::from_value(value)?);
        }
    }
    left_out(text)?.iter().for_each(|line| say(&format!("skipped: {line}")));
    ensure!(!attempts.is_empty(), "assign did nothing");
    Ok(attempts)
}

/// Returns the ways that this machine does not offer according to a log, with the reasons.
pub(crate) fn left_out(log: &str) -> Result<Vec<String>> {
    let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
        let word = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        if let (Some(why), Some(way)) = (word("skipped"), word("way")) {
            ways.entry(why).or_default().push(way);
        }
    }
    Ok(ways.into_iter().map(|(why, ways)| format!("{}: {why}", ways.join(", "))).collect())
}
