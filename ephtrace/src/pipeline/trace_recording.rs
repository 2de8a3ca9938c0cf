//! `--from FILE`: a recording into an output, in place of the kernel.

use std::{
    fs::{self, File},
    io::{self, Stderr},
    os::fd::AsFd as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{
    task::yield_now,
    time::{MissedTickBehavior, interval},
};

use super::{
    input::Input,
    output::{self, Output},
    reader::Reader,
    replay::{Progress, Replay},
    sandbox,
    settings::TraceSettings,
    signals::ShutdownSignals,
    stages::Stages,
    timing::{DRAIN_EVERY, LOOK_EVERY, block_on},
};
use crate::{
    analyse::{pattern::KernelRules, summary::BUSIEST},
    model::{Assignment, escape::shown},
    output::Sink,
    replay::{self, Meter, sorting::Reach},
};

/// Metadata key for the source of a converted recording's rows.
const KEY_SOURCE: &str = "ephtrace.source";

/// Number of items taken before signals and the clock are checked: some ten milliseconds.
const STRETCH: usize = 4096;

/// Passes the recording `from` through the filters to the output, until its end or a signal. Counts
/// and durations are the recording's own.
pub(crate) fn trace_recording(settings: &TraceSettings, from: &[PathBuf]) -> Result<()> {
    refuse_same_file(settings, from)?;
    block_on(run(settings, from))
}

async fn run(settings: &TraceSettings, from: &[PathBuf]) -> Result<()> {
    let output = output::open(settings)?;
    let (meter, size) = (Meter::default(), replay::size_of(from));
    let sandbox = sandbox::of(from);
    let record = settings.record.as_ref().map(|record| &record.path);
    match record.or(settings.output.as_ref()) {
        // The output is created once there is something to write, with its journal and other files
        // beside it.
        Some(path) => sandbox.writes_beside(path),
        None => sandbox,
    }
    .enter();
    let mut ends = ShutdownSignals::new()?;
    let reader = tokio::select! {
        biased;
        () = ends.wait() => return Ok(()),
        reader = Reader::open_metered(from, settings.max_memory, meter.clone()) => reader?,
    };
    let mut player = Player::new(settings, reader, output);
    if writes_file(settings) {
        player.replay = player.replay.showing(meter, size);
    }
    let mut drain = interval(DRAIN_EVERY);
    drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked = Instant::now();
    loop {
        let more = match player.play()? {
            Progress::More | Progress::Due => true,
            Progress::Later => false,
            Progress::Enough | Progress::End => break,
        };
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            player.look()?;
        }
        tokio::select! {
            biased;
            () = ends.wait() => {
                player.drain()?;
                break;
            }
            // Signals are only noticed while this waits for something.
            () = yield_now(), if more => {}
            () = player.replay.input().news(), if !more => {}
            _ = drain.tick(), if !more => {}
        }
    }
    player.finish()
}

/// Path from the recording to the sink.
struct Player<'a> {
    replay: Replay<Stderr>,
    writing: Writing<'a>,
    /// True if a signal came before a file was copied completely.
    is_cut: bool,
}

impl<'a> Player<'a> {
    fn new(settings: &'a TraceSettings, reader: Reader, output: Output) -> Self {
        let source = format!("{} ({})", reader.name(), reader.format().as_str());
        let writing = Writing {
            settings,
            source,
            rules: reader.kernel_rules(),
            output: Some(output),
            begun: None,
            failure: output::not_written(settings),
        };
        let replay = Replay::new(Input::Aside(Box::new(reader)), Reach::Window, io::stderr());
        Self { replay, writing, is_cut: false }
    }

    /// Takes available items, at most a stretch of them.
    fn play(&mut self) -> Result<Progress> {
        let Self { replay, writing, .. } = self;
        let progress = replay.advance(u64::MAX, STRETCH, |assignment| writing.take(assignment))?;
        if progress == Progress::Later {
            writing.flush()?;
        }
        Ok(progress)
    }

    /// Handles a signal: items that a stream brought until then are written. For a file, no more
    /// are wanted.
    fn drain(&mut self) -> Result<()> {
        let Self { replay, writing, is_cut } = self;
        if replay.input().is_stream() {
            replay.drain(|assignment| writing.take(assignment))?;
        } else {
            *is_cut = writing.settings.record.is_some();
        }
        Ok(())
    }

