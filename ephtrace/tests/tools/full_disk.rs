//! Recordings on a full disk: a small file system of its own, made by `unshare`.

use std::{fs, io::ErrorKind, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    recording::{Scratch, line},
    skip::skip,
};

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

/// Number of rows that exceed the disk: in a recording, and as events.
const ROWS: u32 = 220_000;
const EVENT_ROWS: u32 = 5000;

/// Exit code of the script if there is no disk to fill.
const NO_DISK: i32 = 77;

/// Makes a small disk that only this process tree sees, and a recording on it.
const RECORDING: &str = r#"mount -t tmpfs -o size=800k none "$1" || exit 77
    "$2" record --from "$3" "$1/a.parquet" -q; echo "exit $?"
    ls -A "$1"; stat -f -c %a "$1"
    "$2" report --json "$1/a.parquet" | grep -o '"assignments":[0-9]*' | head -1"#;

/// Makes such a disk with events on it.
const EVENTS: &str = r#"mount -t tmpfs -o size=800k none "$1" || exit 77
    "$2" trace --from "$3" -o json --output "$1/a.ndjson" -q; echo "exit $?"
    ls -A "$1"; stat -f -c %a "$1"
    tail -n 1 "$1/a.ndjson""#;

/// Makes such a disk, full, with a page on it, and then writes each kind of file to it.
const FULL: &str = r#"mount -t tmpfs -o size=800k none "$1" || exit 77
    echo "a good page" > "$1/a.html"; cat /dev/zero > "$1/rest" 2> /dev/null
    "$2" report --from "$3" --html "$1/a.html" -q; echo "exit $?"
    for new in "report --html" "trace --output" record; do
        "$2" $new "$1/new" --from "$3" -q; echo "exit $?"
    done
    ls -A "$1"; cat "$1/a.html""#;

/// Blocks of such a disk that are left to others: a hundredth of it.
const RESERVE_BLOCKS: u32 = 2;

/// Returns the lines that a script writes to standard output, and its standard error.
fn run(script: &str, rows: u32) -> Result<(Vec<String>, String)> {
    let scratch = Scratch::new(&format!("full-{rows}"))?;
    let (ndjson, disk) = (scratch.path("a.ndjson"), scratch.folder().join("disk"));
    fs::create_dir(&disk)?;
    fs::write(&ndjson, (0..rows.into()).map(|n| line(n, 100_000)).collect::<String>())?;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(&disk)
        .args([EPHTRACE, &ndjson])
        .output();
    let output = match output {
        Err(e) if e.kind() == ErrorKind::NotFound => return skip("unshare is not installed"),
        output => output.context("starting unshare")?,
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(NO_DISK) || said.starts_with("unshare:") {
        return skip(format!("no disk to fill: {}", said.trim()));
    }
    ensure!(output.status.success(), "{}: {said}", output.status);
    let lines = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    Ok((lines, said))
}

/// Fails unless something is leaves to other programs.
fn check_reserve(lines: &[String]) -> Result<()> {
    let left: u32 = lines.get(2).context("no blocks")?.parse()?;
    ensure!(left >= RESERVE_BLOCKS, "{left} blocks are left");
    Ok(())
}

/// The recording ends, and its rows can be read.
pub(crate) fn ends_the_recording() -> Result<()> {
    let (lines, said) = run(RECORDING, ROWS)?;
    ensure!(lines.starts_with(&["exit 1".into(), "a.parquet".into()]), "{lines:?}{said}");
    ensure!(said.contains("leaves to other programs") && said.contains("is readable"), "{said}");
    check_reserve(&lines)?;
    let rows = lines.get(3).and_then(|line| line.rsplit_once(':')).context("no report")?.1;
    let rows: u32 = rows.parse()?;
    ensure!(rows > 0 && rows < ROWS, "{rows}");
    Ok(())
}

/// The events end with a whole line.
pub(crate) fn ends_the_events() -> Result<()> {
    let (lines, said) = run(EVENTS, EVENT_ROWS)?;
    ensure!(lines.starts_with(&["exit 1".into(), "a.ndjson".into()]), "{lines:?}{said}");
    ensure!(said.contains("leaves to other programs"), "{said}");
    check_reserve(&lines)?;
    ensure!(lines.len() == 4 && lines[3].ends_with('}'), "{lines:?}");
    Ok(())
}

/// Existing files stay as they were, and no new file appears.
pub(crate) fn keeps_what_is_there() -> Result<()> {
    let (lines, said) = run(FULL, 100)?;
    let told = ["exit 1", "exit 1", "exit 1", "exit 1", "a.html", "rest", "a good page"];
    ensure!(lines == told, "{lines:?}{said}");
    ensure!(said.matches("leaves to other programs").count() == 4, "{said}");
    Ok(())
}
