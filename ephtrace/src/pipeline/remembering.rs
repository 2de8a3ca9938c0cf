//! A sink that remembers whose ports are, and how they came by them, on the way to another sink.

use std::{cell::RefCell, io, rc::Rc};

use crate::{
    analyse::summary::Summary,
    inventory::PastOwners,
    model::{Assignment, losses::Losses},
    output::Sink,
};

/// What was seen, for the loop to ask; all of one thread.
pub(crate) type Seen = Rc<RefCell<PastOwners>>;

/// Hands everything on to `sink`.
pub(crate) struct Remembering<S> {
    /// Where it goes.
    pub(crate) sink: S,
    /// What is remembered of it.
    pub(crate) seen: Seen,
}

impl<S: Sink> Sink for Remembering<S> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.seen.borrow_mut().observe(assignment);
        self.sink.event(assignment)
    }

    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()> {
        self.sink.losses(ts_ns, losses)
    }

    fn summary(&mut self, ts_ns: u64, summary: &Summary) -> io::Result<()> {
        self.sink.summary(ts_ns, summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sink.finish()
    }
}