    /// Runs the tasks of once a second.
    fn look(&mut self) -> Result<()> {
        let losses = self.replay.losses();
        let Writing { begun: Some(begun), failure, .. } = &mut self.writing else { return Ok(()) };
        let passed = begun.taken.get_or_insert_with(Instant::now).elapsed();
        let ts_ns = later(begun.last_ns, passed);
        let told = begun.stages.flush().and_then(|()| begun.stages.losses(ts_ns, &losses));
        told.with_context(|| failure.clone())
    }

    fn finish(self) -> Result<()> {
        let Self { mut replay, mut writing, is_cut } = self;
        replay.tell_notes();
        if let Some(why) = replay.useless() {
            bail!(why);
        }
        if writing.begun.is_none() {
            writing.begin(0)?;
        }
        let mut around = replay.circumstances();
        around.is_cut |= is_cut;
        let Writing { begun: Some(begun), failure, .. } = writing else { return Ok(()) };
        let summary = begun.stages.summary(None, BUSIEST, around);
        begun.stages.finish(begun.last_ns, &summary).context(failure)?;
        replay.unread().map_or(Ok(()), |why| Err(anyhow!(why)))
    }
}

/// Output of the recording, from its first assignment on.
struct Writing<'a> {
    settings: &'a TraceSettings,
    source: String,
    rules: KernelRules,
    /// Output before the first readable assignment, so that an input that is no recording empties
    /// no file.
    output: Option<Output>,
    begun: Option<Begun>,
    failure: String,
}

struct Begun {
    stages: Stages<Box<dyn Sink>>,
    started_ns: u64,
    last_ns: u64,
    /// Time at which the last one was taken, or the clock was checked after it.
    taken: Option<Instant>,
}

impl Writing<'_> {
    /// Takes an assignment. Returns whether more was requested.
    fn take(&mut self, assignment: &mut Assignment) -> Result<bool> {
        // The first one starts the seconds.
        if self.begun.is_none() {
            self.begin(assignment.ts_ns)?;
        }
        let Self { settings, begun: Some(begun), failure, .. } = self else { return Ok(false) };
        let ts_ns = assignment.ts_ns;
        let passed_ns = u128::from(ts_ns.saturating_sub(begun.started_ns));
        if settings.duration.is_some_and(|duration| passed_ns > duration.as_nanos()) {
            return Ok(false);
        }
        if is_counted(settings, begun) {
            return Ok(false);
        }
        if begun.stages.take(assignment).with_context(|| failure.clone())? {
            (begun.last_ns, begun.taken) = (ts_ns, None);
        }
        // Stop without waiting for the next one.
        Ok(!is_counted(settings, begun))
    }

    fn begin(&mut self, started_ns: u64) -> Result<()> {
        let output = self.output.take().context("the output was started twice")?;
        let source = self.source.clone();
        let sink = output.begin(self.settings, started_ns, || vec![(KEY_SOURCE, source)])?;
        let filter = Some(self.settings.filter.clone());
        let stages = Stages::new(None, filter, sink).knowing(self.rules);
        self.begun = Some(Begun { stages, started_ns, last_ns: started_ns, taken: None });
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.begun.as_mut().map_or(Ok(()), |begun| begun.stages.flush());
        flushed.with_context(|| self.failure.clone())
    }
}

/// Whether all goes to a file, so that a terminal has nothing to show but how far it is.
fn writes_file(settings: &TraceSettings) -> bool {
    let is_file = || {
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        stdout.and_then(|stdout| File::from(stdout).metadata()).is_ok_and(|out| out.is_file())
    };
    settings.record.is_some() || settings.output.is_some() || is_file()
}

/// Returns whether as many were written as requested.
fn is_counted(settings: &TraceSettings, begun: &Begun) -> bool {
    settings.count.is_some_and(|count| begun.stages.assignments() >= count)
}

fn later(ts_ns: u64, passed: Duration) -> u64 {
    ts_ns.saturating_add(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
}

/// Refuses an output that is also the input: creating it would empty the input, and appending to it
/// would never end.
fn refuse_same_file(settings: &TraceSettings, from: &[PathBuf]) -> Result<()> {
    let into = match (&settings.record, &settings.output) {
        (Some(record), _) if record.rotate.is_some() => return Ok(()),
        (Some(record), _) => fs::metadata(&record.path),
        (None, Some(output)) => fs::metadata(output),
        (None, None) => {
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            stdout.and_then(|stdout| File::from(stdout).metadata())
        }
    };
    match into {
        Ok(into) if into.is_file() => match from.iter().find(|one| replay::is_from(one, &into)) {
            Some(one) => {
                bail!("{} can't be input and output at once: name another file", shown(one))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
