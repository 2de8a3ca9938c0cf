//! The one trait of outputs: assignments, losses and the summary go into a [`Sink`].
//!
//! Events go to the output, everything else to the notices (standard error). A sink writes whole
//! lines and passes on every error of the output; an error of the notices has no effect.

use std::io;

use crate::{
    analyse::summary::Summary,
    model::{Assignment, losses::Losses},
};

/// Destination of all results of ephtrace.
pub trait Sink {
    /// Takes one assignment. It may stay in the buffer until [`Sink::flush`].
    fn event(&mut self, assignment: &Assignment) -> io::Result<()>;

    /// Takes the losses until `ts_ns` (nanoseconds since the Unix epoch), counted from the start.
    ///
    /// Call it on every tick; it writes nothing if there were no losses since the last call.
    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()>;

    /// Takes the summary of the run until `ts_ns` (nanoseconds since the Unix epoch).
    fn summary(&mut self, ts_ns: u64, summary: &Summary) -> io::Result<()>;

    /// Passes on the content of the buffer; call it after each drain of the ring buffer.
    fn flush(&mut self) -> io::Result<()>;

    /// Completes the output and passes it on; this is the last call.
    fn finish(&mut self) -> io::Result<()>;
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        (**self).event(assignment)
    }

    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()> {
        (**self).losses(ts_ns, losses)
    }

    fn summary(&mut self, ts_ns: u64, summary: &Summary) -> io::Result<()> {
        (**self).summary(ts_ns, summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        (**self).flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        (**self).finish()
    }
}
