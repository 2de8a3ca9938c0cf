//! The live view: what happens now, on a whole terminal.
//!
//! ```text
//! event, losses ─ LiveSink ─┐
//! key, tick, glance ────────┴→ State::apply ─→ draw(frame, &State) ─→ terminal
//! ```
//!
//! [`State`] is pure: time, keys and results are arguments, so that tests drive it with scripted keys and
//! recordings, and [`draw`] only reads it. [`terminal`] is the only part that knows a real one. The loop
//! that feeds them is in `run::top` and `run::playback`.

mod draw;
mod failures;
mod filter;
mod keys;
mod marks;
mod press;
mod rows;
mod seen;
mod sort;
mod state;
pub mod terminal;
mod timeline;

#[cfg(test)]
mod tests;

use std::{cell::RefCell, io, rc::Rc};

pub use self::{
    draw::{MIN_HEIGHT, MIN_WIDTH, draw},
    keys::Key,
    rows::InUse,
    seen::Glance,
    state::{About, Drawn, Effect, Input, State},
};
use crate::output::{Notices, Sink};
use crate::{
    analyse::summary::Summary,
    model::{Assignment, losses::Losses},
};

/// A state that is fed by the sink and drawn by the loop; both are of one thread.
pub type Shared = Rc<RefCell<State>>;

/// Feeds a live view. The final summary goes to the notices, once the terminal is as it was before.
pub struct LiveSink {
    state: Shared,
    notices: Notices,
}

impl LiveSink {
    /// Feeds `state`.
    pub fn new(state: Shared, notices: Notices) -> Self {
        Self { state, notices }
    }
}

impl Sink for LiveSink {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.state.borrow_mut().apply(Input::Event(assignment));
        Ok(())
    }

    fn losses(&mut self, _ts_ns: u64, losses: &Losses) -> io::Result<()> {
        self.state.borrow_mut().apply(Input::Losses(*losses));
        Ok(())
    }

    fn summary(&mut self, _ts_ns: u64, summary: &Summary) -> io::Result<()> {
        self.notices.losses(&summary.losses);
        self.notices.summary(summary);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
