//! ephtrace's refusals, each with the right exit code and a helpful message.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Output},
};

use anyhow::{Result, ensure};

use crate::setup::{self, Scratch, some_hook};

tests! {
    once: nonsense_is_a_usage_error, without_root_the_missing_right_is_named,
        an_output_that_cannot_be_made_is_an_error, a_trace_that_fails_leaves_no_file;
}

/// Arguments that make no sense, and a word that the message must contain.
const NONSENSE: &[(&[&str], &str)] = &[
    (&["--no-such-flag"], "--no-such-flag"),
    (&["--hook", "magic"], "magic"),
    (&["-o", "xml"], "xml"),
    (&["-p", "init"], "init"),
    (&["-P", "80-x"], "80-x"),
    (&["-P", "90-80"], "90-80"),
    (&["-P", "70000"], "70000"),
    (&["-L", "no-such-service"], "no-such-service"),
    (&["--dst", "10.0.0.0/33"], "10.0.0.0/33"),
    (&["--src", "::/129"], "::/129"),
    (&["--min-latency", "10q"], "--min-latency"),
    (&["--duration", "0s"], "--duration"),
    (&["--count", "0"], "--count"),
    (&["-c", "a-name-of-more-than-15-bytes"], "a-name-of-more"),
    (&["-u", "no-such-user"], "no-such-user"),
    (&["--netns", "no-such-netns"], "no-such-netns"),
    (&["--netns", "/proc/self/stat"], "/proc/self/stat"),
    (&["--cgroup", "no/such/cgroup"], "no/such/cgroup"),
    (&["--container", "abcd", "--cgroup", "/"], "--cgroup"),
    (&["--ring-size", "big"], "big"),
    (&["-x", "-L", "1"], "--failed"),
    (&["-p", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"], "--pid"),
];

fn nonsense_is_a_usage_error() -> Result<()> {
    for (args, named) in NONSENSE {
        // If ephtrace accepted them, it would trace without end.
        let ended = ["--duration", "1ms"].into_iter().filter(|_| !args.contains(&"--duration"));
        let output = Command::new(setup::ephtrace()).args(*args).args(ended).output()?;
        let stderr = clean_stderr(&output)?;
        ensure!(output.status.code() == Some(2), "{args:?}: {}\n{stderr}", output.status);
        ensure!(stderr.contains(named), "{args:?}: {named} is not named:\n{stderr}");
        ensure!(output.stdout.is_empty(), "{args:?}: output in spite of the error");
    }
    Ok(())
}

fn without_root_the_missing_right_is_named() -> Result<()> {
    let scratch = Scratch::new()?;
    let ephtrace = scratch.program(&setup::ephtrace(), "ephtrace")?;
    let output = Command::new(ephtrace)
        .args(["trace", "--duration", "1s", "--hook", &some_hook()])
        .uid(65534)
        .gid(65534)
        .output()?;
    let stderr = clean_stderr(&output)?;
    ensure!(output.status.code() == Some(1), "{}\n{stderr}", output.status);
    let named = ["root", "CAP_BPF", "CAP_SYS_ADMIN"].iter().any(|word| stderr.contains(word));
    ensure!(named, "the missing right is not named:\n{stderr}");
    Ok(())
}

fn an_output_that_cannot_be_made_is_an_error() -> Result<()> {
    let path = "/no/such/folder/trace.ndjson";
    let output = Command::new(setup::ephtrace()).args(["--output", path]).output()?;
    let stderr = clean_stderr(&output)?;
    ensure!(output.status.code() == Some(1), "{}\n{stderr}", output.status);
    ensure!(stderr.contains(path), "{path} is not named:\n{stderr}");
    Ok(())
}

fn a_trace_that_fails_leaves_no_file() -> Result<()> {
    let scratch = Scratch::new()?;
    let ephtrace = scratch.program(&setup::ephtrace(), "ephtrace")?;
    let folder = scratch.path().join("everybody");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    let file = folder.join("new");
    for args in [["trace", "--output"].as_slice(), &["record"], &["record", "--rotate", "1M"]] {
        for (uid, more) in [(65534, ["--duration", "1s"]), (0, ["--btf", "/dev/null"])] {
            let mut command = Command::new(&ephtrace);
            command.args(args).arg(&file).args(more).args(["--hook", &some_hook()]);
            let output = command.uid(uid).gid(uid).output()?;
            let stderr = clean_stderr(&output)?;
            ensure!(output.status.code() == Some(1), "{args:?}: {}\n{stderr}", output.status);
            ensure!(fs::read_dir(&folder)?.next().is_none(), "{args:?} leaves a file\n{stderr}");
        }
    }
    Ok(())
}

/// Returns standard error, which must contain neither a panic nor Rust's debug output.
fn clean_stderr(output: &Output) -> Result<String> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    for word in ["panicked", "RUST_BACKTRACE", "Os {", "Err("] {
        ensure!(!stderr.contains(word), "{word:?} on standard error:\n{stderr}");
    }
    Ok(stderr)
}
