//! `ephtrace top` on a terminal of its own: however it ends, the terminal is as it was before.
//!
//! The tests play a recording, which needs no root.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "common/terminal.rs"]
mod terminal;

use std::{
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use terminal::OnTerminal;

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

/// Beginning of the recording's summary.
const SUMMARY: &str = "3 assignments in";

/// Writes a recording of three assignments, one of which failed.
fn recording(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("ephtrace-top-{}-{name}.ndjson", std::process::id()));
    let line = |n: u64, sport: &str, errno: u16| {
        format!(
            "{{\"ts_ns\":{},\"saddr\":\"10.0.0.1\",\"sport\":{sport},\"daddr\":\"10.0.0.2\",\
             \"dport\":5432,\"errno\":{errno}}}\n",
            1_767_268_800_000_000_000 + n
        )
    };
    fs::write(&path, line(0, "40000", 0) + &line(1, "40002", 0) + &line(2, "null", 99)).unwrap();
    path
}

/// Plays it, and waits until the end of the recording is drawn.
fn play(name: &str) -> OnTerminal {
    let file = recording(name);
    let mut command = Command::new(EPHTRACE);
    command.args(["top", "--speed", "0", "--from"]).arg(&file);
    let mut top = OnTerminal::start(&mut command).unwrap();
    top.read_until(" END ").unwrap();
    fs::remove_file(file).unwrap();
    top
}

#[test]
fn the_quit_key_puts_the_terminal_back() {
    let mut top = play("quit");
    top.press("?q").unwrap();
    assert_eq!(top.finish(SUMMARY, &["1 failed"]).unwrap().code(), Some(0));
}

#[test]
fn signals_put_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let top = play(signal.as_str());
        top.signal(signal).unwrap();
        assert_eq!(top.finish(SUMMARY, &["1 failed"]).unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_terminal_that_is_gone_is_no_crash() {
    let status = play("gone").hang_up().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None), "{status}");
}

#[test]
fn an_hour_in_which_nothing_happens_is_skipped() {
    let file = recording("gap");
    let late = "{\"ts_ns\":1767272400000000000,\"saddr\":\"10.0.0.1\",\"sport\":40004,\
                \"daddr\":\"10.0.0.2\",\"dport\":5432}\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + late).unwrap();
    let mut command = Command::new(EPHTRACE);
    let mut top = OnTerminal::start(command.args(["top", "--from"]).arg(&file)).unwrap();
    top.read_until("skipped").unwrap();
    top.read_until(" END ").unwrap();
    fs::remove_file(file).unwrap();
    top.press("q").unwrap();
    assert_eq!(top.finish("4 assignments in", &["1 failed"]).unwrap().code(), Some(0));
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let output = Command::new(EPHTRACE).arg("top").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`ephtrace trace` writes lines"), "{said}");
}
