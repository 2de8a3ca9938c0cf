//! `ephtrace top --from FILE`: a recording into the live view, at its own pace or faster.
//!
//! ```text
//! replay ─→ lanes ─→ tally ─┬→ State ─→ terminal
//! ```
//!
//! Needs no root. Its clock is that of the recording: it begins with the first assignment and stays with
//! the last one.

use std::{
    io, mem,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use jiff::tz::TimeZone;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    reader::{Next, Reader},
    signals::Ends,
    timing::{DRAIN_EVERY, LOOK_EVERY, block_on},
    view::{self, View},
};
use crate::{
    analyse::{
        lanes::Lanes,
        summary::{BUSIEST, Circumstances},
        tally::Tally,
    },
    model::Assignment,
    output::{Notices, Plot, Sink as _},
    replay::Item,
    tui::{About, Effect, Input, LiveSink, Shared, terminal::Terminal},
};

/// How long is played at once before keys are read and the view is drawn again.
const STRETCH: Duration = Duration::from_millis(15);

/// Plays the recording at `file`, `speed` times as fast as it happened; 0 is as fast as it goes.
pub(crate) fn play(file: &Path, speed: f64, quiet: bool) -> Result<()> {
    let mut reader = block_on(Reader::open(file))?;
    let first = block_on(first(&mut reader))?;
    let about = About {
        source: format!("recording {}", reader.name()),
        host: None,
        started_ns: None,
        now_ns: 0,
        zone: TimeZone::system(),
        colour: Terminal::has_colour(),
    };
    let state = view::shared(about);
    let mut player = Player::new(reader, first, state.clone(), speed);
    block_on(show(&mut player, state.clone()))?;
    let plot = if quiet { Plot::Never } else { Plot::Auto };
    let notices = Notices::new(io::stderr(), quiet).with_plots(plot);
    let summary = player.tally.summary(None, BUSIEST, player.around());
    Ok(LiveSink::new(state, notices).summary(player.last_ns, &summary)?)
}

/// The first assignment, which tells when the clock begins.
async fn first(reader: &mut Reader) -> Result<Assignment> {
    loop {
        match reader.wait().await? {
            Next::Item(Item::Assignment(first)) => return Ok(first),
            Next::Item(Item::Broken(_)) | Next::Later => {}
            Next::End => bail!(
                "{}: there is no assignment in it that can be read; `ephtrace report` says more",
                reader.name()
            ),
        }
    }
}

async fn show(player: &mut Player, state: Shared) -> Result<()> {
    let mut ends = Ends::of_terminal()?;
    let mut view = View::open(state)?;
    let mut turn = interval(DRAIN_EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked: Option<Instant> = None;
    let mut is_over = false;
    player.started = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = ends.wait() => return Ok(()),
            _ = turn.tick() => {}
        }
        let was_over = is_over;
        if !is_over {
            is_over = player.play()?;
        }
        player.ticked_ns = player.ticked_ns.max(player.now_ns());
        let is_due = looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if (is_due && !was_over) || is_over != was_over || (is_due && !view.wanted().is_empty()) {
            player.glance(&view);
            looked = Some(Instant::now());
        }
        if is_over && !was_over {
            view.tell(Input::End);
        }
        match view.turn(player.ticked_ns)? {
            Effect::None => {}
            Effect::Quit => return Ok(()),
            Effect::Reset => {
                player.tally = Tally::new(Some(player.now_ns()));
                player.glance(&view);
            }
        }
    }
}

/// A recording that is being played.
struct Player {
    reader: Reader,
    lanes: Lanes,
    tally: Tally,
    state: Shared,
    speed: f64,
    /// What comes next, as far as it is known.
    next: Next,
    first_ns: u64,
    last_ns: u64,
    /// The latest time that the view was told: what a pipe brings late does not set it back.
    ticked_ns: u64,
    started: Instant,
}

impl Player {
    fn new(reader: Reader, first: Assignment, state: Shared, speed: f64) -> Self {
        Self {
            reader,
            lanes: Lanes::default(),
            tally: Tally::new(None),
            state,
            speed,
            first_ns: first.ts_ns,
            last_ns: first.ts_ns,
            ticked_ns: first.ts_ns,
            next: Next::Item(Item::Assignment(first)),
            started: Instant::now(),
        }
    }

    /// Plays what is due; whether that was all.
    fn play(&mut self) -> Result<bool> {
        let (until_ns, stretch) = (self.due_ns(), Instant::now());
        loop {
            match mem::replace(&mut self.next, Next::Later) {
                Next::Item(Item::Assignment(next)) if next.ts_ns > until_ns => {
                    self.next = Next::Item(Item::Assignment(next));
                    return Ok(false);
                }
                Next::Item(Item::Assignment(next)) => self.show(next),
                Next::Item(Item::Broken(_)) | Next::Later => {}
                Next::End => {
                    self.next = Next::End;
                    return Ok(true);
                }
            }
            self.next = self.reader.next()?;
            if matches!(self.next, Next::Later) || stretch.elapsed() >= STRETCH {
                return Ok(false);
            }
        }
    }

    fn show(&mut self, mut assignment: Assignment) {
        self.lanes.follow(&mut assignment);
        self.tally.observe(&assignment);
        self.last_ns = self.last_ns.max(assignment.ts_ns);
        let mut state = self.state.borrow_mut();
        // Where much is played at once, seconds pass in between.
        self.ticked_ns = self.ticked_ns.max(assignment.ts_ns);
        state.apply(Input::Tick(self.ticked_ns));
        state.apply(Input::Event(&assignment));
    }

    /// Up to when the recording is to be played by now, in nanoseconds since the Unix epoch.
    fn due_ns(&self) -> u64 {
        if self.speed == 0.0 {
            return u64::MAX;
        }
        let played = self.started.elapsed().as_secs_f64() * self.speed;
        let played = Duration::try_from_secs_f64(played).unwrap_or(Duration::MAX);
        self.first_ns.saturating_add(u64::try_from(played.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time in the recording.
    fn now_ns(&self) -> u64 {
        let is_over = matches!(self.next, Next::End);
        if is_over || self.speed == 0.0 { self.last_ns } else { self.due_ns() }
    }

    /// Tells the view what the tally says.
    fn glance(&self, view: &View) {
        let (wanted, now_ns) = (view.wanted(), self.now_ns());
        view.tell(Input::Glance(view::glance(&self.tally, now_ns, &wanted, self.around())));
    }

    fn around(&self) -> Circumstances {
        let (losses, lanes_evicted) = (self.reader.losses(), self.lanes.evicted());
        Circumstances { losses, lanes_evicted, ..Circumstances::default() }
    }
}
