//! `ephtrace report --compare`: two recordings side by side.

use std::{
    io::{self, Write as _},
    panic,
    path::PathBuf,
    process::ExitCode,
    slice, thread,
};

use anyhow::{Result, bail};

use super::{
    page,
    reading::{Report, read_in_order},
};
use crate::{
    analyse::comparison::{Comparison, Run, compare},
    cli::ReportArgs,
    commands::settings::{build_recorded_filter, parse},
    model::{Assignment, filter::Filter},
    output::{Kind, Paper, PendingFile, page::ComparisonPage, tables, write_object},
    pipeline::sandbox,
    replay::MaxMemory,
};

/// Reads both recordings, and writes what has changed to standard output, or as a page to a file.
pub(super) fn run(args: &ReportArgs, before: &PathBuf, after: &PathBuf) -> Result<ExitCode> {
    let max = parse::max_memory(&args.read)?;
    let filter = build_recorded_filter(&args.filter)?;
    let filter = Some(filter).filter(|filter| *filter != Filter::default());
    let page = args.html.as_ref().map(|path| open_page(args, path)).transpose()?;
    let before = read_alone((slice::from_ref(before), max), filter.as_ref())?;
    let after = read_alone((slice::from_ref(after), max), filter.as_ref())?;
    let both = comparison(&before, &after);
    if let Some((path, target)) = page {
        page::put(target, path, &render(&both, [&before, &after]))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = Vec::new();
    if args.json {
        write_object(&mut text, Kind::Comparison, &both)?;
    } else {
        let paper = Paper::of(&io::stdout(), args.wide);
        tables::comparison::write(&mut text, &both, paper)?;
        text = paper.fit(&text);
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The file for the page, or `None` for standard output: a path that can't be written to is told
/// before minutes of reading.
fn open_page<'a>(
    args: &ReportArgs,
    path: &'a PathBuf,
) -> Result<(&'a PathBuf, Option<PendingFile>)> {
    let mode = args.mode.as_ref().map(|text| parse::mode("--mode", text)).transpose()?;
    Ok((path, page::open(path, mode, &args.compare)?))
}

/// The page.
pub(super) fn render(both: &Comparison, reports: [&Report; 2]) -> String {
    ComparisonPage { both, sources: reports.map(Report::as_source) }.render()
}

/// Both side by side.
pub(super) fn comparison(before: &Report, after: &Report) -> Comparison {
    compare(as_run(before), as_run(after))
}

fn as_run(report: &Report) -> Run<'_> {
    Run {
        recording: &report.source,
        format: report.format,
        // Packets and logs begin with a port: an attempt without one leaves no trace in them.
        shows_failures: matches!(report.format, "ndjson" | "parquet")
            || report.summary.failures > 0,
        summary: &report.summary,
    }
}

/// Reads a recording on a thread in a sandbox of its own: none of the two may look at the other.
fn read_alone(from: (&[PathBuf], MaxMemory), filter: Option<&Filter>) -> Result<Report> {
    let in_a_sandbox = || {
        sandbox::of(from.0).enter();
        let nothing = |(): &mut (), _: &Assignment| ();
        read_in_order(from, filter, &mut io::stderr(), nothing)
    };
    let read = thread::scope(|scope| match scope.spawn(in_a_sandbox).join() {
        Ok(read) => read,
        Err(panic) => panic::resume_unwind(panic),
    });
    let (report, ()) = read?;
    match report.instead {
        Some(why) => bail!(why),
        None => Ok(report),
    }
}
