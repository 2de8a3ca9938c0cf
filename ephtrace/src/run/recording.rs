//! A recording in place of the kernel: replay → filters → lanes → tally → sink.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use super::{LOOK_EVERY, pipeline};
use crate::{
    analyse::{
        lanes::Lanes,
        summary::{BUSIEST, Circumstances},
        tally::Tally,
    },
    event::Assignment,
    losses::Losses,
    replay::{self, Item, Recording, keep},
    settings::Settings,
    sink::Sink,
};

/// Key of where the rows of a converted recording come from.
const KEY_SOURCE: &str = "ephtrace.source";

/// Takes the recording `from` through the filters to the output. Counts and lengths of time are the
/// recording's own.
pub(super) fn play(settings: &Settings, from: &Path) -> Result<()> {
    refuse_same_file(settings, from)?;
    let mut recording = Recording::open(from)?;
    let mut broken = 0;
    // The first one tells when the seconds begin.
    let first = next(&mut recording, &mut broken, &mut io::stderr())?;
    let started_ns = first.as_ref().map_or(0, |first| first.ts_ns);
    let mut stages = Stages {
        settings,
        started_ns,
        last_ns: started_ns,
        lanes: Lanes::default(),
        tally: Tally::new(None),
        sink: open_sink(settings, &recording, started_ns)?,
    };
    let failure = pipeline::not_written(settings);
    let mut following = first;
    let mut looked = Instant::now();
    while let Some(assignment) = following.filter(|a| !stages.is_full(a)) {
        stages.take(assignment).with_context(|| failure.clone())?;
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            stages.look(recording.losses()).with_context(|| failure.clone())?;
        }
        following = next(&mut recording, &mut broken, &mut io::stderr())?;
    }
    stages.finish(&recording).context(failure)
}

/// What an assignment goes through.
struct Stages<'a> {
    settings: &'a Settings,
    started_ns: u64,
    last_ns: u64,
    lanes: Lanes,
    tally: Tally,
    sink: Box<dyn Sink>,
}

impl Stages<'_> {
    /// No more was asked for.
    fn is_full(&self, following: &Assignment) -> bool {
        let Settings { count, duration, .. } = self.settings;
        let passed_ns = u128::from(following.ts_ns.saturating_sub(self.started_ns));
        count.is_some_and(|count| self.tally.assignments() >= count)
            || duration.is_some_and(|duration| passed_ns > duration.as_nanos())
    }

    fn take(&mut self, mut assignment: Assignment) -> io::Result<()> {
        if !keep::keeps(&self.settings.filter, &assignment) {
            return Ok(());
        }
        self.last_ns = assignment.ts_ns;
        self.lanes.follow(&mut assignment);
        self.tally.observe(&assignment);
        self.sink.event(&assignment)
    }

    /// What comes from a pipe may come slowly.
    fn look(&mut self, losses: Losses) -> io::Result<()> {
        self.sink.flush()?;
        self.sink.losses(self.last_ns, &losses)
    }

    fn finish(mut self, recording: &Recording) -> io::Result<()> {
        let (losses, lanes_evicted) = (recording.losses(), self.lanes.evicted());
        let around = Circumstances { losses, lanes_evicted, ..Circumstances::default() };
        let summary = self.tally.summary(None, BUSIEST, around);
        self.sink.flush()?;
        self.sink.losses(self.last_ns, &losses)?;
        self.sink.summary(self.last_ns, &summary)?;
        self.sink.finish()
    }
}

fn open_sink(settings: &Settings, recording: &Recording, started_ns: u64) -> Result<Box<dyn Sink>> {
    let source = format!("{} ({})", recording.name(), recording.format().as_str());
    pipeline::open_output(settings)?.begin(settings, started_ns, || vec![(KEY_SOURCE, source)])
}

/// The next assignment; what can't be read is said and skipped.
fn next(
    recording: &mut Recording,
    broken: &mut u64,
    notices: &mut impl Write,
) -> Result<Option<Assignment>> {
    while let Some(item) = recording.next() {
        match item? {
            Item::Assignment(assignment) => return Ok(Some(assignment)),
            Item::Broken(what) => {
                *broken += 1;
                replay::tell(notices, recording.name(), *broken, &what);
            }
        }
    }
    Ok(None)
}

/// To create the output would empty the input.
fn refuse_same_file(settings: &Settings, from: &Path) -> Result<()> {
    let record = settings.record.as_ref().filter(|record| record.rotate.is_none());
    let into = record.map(|record| &record.path).or(settings.output.as_ref());
    let identity = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    match into.and_then(|into| identity(into)) {
        Some(into) if identity(from) == Some(into) => {
            bail!("{} can't be read and written at once: name another file", from.display())
        }
        _ => Ok(()),
    }
}
