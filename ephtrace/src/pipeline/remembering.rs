//! A sink that remembers the owners of ports, and the ports' origins, on the way to another sink.

use std::{cell::RefCell, io, rc::Rc};

use crate::{
    analyse::summary::Summary,
    inventory::PastOwners,
    model::{Assignment, losses::Losses},
    output::Sink,
};

/// Observations shared with the loop, on one thread.
pub(crate) type Seen = Rc<RefCell<PastOwners>>;

/// Passes everything on to `sink`.
pub(crate) struct Remembering<S> {
    /// Next sink.
    pub(crate) sink: S,
    /// Remembered owners.
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
