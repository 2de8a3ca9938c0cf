//! A recording on a full disk: a small file system of its own, by `unshare`.

use std::{fs, io::ErrorKind, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    recording::{Scratch, line},
    skip::skip,
};

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

/// Rows that the disk has no room for.
const ROWS: u32 = 220_000;

/// Exit code of the script if there is no disk to fill.
const NO_DISK: i32 = 77;

/// A small disk that only this process tree sees, and a recording on it.
const SCRIPT: &str = r#"mount -t tmpfs -o size=800k none "$1" || exit 77
    "$2" record --from "$3" "$1/a.parquet" -q; echo "exit $?"
    ls "$1"; "$2" report --json "$1/a.parquet" | grep -o '"assignments":[0-9]*' | head -1"#;

/// The recording ends, and what is in it can be read.
pub(crate) fn ends_the_recording() -> Result<()> {
    let scratch = Scratch::new("full")?;
    let (ndjson, disk) = (scratch.path("a.ndjson"), scratch.folder().join("disk"));
    fs::create_dir(&disk)?;
    fs::write(&ndjson, (0..ROWS.into()).map(|n| line(n, 100_000)).collect::<String>())?;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(&disk)
        .args([EPHTRACE, &ndjson])
        .output();
    let output = match output {
        Err(e) if e.kind() == ErrorKind::NotFound => return skip("unshare is not installed"),
        output => output.context("starting unshare")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NO_DISK) || said.starts_with("unshare:") {
        return skip(format!("no disk to fill: {}", said.trim()));
    }
    ensure!(output.status.success(), "{}: {said}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<_> = text.lines().collect();
    ensure!(lines.starts_with(&["exit 1", "a.parquet"]), "{text}{said}");
    ensure!(said.contains("No space left on device") && said.contains("can be read"), "{said}");
    let rows = lines.get(2).and_then(|line| line.rsplit_once(':')).context("no report")?.1;
    let rows: u32 = rows.parse()?;
    ensure!(rows > 0 && rows < ROWS, "{rows}");
    Ok(())
}
