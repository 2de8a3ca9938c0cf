//! From a recording to a report.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use crate::{
    analyse::{destinations::MAX_DESTINATIONS, summary::Summary},
    model::{Assignment, filter::Filter},
    output::{Screen, Watch, printable, summary::words},
    pipeline::{input::Input, replay::Replay, stages::Stages},
    replay::Recording,
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

/// Reads all of `recording`; what can't be read is said on `notices`.
pub fn read(recording: Recording, notices: &mut impl Write) -> Result<Report> {
    read_with(recording, None, notices, |_| ())
}

/// The same of the assignments that `filter` keeps; `watch` sees each of them, its `step` set.
pub(super) fn read_with(
    recording: Recording,
    filter: Option<Filter>,
    notices: &mut impl Write,
    watch: impl FnMut(&Assignment),
) -> Result<Report> {
    let mut replay = Replay::new(Input::Direct(recording), notices);
    let mut stages = Stages::new(None, filter, Watch(watch));
    replay.advance(u64::MAX, usize::MAX, |assignment| {
        stages.take(assignment)?;
        Ok(true)
    })?;
    replay.check_readable()?;
    let input = replay.input();
    Ok(Report {
        source: input.name().to_owned(),
        format: input.format().as_str(),
        repeated: input.resent_packets(),
        summary: stages.summary(None, MAX_DESTINATIONS, replay.circumstances()),
    })
}
