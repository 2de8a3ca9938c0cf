//! A reading that takes over a second says on a terminal how far it is, from inside of the sandbox
//! of readers, and nowhere else.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::pty::{OpenptyResult, Winsize, openpty};

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

/// Rows that come in each tenth of a second, for one and a half.
const ROWS: u64 = 200;
const TENTHS: u64 = 15;

/// What `report` writes to a terminal on standard error while it reads rows that come slowly, and
/// to standard output.
fn told(arguments: &[&str], term: &str) -> (String, String) {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
    let mut command = Command::new(EPHTRACE);
    command.args(["report", "-"]).args(arguments).env("TERM", term);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(slave));
    let mut child = command.spawn().unwrap();
    // The terminal ends with the last one who has it.
    drop(command);
    let mut to = child.stdin.take().unwrap();
    for n in 0..ROWS * TENTHS {
        let ts_ns = 1_767_268_800_000_000_000 + n * 1_000_000;
        let sport = 32_768 + n * 2;
        writeln!(
            to,
            r#"{{"ts_ns":{ts_ns},"saddr":"10.0.0.1","sport":{sport},"daddr":"10.0.0.2","dport":80}}"#
        )
        .unwrap();
        if n % ROWS == 0 {
            thread::sleep(Duration::from_millis(100));
        }
    }
    drop(to);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let (mut said, mut bytes) = (Vec::new(), [0; 4096]);
    let mut master = File::from(master);
    // A terminal that nobody has any more is an error, not an end.
    while let Ok(n @ 1..) = master.read(&mut bytes) {
        said.extend_from_slice(&bytes[..n]);
    }
    (String::from_utf8_lossy(&said).into_owned(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn rows_and_rate_are_told_and_taken_away() {
    let (said, report) = told(&[], "xterm");
    assert!(said.contains("reading ") && said.contains(" rows, "), "{said:?}");
    assert!(said.trim_end().ends_with("\x1b[2K") || said.ends_with('\r'), "{said:?}");
    assert!(report.contains("3000 assignments"), "{report}");
}

#[test]
fn nothing_is_told_where_nobody_wants_it_or_the_line_can_not_go() {
    for (arguments, term) in [(&["-q"][..], "xterm"), (&[], "dumb")] {
        let (said, report) = told(arguments, term);
        assert!(!said.contains("reading"), "{said:?}");
        assert!(report.contains("3000 assignments"), "{report}");
    }
}
