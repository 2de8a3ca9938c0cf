//! `ephtrace top` on a terminal of its own: however it ends, the terminal is as it was before.
//!
//! Plays a recording, which needs no root.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    env, fs,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::Pid,
};

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

/// What switches to the alternate screen and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// A recording of three assignments, one of which failed.
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

struct Run {
    child: Child,
    master: fs::File,
    slave: OwnedFd,
    before: Termios,
    text: String,
}

impl Run {
    /// Starts it, and waits until it has drawn the end of the recording.
    fn start(name: &str) -> Self {
        let file = recording(name);
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let end = || Stdio::from(slave.as_fd().try_clone_to_owned().unwrap());
        let child = Command::new(EPHTRACE)
            .args(["top", "--speed", "0", "--from"])
            .arg(&file)
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let mut run = Self { child, master: master.into(), slave, before, text: String::new() };
        run.read_until(" END ");
        fs::remove_file(file).unwrap();
        run
    }

    fn read_until(&mut self, end: &str) {
        let mut bytes = [0; 4096];
        while !self.text.contains(end) {
            let n = self.master.read(&mut bytes).unwrap();
            assert!(n > 0, "ended early: {}", self.text);
            self.text += &String::from_utf8_lossy(&bytes[..n]);
        }
    }

    /// Waits for the end, and looks at the terminal.
    fn finish(mut self) -> (ExitStatus, String) {
        // The last line of the summary.
        self.read_until("lost 0 events");
        let status = self.child.wait().unwrap();
        assert_eq!(tcgetattr(&self.slave).unwrap(), self.before);
        (status, self.text)
    }
}

/// The summary comes where the prompt will be, not on the screen that is gone.
fn assert_restored(text: &str) {
    let (entered, left) = (text.find(ENTER).unwrap(), text.rfind(LEAVE).unwrap());
    let summary = text.find("3 assignments in").unwrap();
    assert!(entered < left && left < summary, "{text}");
    assert!(text[..summary].rfind("\x1b[?25h") > text.rfind("\x1b[?25l"), "{text}");
}

#[test]
fn the_quit_key_puts_the_terminal_back() {
    let mut run = Run::start("quit");
    run.master.write_all(b"?q").unwrap();
    let (status, text) = run.finish();
    assert_eq!(status.code(), Some(0));
    assert_restored(&text);
}

#[test]
fn signals_put_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let run = Run::start(signal.as_str());
        kill(Pid::from_raw(run.child.id().try_into().unwrap()), signal).unwrap();
        let (status, text) = run.finish();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert_restored(&text);
    }
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let output = Command::new(EPHTRACE).arg("top").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`ephtrace trace` writes lines"), "{said}");
}
