//! The live view in a loop: keys are read, it is drawn, and it gets a snapshot once a second.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::stages::Stages;
use crate::{
    analyse::{lanes::LaneKey, summary::RunContext},
    output::Sink,
    tui::{About, Effect, Input, Shared, State, TallySnapshot, terminal::Terminal},
};

/// Minimum interval of drawing the view, unless a key was pressed: a quarter of a second is what a
/// plot of a minute in 80 columns can show, and each drawing costs a millisecond or so.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// A view on a terminal.
pub(crate) struct View {
    terminal: Terminal,
    state: Shared,
    drawn: Option<Instant>,
}

impl View {
    /// Takes over the terminal.
    pub(crate) fn open(state: Shared) -> Result<Self> {
        let terminal = Terminal::open().context("can't draw on this terminal")?;
        Ok(Self { terminal, state, drawn: None })
    }

    /// Passes the time and the keys to the state, and draws if it is due. `now_ns` is in
    /// nanoseconds since the Unix epoch.
    pub(crate) fn turn(&mut self, now_ns: u64) -> Result<Effect> {
        let inputs = self.terminal.inputs().context("can't read keys")?;
        let mut state = self.state.borrow_mut();
        let is_pressed = !inputs.is_empty();
        let mut effect = Effect::None;
        state.apply(Input::Tick(now_ns));
        for input in inputs {
            match state.apply(input) {
                Effect::None => {}
                Effect::Quit => return Ok(Effect::Quit),
                Effect::Reset => effect = Effect::Reset,
            }
        }
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_EVERY);
        if state.is_changed() && (is_due || is_pressed) {
            self.terminal.show(&mut state).context("can't draw on this terminal")?;
            self.drawn = Some(Instant::now());
        }
        Ok(effect)
    }

    /// Passes an input to the state.
    pub(crate) fn tell(&self, input: Input<'_>) {
        self.state.borrow_mut().apply(input);
    }

    /// Returns the destinations that the next snapshot should include.
    pub(crate) fn wanted(&self) -> Vec<LaneKey> {
        self.state.borrow().wanted()
    }
}

/// Creates a state without any data.
pub(crate) fn shared(about: About) -> Shared {
    Rc::new(RefCell::new(State::new(about)))
}

/// Returns a snapshot of the run so far, with the destinations that are `wanted`.
pub(crate) fn snapshot<S: Sink>(
    stages: &Stages<S>,
    now_ns: u64,
    wanted: &[LaneKey],
    around: RunContext,
) -> TallySnapshot {
    let said = |lane: &LaneKey| Some((*lane, stages.destination(lane)?));
    TallySnapshot {
        now_ns,
        summary: stages.summary(Some(now_ns), 0, around),
        destinations: wanted.iter().filter_map(said).collect(),
    }
}
