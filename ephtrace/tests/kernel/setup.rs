//! Settings from the environment: programs, hooks, sizes; and a folder for each test.

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

/// Returns the path of ephtrace: `EPHTRACE_BIN`, or the program that cargo built for these tests.
pub(crate) fn ephtrace() -> PathBuf {
    env::var_os("EPHTRACE_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_ephtrace")))
        .into()
}

/// Returns the path of the example `assign`: `EPHTRACE_ASSIGN`, or the program that cargo built
/// beside these tests.
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

/// Returns true if the kernel preempts its own code, so that it may leave out BPF programs.
pub(crate) fn kernel_preempts() -> bool {
    let modes = fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
    ["(full)", "(lazy)"].iter().any(|mode| modes.contains(mode))
}

/// Returns the first two numbers of the kernel's version.
pub(crate) fn kernel() -> Result<(u32, u32)> {
    let release = release()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("a kernel called {release:?}"),
    }
}

/// Returns the kernel's release, as `uname -r` does.
pub(crate) fn release() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

/// Keeps a recording if `EPHTRACE_KEEP` is set: in this folder, or for `-` in the output of the
/// tests, which is all that leaves a guest.
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

/// Returns the number of connects of a storm: `EPHTRACE_STORM`.
pub(crate) fn storm() -> Result<u64> {
    number("EPHTRACE_STORM", 200_000)
}

/// Returns the number of connects beside a run that is to stay small: `EPHTRACE_SOAK`; use
/// 10,000,000 by hand.
pub(crate) fn soak() -> Result<u64> {
    number("EPHTRACE_SOAK", 100_000)
}

/// Returns how often each way is used: `EPHTRACE_TIMES`.
pub(crate) fn times() -> Result<u64> {
    number("EPHTRACE_TIMES", 10)
}

/// Returns the number of socket populations on which answers are compared: `EPHTRACE_POPULATIONS`.
pub(crate) fn populations() -> Result<u64> {
    number("EPHTRACE_POPULATIONS", 1000)
}

/// Returns the number of event sequences beside traces: `EPHTRACE_SEQUENCES`; use 1000 by hand.
pub(crate) fn sequences() -> Result<u64> {
    number("EPHTRACE_SEQUENCES", 4)
}

/// Returns the number of signals sent to each command: `EPHTRACE_SIGNALS`; use 10 by hand.
pub(crate) fn signals() -> Result<usize> {
    number("EPHTRACE_SIGNALS", 1)
}

/// Returns the duration of live verdicts in seconds: `EPHTRACE_LIVE_SECONDS`; use 600 by hand.
pub(crate) fn live_seconds() -> Result<u32> {
    number("EPHTRACE_LIVE_SECONDS", 20)
}

fn number<T: FromStr>(name: &str, default: T) -> Result<T> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| anyhow!("{name} is {text:?}, not a number")),
        Err(_) => Ok(default),
    }
}

/// Returns the hooks to test: `EPHTRACE_HOOKS`, separated by commas, default `auto`.
pub(crate) fn hooks() -> Vec<String> {
    let hooks = env::var("EPHTRACE_HOOKS").unwrap_or_else(|_| AUTO.to_owned());
    hooks.split(',').filter(|hook| !hook.is_empty()).map(str::to_owned).collect()
}

const AUTO: &str = "auto";

/// Returns the hook that ephtrace uses for `hook`: for `auto`, the one that `doctor` names.
pub(crate) fn used_hook(hook: &str) -> Result<String> {
    if hook != AUTO {
        return Ok(hook.to_owned());
    }
    let report = doctor()?;
    report["auto"].as_str().map(str::to_owned).with_context(|| format!("no hook: {report}"))
}

/// Returns the hooks that work here according to `doctor`.
pub(crate) fn working_hooks() -> Result<Vec<String>> {
    let report = doctor()?;
    let hooks = report["hooks"].as_array().with_context(|| format!("no hooks: {report}"))?;
    let works = hooks.iter().filter(|hook| hook["available"] == true);
    Ok(works.filter_map(|hook| hook["hook"].as_str()).map(str::to_owned).collect())
}

/// Returns the output of `ephtrace doctor --json`. It is run once: an emulated guest takes ten
/// seconds to try all hooks.
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

/// Returns the number of hooks and the index of this one, to share work that is the same for all
/// hooks.
pub(crate) fn share(hook: &str) -> (usize, usize) {
    let hooks = hooks();
    let index = hooks.iter().position(|one| one == hook).unwrap_or(0);
    (hooks.len().max(1), index)
}

/// Returns the first of the hooks, for tests that do not depend on it.
pub(crate) fn some_hook() -> String {
    hooks().into_iter().next().unwrap_or_else(|| AUTO.to_owned())
}

/// A folder that everybody may read; removed at the end of the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates an empty folder.
    pub(crate) fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("ephtrace-test-{}-{}", std::process::id(), next()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file in the folder; each call returns another path.
    pub(crate) fn file(&self, kind: &str) -> PathBuf {
        self.0.join(format!("{kind}-{}", next()))
    }

    /// Copies a program under a name of its own, which becomes the process's name.
    pub(crate) fn program(&self, program: &Path, name: &str) -> Result<PathBuf> {
        let copy = self.0.join(name);
        fs::copy(program, &copy)
            .with_context(|| format!("copying {} to {}", program.display(), copy.display()))?;
        Ok(copy)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // At worst, it is left over in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a number that this process gives out once.
pub(crate) fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
