//! The sink that feeds a live view.

use std::{cell::RefCell, io, rc::Rc};

use super::state::{Input, State};
use crate::{
    analyse::summary::Summary,
    model::{Assignment, losses::Losses},
    output::{notices::Notices, sink::Sink},
};

/// A state that the sink feeds and the loop draws; both are on one thread.
pub type Shared = Rc<RefCell<State>>;

/// Feeds a live view. The final summary goes to the notices, once the terminal is as it was before.
pub struct LiveSink {
    state: Shared,
    notices: Notices,
}

impl LiveSink {
    /// Creates a sink that feeds `state`.
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
