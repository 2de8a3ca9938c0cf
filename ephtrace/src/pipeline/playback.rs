//! `ephtrace top --from FILE`: a recording in the live view, at its own pace or faster.
//!
//! ```text
//! replay ─→ stages ─→ State ─→ terminal
//! ```
//!
//! No root is needed. The clock is that of the recording: it begins with the first assignment,
//! skips any gap longer than ten seconds, and stops at the last assignment.

use std::{
    io::{self, Sink as Nowhere},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use jiff::tz::TimeZone;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    input::Input as Source,
    reader::Reader,
    replay::{Progress, Replay},
    sandbox,
    signals::ShutdownSignals,
    stages::Stages,
    timing::{DRAIN_EVERY, LOOK_EVERY, block_on},
    view::{self, View},
};
use crate::{
    analyse::{
        findings::{Facts, Severity, findings},
        summary::BUSIEST,
    },
    host::netns,
    model::Assignment,
    output::{Notices, Plot, human_duration::HumanDuration},
    replay::{MaxMemory, sorting::Reach},
    tui::{About, Effect, Input, LiveSink, Shared, terminal::Terminal},
};

/// Maximum time of playing before keys are read and the view is drawn again.
const STRETCH: Duration = Duration::from_millis(15);

/// Number of items that are played before the clock is checked: less than a millisecond.
const ITEMS: usize = 256;

/// Plays the recordings at `files`, within that memory, at `speed` times the original pace; 0 is as
/// fast as possible.
pub(crate) fn play((files, max): (&[PathBuf], MaxMemory), speed: f64, quiet: bool) -> Result<()> {
    sandbox::of(files).enter();
    let ends = ShutdownSignals::new()?;
    let reader = block_on(Reader::open(files, max))?;
    let about = About {
        source: format!("recording {}", reader.name()),
        host: None,
        started_ns: None,
        now_ns: 0,
        zone: TimeZone::system(),
        colour: Terminal::has_colour(),
        utf8: Terminal::has_utf8(),
    };
    let state = view::shared(about);
    let plot = if quiet { Plot::Never } else { Plot::Auto };
    let notices = Notices::new(io::stderr(), quiet).with_plots(plot);
    let sink = LiveSink::new(state.clone(), notices);
    let stages = Stages::new(None, None, sink).knowing(reader.kernel_rules());
    let mut player = block_on(Player::begin(reader, stages, state, speed))?;
    block_on(show(&mut player, ends))?;
    let summary = player.stages.summary(None, BUSIEST, player.replay.circumstances());
    player.stages.finish(player.last_ns, &summary)?;
    player.replay.unread().map_or(Ok(()), |why| Err(anyhow!(why)))
}

async fn show(player: &mut Player, mut ends: ShutdownSignals) -> Result<()> {
    let mut view = View::open(player.state.clone())?;
    let mut turn = interval(DRAIN_EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked: Option<Instant> = None;
    player.started = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = ends.wait() => return Ok(()),
            _ = turn.tick() => {}
        }
        let was_over = player.is_over;
        if !was_over {
            player.play()?;
        }
        let is_over = player.is_over;
        player.ticked_ns = player.ticked_ns.max(player.now_ns());
        let is_due = looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if (is_due && !was_over) || is_over != was_over || (is_due && !view.wanted().is_empty()) {
            player.snapshot(&view);
            looked = Some(Instant::now());
        }
        if is_over && !was_over {
            view.tell(Input::End);
        }
        match view.turn(player.ticked_ns)? {
            Effect::None => {}
            Effect::Quit => return Ok(()),
            Effect::Reset => {
                player.stages.reset(player.now_ns());
                player.snapshot(&view);
            }
        }
    }
}

/// Maximum gap between assignments that is played; a longer one is skipped.
const GAP_NS: u64 = 10_000_000_000;

/// A recording being played.
struct Player {
    /// The replay. Notices are discarded, since a view has no room for them; `report` shows them.
    replay: Replay<Nowhere>,
    stages: Stages<LiveSink>,
    state: Shared,
    speed: f64,
    is_over: bool,
    first_ns: u64,
    last_ns: u64,
    /// Latest time passed to the view: late items of a pipe do not set it back.
    ticked_ns: u64,
    started: Instant,
    /// Skipped time, in which nothing happened.
    skipped_ns: u64,
}

