//! `cargo xtask bench callgrind`: instructions of a row, by stage, where a recording is read: the user
//! side without the kernel. Exact, like those of guests.

mod profile;
mod recording;
mod stages;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use self::profile::Profile;
use super::document::{self, grouped};
use crate::{
    apt, artifacts, process,
    say::{result, say},
    workspace,
};

/// The table's place.
const DOCUMENT: &str = "docs/performance.md";
const LINES: (&str, &str) =
    ("<!-- printed by `cargo xtask bench callgrind --write` -->", "<!-- end of stages -->");

/// Two runs each, and the difference counts: starting and ending cost the same in both. The verdict
/// looks at the first thousands of rows more closely than at the rest, so both are long.
const ROWS: (u32, u32) = (20_000, 60_000);

/// What reads a recording: name, and arguments, `@` for the recording.
const COMMANDS: [(&str, &str); 4] = [
    ("report", "report @ --json"),
    ("report, page", "report @ --html page.html"),
    ("trace, NDJSON", "trace --from @ -o json"),
    ("trace, text", "trace --from @"),
];

/// Stages with fewer instructions a row, over all commands, have no line of their own.
const NEGLIGIBLE: f64 = 2.0;

/// What `bench callgrind` takes.
#[derive(clap::Args)]
pub(super) struct CallgrindArgs {
    /// Put the table in docs/performance.md
    #[arg(long)]
    write: bool,
}

/// Instructions a row, of one command.
struct Column {
    name: &'static str,
    stages: BTreeMap<String, f64>,
}

pub(super) fn main(args: &CallgrindArgs) -> Result<()> {
    if process::find("valgrind").is_none() {
        apt::require("counting instructions of the user side", &["valgrind"])?;
    }
    let programs = artifacts::measured_programs()?;
    let ephtrace = programs.path("ephtrace")?;
    let folder = workspace::target().join("callgrind");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let recordings = [ROWS.0, ROWS.1].map(|rows| (rows, folder.join(format!("{rows}.ndjson"))));
    for (rows, path) in &recordings {
        fs::write(path, recording::make(*rows)?).context("cannot write a recording")?;
    }
    let mut columns = Vec::new();
    for (name, words) in COMMANDS {
        say(format_args!("counting instructions: {name}"));
        let mut profiles = Vec::new();
        for (_, recording) in &recordings {
            profiles.push(stages::by_stage(&count(ephtrace, words, recording, &folder)?));
        }
        let [fewer, more] = profiles.try_into().map_err(|_| anyhow::anyhow!("two runs"))?;
        columns.push(Column { name, stages: a_row(&fewer, more) });
    }
    let table = table(&columns)?;
    result(&table);
    if args.write {
        document::replace(DOCUMENT, LINES, &table)?;
    }
    Ok(())
}

/// Runs a command of ephtrace's under callgrind.
fn count(ephtrace: &Path, words: &str, recording: &Path, folder: &Path) -> Result<Profile> {
    let out = folder.join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .current_dir(folder)
        .args(["--tool=callgrind", "--quiet", "--compress-strings=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(ephtrace);
    for word in words.split(' ') {
        if word == "@" {
            valgrind.arg(recording);
        } else {
            valgrind.arg(word);
        }
    }
    let ended = valgrind.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let ended = ended.output().context("cannot start valgrind")?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!("{} failed: {}\n{said}", process::spell(&valgrind), ended.status);
    }
    let text = fs::read(&out).with_context(|| format!("cannot read {}", out.display()))?;
    Profile::parse(&String::from_utf8_lossy(&text))
}

/// Instructions of each stage for a row more.
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

/// In Markdown: a line for each stage, the most expensive first.
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
