//! A recording in place of the kernel: replay → lanes → filters → tally → sink.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    task::yield_now,
    time::{MissedTickBehavior, interval},
};

use super::{
    output::{self, Output},
    reader::{Next, Reader},
    settings::TraceSettings,
    signals::Ends,
    timing::{DRAIN_EVERY, LOOK_EVERY, block_on},
};
use crate::{
    analyse::{
        lanes::Lanes,
        summary::{BUSIEST, Circumstances},
        tally::Tally,
    },
    host::netns,
    model::{Assignment, losses::Losses},
    output::Sink,
    replay::{self, Broken, Item},
};

/// Key of where the rows of a converted recording come from.
const KEY_SOURCE: &str = "ephtrace.source";

/// Items that are taken before signals and the clock are looked at: some ten milliseconds.
const STRETCH: usize = 4096;

/// Takes the recording `from` through the filters to the output, until its end or a signal. Counts and
/// lengths of time are the recording's own.
pub(crate) fn play(settings: &TraceSettings, from: &Path) -> Result<()> {
    refuse_same_file(settings, from)?;
    block_on(run(settings, from))
}

async fn run(settings: &TraceSettings, from: &Path) -> Result<()> {
    let mut ends = Ends::new()?;
    let output = output::open(settings)?;
    let reader = tokio::select! {
        biased;
        () = ends.wait() => return Ok(()),
        reader = Reader::open(from) => reader?,
    };
    let mut player = Player::new(settings, reader, output);
    let mut drain = interval(DRAIN_EVERY);
    drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked = Instant::now();
    loop {
        let more = match player.play()? {
            Played::All => break,
            Played::Stretch => true,
            Played::Yet => false,
        };
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            player.look()?;
        }
        tokio::select! {
            biased;
            () = ends.wait() => {
                // What was read before the signal: no more than a stretch may wait.
                let _: Played = player.play()?;
                break;
            }
            // Signals are only noticed while this waits for something.
            () = yield_now(), if more => {}
            () = player.reader.news(), if !more => {}
            _ = drain.tick(), if !more => {}
        }
    }
    player.finish()
}

/// How far it went.
enum Played {
    /// As far as it goes at once.
    Stretch,
    /// All that is there yet.
    Yet,
    /// All, or all that was asked for.
    All,
}

/// From the reader to the sink.
struct Player<'a> {
    settings: &'a TraceSettings,
    reader: Reader,
    /// Until something can be read, so that what is no recording empties no file.
    output: Option<Output>,
    stages: Option<Stages<'a>>,
    broken: u64,
    first_broken: Option<Broken>,
    failure: String,
}

impl<'a> Player<'a> {
    fn new(settings: &'a TraceSettings, reader: Reader, output: Output) -> Self {
        Self {
            settings,
            reader,
            output: Some(output),
            stages: None,
            broken: 0,
            first_broken: None,
            failure: output::not_written(settings),
        }
    }

    /// Takes what is there, a stretch of it at most.
    fn play(&mut self) -> Result<Played> {
        for _ in 0..STRETCH {
            match self.reader.next()? {
                Next::Item(Item::Assignment(assignment)) => {
                    if !self.take(assignment)? {
                        return Ok(Played::All);
                    }
                }
                Next::Item(Item::Broken(broken)) => self.tell(broken),
                Next::Later => {
                    let flushed = self.stages.as_mut().map_or(Ok(()), |stages| stages.sink.flush());
                    return flushed.with_context(|| self.failure.clone()).map(|()| Played::Yet);
                }
                Next::End => return Ok(Played::All),
            }
        }
        Ok(Played::Stretch)
    }

    /// Whether more was asked for.
    fn take(&mut self, assignment: Assignment) -> Result<bool> {
        // The first one tells when the seconds begin.
        if self.stages.is_none() {
            self.begin(assignment.ts_ns)?;
        }
        let Self { stages: Some(stages), failure, .. } = self else { return Ok(false) };
        if stages.is_full(&assignment) {
            return Ok(false);
        }
        stages.take(assignment).with_context(|| failure.clone())?;
        // Without waiting for the one behind it.
        Ok(!stages.is_counted())
    }

