//! `ephtrace report` by its arguments: chooses the destination of the report.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Result, bail};

use super::{compare, page, reading::read_in_order};
use crate::{
    cli::ReportArgs,
    commands::settings::{build_recorded_filter, parse},
    model::{Assignment, filter::Filter},
    output::{Paper, Screen},
    pipeline::sandbox,
};

/// Reads the recording, and writes the report to standard output, or as a page to a file; errors of
/// reading go to standard error.
pub fn run(args: &ReportArgs) -> Result<ExitCode> {
    if let [before, after] = args.compare.as_slice() {
        return compare::run(args, before, after);
    }
    let paths = args.recordings();
    let from = (&*paths, parse::max_memory(&args.read)?);
    let filter = build_recorded_filter(&args.filter)?;
    // Without a filter, rows are not examined for one.
    let filter = Some(filter).filter(|filter| *filter != Filter::default());
    if let Some(page) = &args.html {
        let mode = args.mode.as_ref().map(|text| parse::mode("--mode", text)).transpose()?;
        page::write((page, mode), from, filter.as_ref(), args.verbosity.quiet)?;
        return Ok(ExitCode::SUCCESS);
    }
    sandbox::of(&paths).enter();
    let nothing = |(): &mut (), _: &Assignment| ();
    let (report, ()) = read_in_order(from, filter.as_ref(), &mut io::stderr(), nothing)?;
    let mut out = io::stdout().lock();
    if args.json {
        report.write_json(&mut out)?;
    }
    if let Some(why) = report.instead {
        out.flush()?;
        bail!(why);
    }
    if !args.json {
        let mut text = Vec::new();
        let screen = Screen::of(&io::stdout(), args.plot.into());
        let paper = Paper::of(&io::stdout(), args.wide);
        report.write_text(&mut text, screen, paper)?;
        out.write_all(&paper.fit(&text))?;
    }
    out.flush()?;
    match report.unread {
        Some(why) => bail!(why),
        None => Ok(ExitCode::SUCCESS),
    }
}
