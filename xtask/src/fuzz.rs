//! `cargo xtask fuzz`: libFuzzer on each target of `ephtrace/tests/common/fuzz_targets.rs`.
//!
//! Corpora of the repository and of earlier runs → libFuzzer → merged: the smallest inputs that
//! reach all code → corpus of the repository, which `cargo xtask test` runs without a fuzzer.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    process,
    say::{result, say},
    workspace,
};

/// Fuzz all targets, or one.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds over all targets
    #[arg(default_value_t = 600)]
    seconds: u64,
    /// Only this target
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// File that lists the targets, each with its name.
const TARGETS: &str = "ephtrace/tests/common/fuzz_targets.rs";

/// Target of the build: with it, flags apply to the program and not to its build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Flags that count executed code; comparisons and tables guide inputs (as passed by `cargo fuzz`).
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Maximum memory of a target, in MiB.
const MAX_MEMORY: u32 = 256;

/// Maximum length of an input, in bytes: a Parquet file with all columns and a few rows has 10 KiB.
const MAX_INPUT: u32 = 32 << 10;

/// Maximum size of a target's committed corpus: inputs and bytes that keep a test quick and a clone
/// small.
const MAX_INPUTS: usize = 96;
const MAX_BYTES: u64 = 128 << 10;

/// Length of the names that libFuzzer gives to inputs: their SHA-1.
const HASH: usize = 40;

/// Key of the number of inputs that libFuzzer has run.
const COUNT: &str = "stat::number_of_executed_units:";

/// Result of one target.
struct Outcome {
    inputs: u64,
    is_well: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let names = names()?;
    let chosen: Vec<&String> =
        names.iter().filter(|name| args.only.as_ref().is_none_or(|only| only == *name)).collect();
    ensure!(!chosen.is_empty(), "no such target; there are {}", names.join(", "));
    let fuzzer = build()?;
    let seconds = (args.seconds / chosen.len() as u64).max(1);
    let (mut inputs, mut failed) = (0, 0);
    for &name in &chosen {
        say(format_args!("{name}: {seconds} s"));
        let folders = Folders::make(name)?;
        let outcome = run(&fuzzer, name, &folders, seconds)?;
        result(format_args!("{name}: {} inputs", outcome.inputs));
        inputs += outcome.inputs;
        failed += usize::from(!outcome.is_well);
        if outcome.is_well {
            merge(&fuzzer, name, &folders)?;
        }
    }
    result(format_args!("{inputs} inputs over {} targets, {failed} failed", chosen.len()));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Folders with the inputs of a target.
struct Folders {
    /// Inputs of the repository.
    kept: PathBuf,
    /// Inputs found on this machine.
    found: PathBuf,
    /// Inputs that break the target.
    artifacts: PathBuf,
}

impl Folders {
    fn make(name: &str) -> Result<Self> {
        let target = workspace::root().join("target/fuzz");
        let folders = Self {
            kept: workspace::root().join("fuzz/corpus").join(name),
            found: target.join("corpus").join(name),
            artifacts: target.join("artifacts").join(name),
        };
        for folder in [&folders.kept, &folders.found, &folders.artifacts] {
            fs::create_dir_all(folder)?;
        }
        Ok(folders)
    }
}

/// Builds the fuzzer, with a compiler that supports coverage.
fn build() -> Result<PathBuf> {
    say("building the fuzzer");
    let target = workspace::root().join("target/fuzz");
    let mut cargo = Command::new("cargo");
    cargo.args(["+nightly", "build", "--release", "--target", TARGET]);
    cargo.arg("--manifest-path").arg(workspace::root().join("fuzz/Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).env("RUSTFLAGS", COVERAGE);
    // Variables of the cargo that runs this.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
        cargo.env_remove(variable);
    }
    process::run(&mut cargo)?;
    Ok(target.join(TARGET).join("release/ephtrace-fuzz"))
}

/// Returns the names of the targets, from the list in the sources.
fn names() -> Result<Vec<String>> {
    let path = workspace::root().join(TARGETS);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("    (\""));
    Ok(lines.filter_map(|line| Some(line.split_once('"')?.0.to_owned())).collect())
}

/// Returns libFuzzer on one target, with its messages in a log.
fn fuzzer(program: &Path, name: &str, log: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    command.env("EPHTRACE_FUZZ_TARGET", name).stdin(Stdio::null()).stdout(Stdio::null());
    command.arg(format!("-rss_limit_mb={MAX_MEMORY}")).arg(format!("-max_len={MAX_INPUT}"));
    command.args(["-timeout=25", "-print_final_stats=1"]);
    command.stderr(fs::File::create(log)?);
    Ok(command)
}

fn run(program: &Path, name: &str, folders: &Folders, seconds: u64) -> Result<Outcome> {
    let log = folders.artifacts.with_extension("log");
    let mut command = fuzzer(program, name, &log)?;
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", folders.artifacts.display()));
    let status = command.args([&folders.found, &folders.kept]).status()?;
    let mut inputs = 0;
    for line in BufReader::new(fs::File::open(&log)?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if let Some(count) = line.strip_prefix(COUNT) {
            inputs = count.trim().parse()?;
        }
    }
    if !status.success() {
        result(format_args!("{name}: {status}; {} says why", log.display()));
    }
    Ok(Outcome { inputs, is_well: status.success() })
}

/// Puts the smallest inputs that reach the same code as all inputs into the repository.
fn merge(program: &Path, name: &str, folders: &Folders) -> Result<()> {
    let merged = folders.found.with_extension("merged");
    let _ = fs::remove_dir_all(&merged);
    fs::create_dir_all(&merged)?;
    let mut command = fuzzer(program, name, &merged.with_extension("log"))?;
    command.args(["-merge=1", "-use_counters=0"]);
    let status = command.args([&merged, &folders.kept, &folders.found]).status()?;
    ensure!(status.success(), "{name}: the corpus can't be merged: {status}");
    let mut inputs = Vec::new();
    for entry in fs::read_dir(&merged)? {
        let entry = entry?;
        inputs.push((entry.metadata()?.len(), entry.file_name()));
    }
    inputs.sort();
    // Inputs named by people stay: they broke something once.
    for entry in fs::read_dir(&folders.kept)? {
        let entry = entry?;
        if entry.file_name().len() == HASH {
            fs::remove_file(entry.path())?;
        }
    }
    let mut bytes = 0;
    for (length, input) in inputs.iter().take(MAX_INPUTS) {
        bytes += length;
        if bytes > MAX_BYTES {
            break;
        }
        fs::copy(merged.join(input), folders.kept.join(input))?;
    }
    Ok(())
}