    fn begin(&mut self, started_ns: u64) -> Result<()> {
        let output = self.output.take().context("the output was begun twice")?;
        let source = format!("{} ({})", self.reader.name(), self.reader.format().as_str());
        let sink = output.begin(self.settings, started_ns, || vec![(KEY_SOURCE, source)])?;
        self.stages = Some(Stages::new(self.settings, started_ns, sink));
        Ok(())
    }

    /// What can't be read is said and skipped.
    fn tell(&mut self, broken: Broken) {
        self.broken += 1;
        replay::tell(&mut io::stderr(), self.reader.name(), self.broken, &broken);
        self.first_broken.get_or_insert(broken);
    }

    /// What is due once a second.
    fn look(&mut self) -> Result<()> {
        let losses = self.reader.losses();
        let looked = self.stages.as_mut().map_or(Ok(()), |stages| stages.look(losses));
        looked.with_context(|| self.failure.clone())
    }

    fn finish(mut self) -> Result<()> {
        match (&self.stages, &self.first_broken) {
            (None, Some(broken)) => bail!(replay::unreadable(self.reader.name(), broken)),
            (None, None) => self.begin(0)?,
            _ => {}
        }
        let (losses, failure) = (self.reader.losses(), self.failure);
        self.stages.map_or(Ok(()), |stages| stages.finish(losses)).context(failure)
    }
}

/// What an assignment goes through.
struct Stages<'a> {
    settings: &'a TraceSettings,
    started_ns: u64,
    last_ns: u64,
    /// When the last one was taken, or the clock was looked at after it.
    taken: Option<Instant>,
    lanes: Lanes,
    tally: Tally,
    sink: Box<dyn Sink>,
}

impl<'a> Stages<'a> {
    fn new(settings: &'a TraceSettings, started_ns: u64, sink: Box<dyn Sink>) -> Self {
        let (lanes, tally) = (Lanes::default(), Tally::new(None));
        Self { settings, started_ns, last_ns: started_ns, taken: None, lanes, tally, sink }
    }

    /// No more was asked for.
    fn is_full(&self, following: &Assignment) -> bool {
        let passed_ns = u128::from(following.ts_ns.saturating_sub(self.started_ns));
        self.is_counted()
            || self.settings.duration.is_some_and(|duration| passed_ns > duration.as_nanos())
    }

    /// As many as were asked for.
    fn is_counted(&self) -> bool {
        self.settings.count.is_some_and(|count| self.tally.assignments() >= count)
    }

    fn take(&mut self, mut assignment: Assignment) -> io::Result<()> {
        // First: a step is that from the one before, whether that is kept or not.
        self.lanes.follow(&mut assignment);
        if !self.settings.filter.matches(&assignment) {
            return Ok(());
        }
        self.last_ns = assignment.ts_ns;
        self.taken = None;
        self.tally.observe(&assignment);
        self.sink.event(&assignment)
    }

    /// What comes from a pipe may come slowly: time goes on from the last one.
    fn look(&mut self, losses: Losses) -> io::Result<()> {
        let passed = self.taken.get_or_insert_with(Instant::now).elapsed();
        self.sink.flush()?;
        self.sink.losses(later(self.last_ns, passed), &losses)
    }

    fn finish(mut self, losses: Losses) -> io::Result<()> {
        let (lanes_evicted, own_netns) = (self.lanes.evicted(), netns::own().ok());
        let around = Circumstances { losses, lanes_evicted, own_netns, ..Circumstances::default() };
        let summary = self.tally.summary(None, BUSIEST, around);
        self.sink.flush()?;
        self.sink.losses(self.last_ns, &losses)?;
        self.sink.summary(self.last_ns, &summary)?;
        self.sink.finish()
    }
}

fn later(ts_ns: u64, passed: Duration) -> u64 {
    ts_ns.saturating_add(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
}

/// To create the output would empty the input.
fn refuse_same_file(settings: &TraceSettings, from: &Path) -> Result<()> {
    let record = settings.record.as_ref().filter(|record| record.rotate.is_none());
    let into = record.map(|record| &record.path).or(settings.output.as_ref());
    match into.and_then(|into| fs::metadata(into).ok()) {
        Some(into) if replay::is_from(from, &into) => {
            bail!("{} can't be read and written at once: name another file", from.display())
        }
        _ => Ok(()),
    }
}