impl Player {
    /// Waits for the first assignment, which starts the clock.
    async fn begin(
        reader: Reader,
        stages: Stages<LiveSink>,
        state: Shared,
        speed: f64,
    ) -> Result<Self> {
        let mut replay = Replay::new(Source::Aside(Box::new(reader)), Reach::Window, io::sink());
        let mut first: Option<Assignment> = None;
        while first.is_none() {
            let take = |assignment: &mut Assignment| {
                first = Some(assignment.clone());
                Ok(false)
            };
            match replay.advance(u64::MAX, usize::MAX, take)? {
                Progress::Later => {
                    drop(timeout(DRAIN_EVERY, replay.input().news()).await);
                }
                Progress::End => break,
                Progress::More | Progress::Due | Progress::Enough => {}
            }
        }
        let Some(mut first) = first else {
            let nothing = || format!("{}: it has no assignments", replay.input().name());
            bail!(replay.useless().unwrap_or_else(nothing));
        };
        let (first_ns, started) = (first.ts_ns, Instant::now());
        let mut player = Self {
            replay,
            stages,
            state,
            speed,
            is_over: false,
            first_ns,
            last_ns: first_ns,
            ticked_ns: first_ns,
            started,
            skipped_ns: 0,
        };
        player.show(&mut first)?;
        Ok(player)
    }

    /// Plays the items that are due.
    fn play(&mut self) -> Result<()> {
        let (until_ns, stretch) = (self.due_ns(), Instant::now());
        while stretch.elapsed() < STRETCH {
            let Self { replay, stages, state, last_ns, ticked_ns, .. } = self;
            let mut playing = Playing { stages, state, last_ns, ticked_ns };
            let progress = replay.advance(until_ns, ITEMS, |next| playing.show(next))?;
            match progress {
                Progress::More => {}
                Progress::Due => {
                    self.skip_gap();
                    return Ok(());
                }
                Progress::Later | Progress::Enough => return Ok(()),
                Progress::End => {
                    self.is_over = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Jumps to the next assignment if the gap until then is long, and shows that.
    fn skip_gap(&mut self) {
        let Some(next_ns) = self.replay.next_ns() else { return };
        let gap_ns = next_ns.saturating_sub(self.due_ns());
        if gap_ns > GAP_NS {
            self.skipped_ns = self.skipped_ns.saturating_add(gap_ns);
            let notice = format!("skipped {} without assignments", HumanDuration(gap_ns));
            self.state.borrow_mut().apply(Input::Notice(notice));
        }
    }

    fn show(&mut self, assignment: &mut Assignment) -> Result<bool> {
        let Self { stages, state, last_ns, ticked_ns, .. } = self;
        Playing { stages, state, last_ns, ticked_ns }.show(assignment)
    }

    /// Returns the time up to which the recording is to be played by now, in nanoseconds since the
    /// Unix epoch.
    fn due_ns(&self) -> u64 {
        if self.speed == 0.0 {
            return u64::MAX;
        }
        let played = self.started.elapsed().as_secs_f64() * self.speed;
        let played = Duration::try_from_secs_f64(played).unwrap_or(Duration::MAX);
        let played_ns = u64::try_from(played.as_nanos()).unwrap_or(u64::MAX);
        self.first_ns.saturating_add(played_ns).saturating_add(self.skipped_ns)
    }

    /// Returns the time in the recording.
    fn now_ns(&self) -> u64 {
        if self.is_over || self.speed == 0.0 { self.last_ns } else { self.due_ns() }
    }

    /// Tells the view what the tally says, and what is wrong.
    fn snapshot(&self, view: &View) {
        let (wanted, now_ns) = (view.wanted(), self.now_ns());
        let around = self.replay.circumstances();
        view.tell(Input::TallySnapshot(view::snapshot(&self.stages, now_ns, &wanted, around)));
        let destinations = self.stages.facts();
        let facts = Facts { destinations, own_netns: netns::own().ok(), ..Facts::default() };
        for finding in findings(&facts).into_iter().filter(|f| f.severity != Severity::Note) {
            view.tell(Input::Finding(finding));
        }
    }
}

/// Part of a player that takes assignments.
struct Playing<'a> {
    stages: &'a mut Stages<LiveSink>,
    state: &'a Shared,
    last_ns: &'a mut u64,
    ticked_ns: &'a mut u64,
}

impl Playing<'_> {
    /// Shows one assignment. Returns true: it always wants more.
    fn show(&mut self, assignment: &mut Assignment) -> Result<bool> {
        *self.last_ns = (*self.last_ns).max(assignment.ts_ns);
        // If much is played at once, seconds pass in between.
        *self.ticked_ns = (*self.ticked_ns).max(assignment.ts_ns);
        self.state.borrow_mut().apply(Input::Tick(*self.ticked_ns));
        self.stages.take(assignment)?;
        Ok(true)
    }
}
