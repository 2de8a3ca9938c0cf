//! `cargo xtask bench callgrind`: instructions of a row, by stage, for reading a recording and for
//! tracing this kernel: the user side alone, without the kernel's work for it.

mod profile;
mod recording;
mod stages;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, anyhow, bail};

use self::profile::Profile;
use super::document::{self, grouped};
use crate::{
    apt, artifacts, process,
    say::{result, say},
    workspace,
};

/// Document with the table.
const DOCUMENT: &str = "docs/performance.md";
const LINES: (&str, &str) =
    ("<!-- printed by `cargo xtask bench callgrind --write` -->", "<!-- end of stages -->");

/// Rows of the two runs of each command; their difference counts: starting and ending cost the same
/// in both. The verdict examines the first thousands of rows more closely than the rest, so both
/// runs are long. In the live run, the kernel keeps the rows of the longer run while ephtrace,
/// slowed down by valgrind, has yet to read them, in a ring that they fill less than half: beyond
/// that, a busy process is limited.
const ROWS: (u32, u32) = (15_000, 45_000);

/// Measured commands: name, and arguments, with `@` for the recording.
const COMMANDS: [(&str, &str); 5] = [
    ("report", "report @ --json"),
    ("report, page", "report @ --html page.html"),
    ("trace --from, text", "trace --from @"),
    ("trace --from, NDJSON", "trace --from @ -o json"),
    ("trace, NDJSON", "trace -o json --hook sock_ops --ring-size 32M --count"),
];

/// Message of ephtrace when it traces.
const TRACES: &str = "tracing with hook";

/// Output file of callgrind.
const OUT: &str = "callgrind.out";

/// Instructions a row, over all commands, below which a stage has no line of its own.
const NEGLIGIBLE: f64 = 2.0;

/// What `bench callgrind` takes.
#[derive(clap::Args)]
pub(super) struct CallgrindArgs {
    /// Put the table in docs/performance.md
    #[arg(long)]
    write: bool,
}

/// Instructions a row of one command.
struct Column {
    name: &'static str,
    stages: BTreeMap<String, f64>,
}

pub(super) fn main(args: &CallgrindArgs) -> Result<()> {
    if process::find("valgrind").is_none() {
        apt::require("counting instructions of the user side", &["valgrind"])?;
    }
    let programs = artifacts::measured_programs()?;
    let folder = workspace::target().join("callgrind");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let recordings = [ROWS.0, ROWS.1].map(|rows| (rows, folder.join(format!("{rows}.ndjson"))));
    for (rows, path) in &recordings {
        fs::write(path, recording::make(*rows)?).context("cannot write a recording")?;
    }
    let mut columns = Vec::new();
    for (name, words) in COMMANDS {
        say(format_args!("counting instructions: {name}"));
        let is_live = !words.contains('@');
        if is_live && !process::is_root() {
            say(format_args!("skipped: {name} needs root"));
            continue;
        }
        let mut profiles = Vec::new();
        for (rows, recording) in &recordings {
            let command = callgrind(programs.path("ephtrace")?, words, recording, &folder);
            profiles.push(if is_live {
                live(command, programs.path("assign")?, *rows, &folder)?
            } else {
                replayed(command, &folder)?
            });
        }
        let [fewer, more] = profiles.try_into().map_err(|_| anyhow!("not two runs"))?;
        let (fewer, more) = (stages::by_stage(&fewer), stages::by_stage(&more));
        columns.push(Column { name, stages: a_row(&fewer, more) });
    }
    let table = table(&columns)?;
    result(&table);
    if args.write {
        document::replace(DOCUMENT, LINES, &table)?;
    }
    Ok(())
}

/// Returns a command of ephtrace under callgrind.
fn callgrind(ephtrace: &Path, words: &str, recording: &Path, folder: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .current_dir(folder)
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={OUT}"))
        .arg(ephtrace);
    for word in words.split(' ') {
        if word == "@" {
            valgrind.arg(recording);
        } else {
            valgrind.arg(word);
        }
    }
    valgrind.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    valgrind
}

/// Runs a command that reads a recording.
fn replayed(mut valgrind: Command, folder: &Path) -> Result<Profile> {
    let ended = valgrind.output().context("cannot start valgrind")?;
    finished(&valgrind, ended.status, &String::from_utf8_lossy(&ended.stderr), folder)
}

/// Runs a command that traces this kernel until it has seen `rows` connects, and makes them. Some
/// more are made, since the command would wait forever if one were lost.
fn live(mut valgrind: Command, assign: &Path, rows: u32, folder: &Path) -> Result<Profile> {
    let mut child = valgrind.arg(rows.to_string()).spawn().context("cannot start valgrind")?;
    let mut stderr = BufReader::new(child.stderr.take().context("valgrind has no stderr")?);
    let mut said = String::new();
    // Valgrind warns of system calls that it does not know.
    while !said.contains(TRACES)
        && stderr.read_line(&mut said).context("cannot read what ephtrace says")? > 0
    {}
    if said.contains(TRACES) {
        let connects = rows + rows / 10;
        process::output(Command::new(assign).args(["cost", &format!("--connects={connects}")]))?;
    }
    stderr.read_to_string(&mut said).context("cannot read what ephtrace says")?;
    let status = child.wait().context("cannot wait for valgrind")?;
    finished(&valgrind, status, &said, folder)
}

/// Returns callgrind's profile of a successful run.
fn finished(valgrind: &Command, status: ExitStatus, said: &str, folder: &Path) -> Result<Profile> {
    if !status.success() {
        bail!("{} failed: {status}\n{said}", process::spell(valgrind));
    }
    let text = fs::read(folder.join(OUT)).context("callgrind wrote nothing")?;
    Profile::parse(&String::from_utf8_lossy(&text))
}

/// Returns the instructions of each stage for one more row.
fn a_row(fewer: &BTreeMap<String, f64>, more: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let rows = f64::from(ROWS.1 - ROWS.0);
    let stages = more.into_iter();
    stages
        .map(|(stage, sum)| {
            let before = fewer.get(&stage).copied().unwrap_or_default();
            (stage, (sum - before) / rows)
        })
        .collect()
}

/// Formats a Markdown table: a line for each stage, the most expensive first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, not below 0")]
fn table(columns: &[Column]) -> Result<String> {
    let mut stages: BTreeMap<&str, f64> = BTreeMap::new();
    for (stage, cost) in columns.iter().flat_map(|column| &column.stages) {
        *stages.entry(stage).or_default() += cost;
    }
    let mut stages: Vec<_> = stages.into_iter().collect();
    stages.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let mut text = String::new();
    writeln!(text, "| instructions a row | {} |", names.join(" | "))?;
    writeln!(text, "|---|{}", "--:|".repeat(columns.len()))?;
    let cell = |cost: f64| grouped(cost.max(0.0).round() as u64);
    for (stage, cost) in stages {
        if cost < NEGLIGIBLE {
            continue;
        }
        let cells = columns
            .iter()
            .map(|column| column.stages.get(stage).map_or(String::new(), |c| cell(*c)));
        writeln!(text, "| `{stage}` | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    let sums = columns.iter().map(|column| cell(column.stages.values().sum()));
    writeln!(text, "| **in all** | {} |", sums.collect::<Vec<_>>().join(" | "))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_lines() {
        assert!(document::has(DOCUMENT, LINES));
    }
}
