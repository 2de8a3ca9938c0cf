//! `ephtrace record` as a user runs it, without root: on a recording, killed, on a quiet pipe.

#[path = "common/recording.rs"]
mod recording;
#[path = "common/wait.rs"]
mod wait;

use std::{
    fs,
    io::Write as _,
    os::{fd::AsRawFd as _, unix::process::ExitStatusExt as _},
    path::Path,
    process::{ChildStdin, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use ephtrace::replay::{Item, Recording};
use nix::errno::Errno;

use recording::{Scratch, line};
use wait::{Changes, PATIENCE};

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

fn ephtrace(args: &[&str]) -> Result<Output> {
    Ok(Command::new(EPHTRACE).args(args).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the time of each row; fails if any row can't be read.
fn times(path: &str) -> Result<Vec<u64>> {
    let time = |item: Item| match item {
        Item::Assignment(assignment) => Ok(assignment.ts_ns),
        Item::Broken(broken) => bail!("{broken}"),
    };
    Recording::open(Path::new(path))?.map(|item| time(item?)).collect()
}

#[test]
fn a_recording_and_its_conversion_have_the_same_report() {
    let scratch = Scratch::new("same").unwrap();
    let (ndjson, parquet) = (scratch.path("a.ndjson"), scratch.path("a.parquet"));
    let loss = "{\"type\":\"loss\",\"stage\":\"ring_full\",\"lost\":3,\"total\":3}\n";
    let lines: String = (0..5000).map(|n| line(n, 1_000_000)).collect();
    fs::write(&ndjson, lines + loss).unwrap();
    let converted = ephtrace(&["record", "--from", &ndjson, &parquet]).unwrap();
    assert!(converted.status.success(), "{}", said(&converted));
    let bytes = fs::metadata(&parquet).unwrap().len();
    let end = format!("ephtrace: recorded 5000 rows to {parquet} ({bytes} bytes), lost 3\n");
    assert!(said(&converted).ends_with(&end), "{}", said(&converted));
    let converted = ephtrace(&["record", "--from", &ndjson, &parquet, "-q"]).unwrap();
    assert!(converted.status.success(), "{}", said(&converted));
    assert_eq!(
        said(&converted),
        "ephtrace: lost 3 events (ring_full, 3 so far); they are only \
                                  counted in the summary, by process and destination\n"
    );
    let again = said(&ephtrace(&["record", "--from", &ndjson, &parquet]).unwrap());
    assert!(again.contains(&format!("{parquet} had 5000 rows, which are replaced\n")), "{again}");
    let report = |path: &str| {
        let output = ephtrace(&["report", "--json", "--from", path]).unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.replace(path, "FILE").replace("\"parquet\"", "\"ndjson\"")
    };
    assert_eq!(report(&parquet), report(&ndjson));
    assert!(report(&parquet).contains("\"ring_full\":3"));
}

#[test]
fn trace_shows_a_recording_through_its_filters() {
    let scratch = Scratch::new("trace").unwrap();
    let (ndjson, parquet) = (scratch.path("a.ndjson"), scratch.path("a.parquet"));
    fs::write(&ndjson, (0..100).map(|n| line(n, 1_000_000)).collect::<String>()).unwrap();
    assert!(ephtrace(&["record", "--from", &ndjson, &parquet, "-q"]).unwrap().status.success());
    for from in [&ndjson, &parquet] {
        let args = ["trace", "--from", from, "-p", "100", "--dst", "10.0.1.2", "-o", "csv", "-q"];
        let output = ephtrace(&args).unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1 + 17);
    }
    let refused = ephtrace(&["trace", "--from", &parquet, "--cgroup", "/"]).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let itself = ephtrace(&["record", "--from", &parquet, &parquet]).unwrap();
    assert_eq!(itself.status.code(), Some(1), "{}", said(&itself));
    assert!(said(&itself).contains("can't be input and output at once"), "{}", said(&itself));
    assert_eq!(times(&parquet).unwrap().len(), 100);
}

#[test]
fn a_killed_recording_has_all_but_the_last_seconds() {
    let scratch = Scratch::new("kill").unwrap();
    let path = scratch.path("a.parquet");
    let mut child = Command::new(EPHTRACE)
        .args(["record", "--from", "-", &path, "-q"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let every_ns = 100_000_000;
    let mut written = 0;
    let changes = Changes::of(scratch.folder()).unwrap();
    let started = Instant::now();
    // Waits until some rows are in the file, while input goes on.
    while rows(&path) < 10 {
        input.write_all(line(written, every_ns).as_bytes()).unwrap();
        written += 1;
        changes.within(Duration::from_millis(5)).unwrap();
        assert!(started.elapsed() < PATIENCE, "nothing in the file after {written} lines");
    }
    child.kill().unwrap();
    assert_eq!(wait::exit(&mut child).unwrap().signal(), Some(libc::SIGKILL));
    let times = times(&path).unwrap();
    assert!(times.len() >= 10);
    assert!((0..).zip(&times).all(|(n, &ts)| ts == 1_795_000_000_000_000_000 + n * every_ns));
    let report = ephtrace(&["report", &path]).unwrap();
    assert!(report.status.success(), "{}", said(&report));
    let repair = ephtrace(&["record", "--repair", &path]).unwrap();
    assert!(repair.status.success(), "{}", said(&repair));
    assert!(said(&repair).contains("nothing to repair"), "{}", said(&repair));
}

#[test]
fn what_is_in_a_file_stays_where_tracing_fails() {
    let scratch = Scratch::new("fails").unwrap();
    let (path, journal) = (scratch.path("a.parquet"), scratch.path("a.parquet.journal"));
    for file in [&path, &journal] {
        fs::write(file, "what was there").unwrap();
    }
    let new = scratch.path("new");
    let bad = ["--btf", "/nowhere", "-q"];
    for file in [&path, &new] {
        for args in [&["record", file][..], &["trace", "--output", file]] {
            let failed = ephtrace(&[args, &bad].concat()).unwrap();
            assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
        }
    }
    for file in [&path, &journal] {
        assert_eq!(fs::read(file).unwrap(), b"what was there");
    }
    assert!(!Path::new(&new).exists());
}

#[test]
fn a_signal_ends_a_quiet_pipe_and_all_of_it_is_there() {
    let scratch = Scratch::new("quiet").unwrap();
    for signal in ["INT", "TERM"] {
        let path = scratch.path(signal);
        let changes = Changes::of(scratch.folder()).unwrap();
        let mut child = Command::new(EPHTRACE)
            .args(["record", "--from", "-", &path, "-q"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        (0..3).for_each(|n| input.write_all(line(n, 1_000_000).as_bytes()).unwrap());
        // No more input comes, and yet the rows get into the file.
        let are_there = || Ok((rows(&path) >= 3).then_some(()));
        changes.until("no rows in the file", are_there).unwrap();
        input.write_all(line(3, 1_000_000).as_bytes()).unwrap();
        let is_read = || Ok((is_empty(&input)? && reads_input(child.id())?).then_some(()));
        wait::until("the last line is not read", is_read).unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert!(wait::exit(&mut child).unwrap().success());
        assert_eq!(times(&path).unwrap().len(), 4);
    }
}

#[test]
fn a_signal_before_anything_came_leaves_the_file() {
    let scratch = Scratch::new("nothing").unwrap();
    let path = scratch.path("a.parquet");
    fs::write(&path, "what was there").unwrap();
    let mut child = Command::new(EPHTRACE)
        .args(["record", "--from", "-", &path, "-q"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // The input is held open: `wait` would close it, and its end would wake the program.
    let _input = child.stdin.take();
    wait::until("it does not handle SIGTERM", || Ok(handles_sigterm(child.id())?.then_some(())))
        .unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(wait::exit(&mut child).unwrap().code(), Some(0));
    assert_eq!(fs::read(&path).unwrap(), b"what was there");
}

#[test]
fn what_is_no_recording_empties_no_file() {
    let scratch = Scratch::new("none").unwrap();
    let (text, path) = (scratch.path("a.txt"), scratch.path("a.parquet"));
    fs::write(&text, "no recording\n\nat all\n").unwrap();
    fs::write(&path, "what was there").unwrap();
    for args in
        [&["record", "--from", &text, &path][..], &["trace", "--from", &text, "--output", &path]]
    {
        let failed = ephtrace(args).unwrap();
        assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
        assert!(said(&failed).contains("no readable records"), "{}", said(&failed));
        // One sentence is enough, with the first unreadable line.
        assert!(said(&failed).contains("line 1"), "{}", said(&failed));
        assert_eq!(said(&failed).lines().count(), 1, "{}", said(&failed));
    }
    assert_eq!(fs::read(&path).unwrap(), b"what was there");
}

#[test]
fn standard_input_is_not_written_over() {
    let scratch = Scratch::new("stdin").unwrap();
    let path = scratch.path("a.ndjson");
    let lines: String = (0..10).map(|n| line(n, 1_000_000)).collect();
    fs::write(&path, &lines).unwrap();
    let commands: [&[&str]; 3] = [
        &["record", "--from", "-", &path],
        &["trace", "--from", "-", "--output", &path],
        &["report", "-", "--html", &path],
    ];
    for args in commands {
        let input = fs::File::open(&path).unwrap();
        let refused = Command::new(EPHTRACE).args(args).stdin(input).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert_eq!(fs::read_to_string(&path).unwrap(), lines);
    }
}

#[test]
fn a_step_is_that_from_the_one_before_whether_it_is_shown_or_not() {
    let scratch = Scratch::new("step").unwrap();
    let (ndjson, parquet) = (scratch.path("a.ndjson"), scratch.path("a.parquet"));
    let lines = (0..4_u64).map(|n| {
        format!(
            "{{\"ts_ns\":{n},\"saddr\":\"10.0.0.1\",\"sport\":{},\"daddr\":\"10.0.0.2\",\
             \"dport\":443,\"pid\":{}}}\n",
            40_000 + n * n,
            n % 2
        )
    });
    fs::write(&ndjson, lines.collect::<String>()).unwrap();
    let steps = |args: &[&str]| {
        let output = ephtrace(args).unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let step =
            |line: &str| line.split("\"step\":").nth(1)?.split(',').next().map(str::to_owned);
        let rows = text.lines().filter(|line| line.contains("\"type\":\"assignment\""));
        rows.filter_map(step).collect::<Vec<_>>()
    };
    let filtered = ["trace", "--from", &ndjson, "-p", "1", "-o", "json", "-q"];
    assert_eq!(steps(&filtered), ["1", "5"]);
    // Rows that were filtered out are not in the file, but the steps are.
    assert!(
        ephtrace(&["record", "--from", &ndjson, &parquet, "-p", "1"]).unwrap().status.success()
    );
    assert_eq!(steps(&["trace", "--from", &parquet, "-o", "json", "-q"]), ["1", "5"]);
}

/// Returns 0 if the file is just being replaced.
fn rows(path: &str) -> usize {
    Recording::open(Path::new(path)).map_or(0, Iterator::count)
}

#[test]
fn what_can_not_be_written_or_read_is_said() {
    let scratch = Scratch::new("said").unwrap();
    let (ndjson, nowhere) = (scratch.path("a.ndjson"), scratch.path("none/a.parquet"));
    fs::write(&ndjson, line(0, 1)).unwrap();
    let output = ephtrace(&["record", "--from", &ndjson, &nowhere]).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("for writing: No such file or directory"), "{}", said(&output));
    let output = ephtrace(&["record", "--from", &ndjson, "/dev/null"]).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("not a regular file"), "{}", said(&output));
    let cut = scratch.path("cut.parquet");
    fs::write(&cut, "PAR1 and no end").unwrap();
    for args in [["report", &cut], ["record", "--repair"]] {
        let mut args = args.to_vec();
        args.extend((args[0] == "record").then_some(&*cut));
        let output = ephtrace(&args).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("without a footer"), "{}", said(&output));
    }
}

/// Returns true if everything written to a pipe has been read.
fn is_empty(pipe: &ChildStdin) -> Result<bool> {
    let mut waiting: libc::c_int = 0;
    // SAFETY: FIONREAD writes one integer to `waiting`, which outlives the call.
    let done = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
    Errno::result(done)?;
    Ok(waiting == 0)
}

/// Returns true if a thread of the process waits for standard input, after it has processed all
/// earlier input.
fn reads_input(pid: u32) -> Result<bool> {
    /// Number of the system call (`read`), and its first argument (standard input).
    const READ_INPUT: &str = "0 0x0 ";
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let syscall = fs::read_to_string(task?.path().join("syscall"))?;
        if syscall.starts_with(READ_INPUT) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns true if a process takes SIGTERM itself: the signal is blocked, and waited for.
fn handles_sigterm(pid: u32) -> Result<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let taken = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let taken = u64::from_str_radix(taken.context("no SigBlk")?.trim(), 16)?;
    Ok(taken >> (libc::SIGTERM - 1) & 1 == 1)
}
