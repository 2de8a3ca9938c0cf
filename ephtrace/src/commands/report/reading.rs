//! From a recording to a report.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Result;
use serde::Serialize;

use crate::{
    analyse::{destinations::MAX_DESTINATIONS, summary::Summary},
    model::{Assignment, HooksSeen, LeftOut, Provenance, filter::Filter},
    output::{
        Kind, Paper, Screen, Watch,
        page::Source,
        printable,
        summary::{again::repeat_worst, words},
        write_object,
    },
    pipeline::{input::Input, replay::Replay, stages::Stages},
    replay::{self, MaxMemory, Meter, Recording, Recordings, sorting::Reach},
};

/// Report on a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// Name of the recording.
    #[serde(rename = "recording")]
    pub source: String,
    /// Format of the recording.
    pub format: &'static str,
    /// Contents of a foreign recording that has no assignments.
    pub instead: Option<String>,
    /// Error to end with if files of several could not be read.
    #[serde(skip)]
    pub unread: Option<String>,
    /// Notes on how it was read, one sentence each.
    pub notes: Vec<String>,
    /// Host, kernel, hook and time of the recording.
    pub provenance: Provenance,
    /// The packets of a capture, and those that were left out.
    #[serde(flatten)]
    pub left_out: LeftOut,
    /// Summary of the recording, with all known destinations.
    #[serde(flatten)]
    pub summary: Summary,
}

impl Report {
    /// For people, with plots if there is a screen to draw them on.
    pub fn write_text(
        &self,
        out: &mut impl Write,
        screen: Option<Screen>,
        paper: Paper,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        if let Some(screen) = screen {
            words::plots(&mut text, &self.summary, screen)?;
        }
        printable(&mut text, &self.source);
        write!(text, ": ")?;
        words::write(&mut text, &self.summary, paper)?;
        for line in self.left_out.lines().into_iter().chain(self.notes.iter().cloned()) {
            writeln!(text, "{line}")?;
        }
        repeat_worst(&mut text, &self.summary.findings, paper)?;
        out.write_all(&text)
    }

    /// Head of a page.
    pub(super) fn as_source(&self) -> Source<'_> {
        let Self { source, format, provenance, summary, .. } = self;
        Source { name: source, format, provenance, summary }
    }

    /// One JSON object.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write_object(out, Kind::Report, self)
    }
}

/// Reads all of `recording`; what can't be read is said on `notices`.
pub fn read(recording: Recording, notices: &mut impl Write) -> Result<Report> {
    let how = (Reach::Automatic, Meter::default(), None);
    read_with(recording.into(), how, None, notices, |_| ())
}

/// Reads the assignments that `filter` keeps; `watch` sees each of them, with its `step`.
pub(super) fn read_with(
    recording: Recordings,
    (reach, meter, size): (Reach, Meter, Option<u64>),
    filter: Option<Filter>,
    notices: &mut impl Write,
    mut watch: impl FnMut(&Assignment),
) -> Result<Report> {
    let mut replay = Replay::new(Input::Direct(recording), reach, notices).showing(meter, size);
    let rules = replay.input().kernel_rules();
    let mut hooks = HooksSeen::default();
    let observe = |assignment: &Assignment| {
        hooks.note(assignment.hook);
        watch(assignment);
    };
    let mut stages = Stages::new(None, filter, Watch(observe)).knowing(rules);
    replay.advance(u64::MAX, usize::MAX, |assignment| {
        stages.take(assignment)?;
        Ok(true)
    })?;
    let input = replay.input();
    let summary = stages.summary(None, MAX_DESTINATIONS, replay.circumstances());
    drop(stages);
    let provenance = Provenance { hook_names: hooks.names(), ..input.provenance() };
    Ok(Report {
        source: input.name(),
        format: input.format().as_str(),
        instead: replay.useless(),
        unread: replay.unread(),
        notes: input.notes(),
        provenance,
        left_out: input.left_out(),
        summary,
    })
}

/// Reads the recordings at `paths` within `max`; a second time, all of it put in order, where rows
/// came too late and they are files. `observe` sees each assignment; what it has seen in the end is
/// returned, too.
pub(super) fn read_in_order<O: Default>(
    (paths, max): (&[PathBuf], MaxMemory),
    filter: Option<&Filter>,
    notices: &mut impl Write,
    observe: impl Fn(&mut O, &Assignment),
) -> Result<(Report, O)> {
    let (meter, size) = (Meter::default(), replay::size_of(paths));
    let recording = Recordings::open_metered(paths, max, &meter)?;
    let is_file = !recording.is_stream() && paths.iter().all(|path| path.as_os_str() != "-");
    let mut seen = O::default();
    let watch = |assignment: &Assignment| observe(&mut seen, assignment);
    let report =
        read_with(recording, (Reach::Automatic, meter, size), filter.cloned(), notices, watch)?;
    if report.summary.disordered == 0 || !is_file {
        return Ok((report, seen));
    }
    seen = O::default();
    let watch = |assignment: &Assignment| observe(&mut seen, assignment);
    // The first pass has already reported unreadable lines.
    let nowhere = &mut io::sink();
    let meter = Meter::default();
    let again = read_with(
        Recordings::open_metered(paths, max, &meter)?,
        (Reach::Whole, meter, size),
        filter.cloned(),
        nowhere,
        watch,
    )?;
    Ok((again, seen))
}
