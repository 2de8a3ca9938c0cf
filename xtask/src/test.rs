//! `cargo xtask test`: all tests, in the order of their requirements.
//!
//! The workspace's tests (no requirement) → the kernel tests on this kernel (root) → the kernel
//! tests in guests (QEMU) → the cost of a connect, in instructions (QEMU). The last line counts
//! them all.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    artifacts, bench, guest, process,
    say::{self, result, say},
    setup,
    tally::Tally,
    workspace,
};

/// Run the workspace's tests, then the kernel tests on this kernel and in guests.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the guests
    #[arg(long)]
    no_guests: bool,
    /// Leave out what needs root on this machine
    #[arg(long)]
    no_root: bool,
    #[command(flatten)]
    guests: guest::Options,
}

/// Runs all stages, also after a failed one.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    setup::ensure()?;
    let mut total = stage("the workspace's tests", host);
    if args.no_root {
        say("left out: the kernel tests on this kernel");
        total.skip_elsewhere();
    } else {
        total += stage("the kernel tests on this kernel", this_kernel);
    }
    if args.no_guests {
        say("left out: the kernel tests in guests");
    } else {
        total += stage("the kernel tests in guests", || guest::test(&args.guests));
        if args.guests.is_everything() {
            total += stage("a guest with many processors", || guest::many_processors(&args.guests));
            total += stage("the instructions of a connect", bench::instructions::check);
        }
    }
    total.tell();
    Ok(total.exit_code())
}

/// Runs a stage; one that can't be run counts as a failed test.
fn stage(what: &str, run: impl FnOnce() -> Result<Tally>) -> Tally {
    say(what);
    run().with_context(|| format!("cannot run {what}")).unwrap_or_else(|error| {
        say::error(&error);
        Tally::one_failure()
    })
}

fn host() -> Result<Tally> {
    let mut cargo = Command::new(process::cargo());
    cargo.current_dir(workspace::root()).args(["test", "--no-fail-fast", "--workspace"]);
    match setup::python::ensure() {
        Ok(python) => drop(cargo.env("EPHTRACE_PYTHON", python)),
        // Without them, their tests are skipped.
        Err(error) => say(format_args!("no other readers of recordings: {error:#}")),
    }
    match setup::bpftool::ensure() {
        Ok(bpftool) => drop(cargo.env("EPHTRACE_BPFTOOL", bpftool)),
        Err(error) => say(format_args!("no other reader of the kernel's types: {error:#}")),
    }
    follow(cargo.args(["--exclude", "ephtrace-ebpf"]))
}

fn this_kernel() -> Result<Tally> {
    let tests = artifacts::kernel_tests()?;
    let programs = artifacts::programs()?;
    // Passed through env, since sudo drops variables.
    let mut command = process::as_root("env");
    for (name, program) in [("EPHTRACE_BIN", "ephtrace"), ("EPHTRACE_ASSIGN", "assign")] {
        command.arg(format!("{name}={}", programs.path(program)?.display()));
    }
    // The reason was printed before if it is not available: one test is skipped.
    if let Ok(python) = setup::python::ensure() {
        command.arg(format!("EPHTRACE_PYTHON={}", python.display()));
    }
    let others = [
        ("EPHTRACE_PACKET_TOOLS", setup::unpacked::packet_tools(), "tools that record"),
        ("EPHTRACE_PROMETHEUS", setup::unpacked::prometheus(), "monitoring system"),
        ("EPHTRACE_RUNTIMES", setup::unpacked::runtimes(), "container runtimes"),
    ];
    for (name, place, what) in others {
        match place {
            Ok(root) => drop(command.arg(format!("{name}={}", root.display()))),
            // Its tests are skipped.
            Err(error) => say(format_args!("no other {what}: {error:#}")),
        }
    }
    if let Some(hooks) = std::env::var_os("EPHTRACE_HOOKS") {
        command.arg(format!("EPHTRACE_HOOKS={}", hooks.to_string_lossy()));
    }
    follow(command.arg(tests.path("kernel")?).args(["--ignored", "--test-threads=1"]))
}

/// Passes a test run's output on and counts its tests. A run that failed without a failed test (it
/// did not compile, it crashed) counts as one.
fn follow(command: &mut Command) -> Result<Tally> {
    let cannot_run = format!("cannot run {}", process::spell(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| cannot_run.clone())?;
    let mut tests = Tally::default();
    let stdout = child.stdout.take().context("a test run has no stdout")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.with_context(|| cannot_run.clone())?;
        let line = String::from_utf8_lossy(&line);
        tests.count(&line);
        result(line);
    }
    let status = child.wait().context(cannot_run)?;
    tests.finish();
    if !status.success() && tests.failed() == 0 {
        tests.fail();
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use crate::workspace;

    /// Tests with their own harness, in which libtest's attribute makes no test.
    const OWN_HARNESS: [&str; 2] = ["kernel", "tools"];

    #[test]
    fn no_test_of_an_own_harness_has_libtest_s_attribute() {
        for name in OWN_HARNESS {
            let folder = workspace::root().join("ephtrace/tests").join(name);
            assert!(folder.join("main.rs").exists(), "{} is no test", folder.display());
            no_attribute(&folder);
        }
    }

    fn no_attribute(folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                no_attribute(&path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let is_test = |line: &str| line.trim() == "#[test]";
                assert!(!text.lines().any(is_test), "{}: is never run", path.display());
            }
        }
    }
}
