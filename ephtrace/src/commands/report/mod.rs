//! `ephtrace report`: a recording, judged: how ports are handed out, over all and to each
//! destination, what failed, what is missing.
//!
//! ```text
//! replay ─→ lanes ─┬→ tally ─→ Report ─→ text, JSON
//!                  └→ charts (if a page is wanted) ─→ page
//! ```
//!
//! One pass, in bounded memory however long the recording: [`MAX_DESTINATIONS`],
//! [`MAX_PROCESSES`](crate::analyse::processes::MAX_PROCESSES).

mod page;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    analyse::{
        destinations::MAX_DESTINATIONS,
        lanes::Lanes,
        summary::{Circumstances, Summary},
        tally::Tally,
    },
    cli::ReportArgs,
    host::netns,
    model::Assignment,
    output::{Screen, printable, summary::words},
    replay::{self, Broken, Item, Recording},
};

/// What is said of a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the recording is called.
    pub source: String,
    /// Its format.
    pub format: &'static str,
    /// Packets of a capture that were left out because they were sent again.
    pub repeated: u64,
    /// What was seen in it, with all destinations that are known.
    #[serde(flatten)]
    pub summary: Summary,
}

impl Report {
    /// For people, with plots if there is a screen to draw them on.
    pub fn write_text(&self, out: &mut impl Write, screen: Option<Screen>) -> io::Result<()> {
        if let Some(screen) = screen {
            words::plots(out, &self.summary, screen)?;
        }
        let mut source = Vec::new();
        printable(&mut source, &self.source);
        out.write_all(&source)?;
        write!(out, ": ")?;
        words::write(out, &self.summary)?;
        match self.repeated {
            0 => Ok(()),
            n => writeln!(out, "{n} packets that were sent again were left out"),
        }
    }

    /// One JSON object.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }
}

/// Reads the recording, and writes the report to standard output, or as a page to a file; what can't
/// be read is said on standard error.
pub fn run(args: &ReportArgs) -> Result<ExitCode> {
    let path = args.recording();
    let recording = Recording::open(&path)?;
    if let Some(page) = &args.html {
        page::write(page, &path, recording)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = read(recording, &mut io::stderr())?;
    let mut out = io::stdout().lock();
    if args.json {
        report.write_json(&mut out)?;
    } else {
        let mut text = Vec::new();
        report.write_text(&mut text, Screen::of(&io::stdout(), args.plot.into()))?;
        out.write_all(&text)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads all of `recording`; what can't be read is said on `notices`.
pub fn read(recording: Recording, notices: &mut impl Write) -> Result<Report> {
    read_with(recording, notices, |_| ())
}

/// The same; `watch` sees each assignment, its `step` set.
fn read_with(
    mut recording: Recording,
    notices: &mut impl Write,
    mut watch: impl FnMut(&Assignment),
) -> Result<Report> {
    let mut tally = Tally::new(None);
    let mut lanes = Lanes::default();
    let mut first: Option<Broken> = None;
    let mut broken_count = 0;
    while let Some(item) = recording.next() {
        match item? {
            Item::Assignment(mut assignment) => {
                lanes.follow(&mut assignment);
                tally.observe(&assignment);
                watch(&assignment);
            }
            Item::Broken(broken) => {
                broken_count += 1;
                replay::tell(notices, recording.name(), broken_count, &broken);
                first.get_or_insert(broken);
            }
        }
    }
    if let (0, Some(broken)) = (tally.assignments(), first) {
        bail!(replay::unreadable(recording.name(), &broken));
    }
    let (losses, lanes_evicted) = (recording.losses(), lanes.evicted());
    let own_netns = netns::own().ok();
    let around = Circumstances { losses, lanes_evicted, own_netns, ..Circumstances::default() };
    Ok(Report {
        source: recording.name().to_owned(),
        format: recording.format().as_str(),
        repeated: recording.repeated(),
        summary: tally.summary(None, MAX_DESTINATIONS, around),
    })
}

#[cfg(test)]
mod tests;
