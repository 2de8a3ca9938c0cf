//! What the environment says: programs, hooks, sizes; and a folder for each test.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::notes::print;

/// ephtrace: `EPHTRACE_BIN`, or the one that cargo built for these tests.
pub(crate) fn ephtrace() -> PathBuf {
    env::var_os("EPHTRACE_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_ephtrace")))
        .into()
}

/// The example `assign`: `EPHTRACE_ASSIGN`, or the one that cargo built beside these tests.
pub(crate) fn assign() -> Result<PathBuf> {
    if let Some(path) = env::var_os("EPHTRACE_ASSIGN") {
        return Ok(path.into());
    }
    let test = env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("the test is in no folder")?;
    let assign = profile.join("examples/assign");
    if !assign.exists() {
        bail!("no {}: `cargo build --example assign` makes it", assign.display());
    }
    Ok(assign)
}

/// Whether the kernel preempts its own code, so that it may leave BPF programs out.
pub(crate) fn kernel_preempts() -> bool {
    let modes = fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
    ["(full)", "(lazy)"].iter().any(|mode| modes.contains(mode))
}

/// The first two numbers of the kernel's version.
pub(crate) fn kernel() -> Result<(u32, u32)> {
    let release = release()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("a kernel called {release:?}"),
    }
}

/// `uname -r`.
pub(crate) fn release() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

/// Keeps a recording, if `EPHTRACE_KEEP` says so: a folder, or `-` for the output of the tests,
/// which is all that leaves a guest.
pub(crate) fn keep(name: &str, recording: &str) -> Result<()> {
    let Some(folder) = env::var_os("EPHTRACE_KEEP") else { return Ok(()) };
    let name = format!("{}-{name}.ndjson", release()?);
    if folder == "-" {
        recording.lines().for_each(|line| print(&format!("keep {name} {line}")));
        return Ok(());
    }
    let path = Path::new(&folder).join(name);
    fs::write(&path, recording).with_context(|| format!("writing {}", path.display()))
}

/// How many connects a storm makes: `EPHTRACE_STORM`.
pub(crate) fn storm() -> Result<u64> {
    number("EPHTRACE_STORM", 200_000)
}

/// How often each way is gone: `EPHTRACE_TIMES`.
pub(crate) fn times() -> Result<u64> {
    number("EPHTRACE_TIMES", 10)
}

/// How many populations of sockets answers are compared on: `EPHTRACE_POPULATIONS`.
pub(crate) fn populations() -> Result<u64> {
    number("EPHTRACE_POPULATIONS", 1000)
}

/// How many sequences of events a trace is put through: `EPHTRACE_SEQUENCES`; 1000 by hand.
pub(crate) fn sequences() -> Result<u64> {
    number("EPHTRACE_SEQUENCES", 4)
}

/// How many signals are sent to each command: `EPHTRACE_SIGNALS`; 10 by hand.
pub(crate) fn signals() -> Result<usize> {
    number("EPHTRACE_SIGNALS", 1)
}

/// How many seconds verdicts are looked at live: `EPHTRACE_LIVE_SECONDS`; 600 by hand.
pub(crate) fn live_seconds() -> Result<u32> {
    number("EPHTRACE_LIVE_SECONDS", 20)
}

fn number<T: FromStr>(name: &str, default: T) -> Result<T> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| anyhow!("{name} is {text:?}, not a number")),
        Err(_) => Ok(default),
    }
}

/// The hooks to test: `EPHTRACE_HOOKS`, separated by commas, default `auto`.
pub(crate) fn hooks() -> Vec<String> {
    let hooks = env::var("EPHTRACE_HOOKS").unwrap_or_else(|_| AUTO.to_owned());
    hooks.split(',').filter(|hook| !hook.is_empty()).map(str::to_owned).collect()
}

const AUTO: &str = "auto";

/// The hook that ephtrace takes for `hook`: another one for `auto`, as `doctor` tells.
pub(crate) fn used_hook(hook: &str) -> Result<String> {
    if hook != AUTO {
        return Ok(hook.to_owned());
    }
    let report = doctor()?;
    report["auto"].as_str().map(str::to_owned).with_context(|| format!("no hook: {report}"))
}

/// The hooks that work here, as `doctor` tells.
pub(crate) fn working_hooks() -> Result<Vec<String>> {
    let report = doctor()?;
    let hooks = report["hooks"].as_array().with_context(|| format!("no hooks: {report}"))?;
    let works = hooks.iter().filter(|hook| hook["available"] == true);
    Ok(works.filter_map(|hook| hook["hook"].as_str()).map(str::to_owned).collect())
}

/// What `ephtrace doctor --json` says. Asked once: an emulated guest takes ten seconds to try all
/// hooks.
pub(crate) fn doctor() -> Result<Value> {
    static SAID: OnceLock<Value> = OnceLock::new();
    if let Some(said) = SAID.get() {
        return Ok(said.clone());
    }
    let doctor = Command::new(ephtrace()).args(["doctor", "--json"]).output()?;
    ensure!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stderr));
    let said: Value = serde_json::from_slice(&doctor.stdout)?;
    Ok(SAID.get_or_init(|| said).clone())
}

/// How many hooks there are, and which of them this is: to share out work that is alike for all.
pub(crate) fn share(hook: &str) -> (usize, usize) {
    let hooks = hooks();
    let index = hooks.iter().position(|one| one == hook).unwrap_or(0);
    (hooks.len().max(1), index)
}

/// The first of the hooks, for tests that are about something else.
pub(crate) fn some_hook() -> String {
    hooks().into_iter().next().unwrap_or_else(|| AUTO.to_owned())
}

/// A folder that everybody may read, gone at the end of the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("ephtrace-test-{}-{}", std::process::id(), next()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Path of a file in it that nobody else was given.
    pub(crate) fn file(&self, kind: &str) -> PathBuf {
        self.0.join(format!("{kind}-{}", next()))
    }

    /// A program under a name of its own, which becomes the process's name.
    pub(crate) fn program(&self, program: &Path, name: &str) -> Result<PathBuf> {
        let copy = self.0.join(name);
        fs::copy(program, &copy)
            .with_context(|| format!("copying {} to {}", program.display(), copy.display()))?;
        Ok(copy)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left over in the system's folder for temporary files at worst.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A number that this process gives out once.
pub(crate) fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
