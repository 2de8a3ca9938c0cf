//! The one trait of outputs: assignments, losses and the summary go into a [`Sink`].
//!
//! Events go to the output, everything else to the notices (standard error). A sink writes whole
//! lines and passes every error of the output on; an error of the notices stops nothing.

use std::io;

use crate::{
    analyse::summary::Summary,
    model::{Assignment, losses::Losses},
};

/// A destination of everything that ephtrace finds out.
pub trait Sink {
    /// One assignment. It may stay in the buffer until [`Sink::flush`].
    fn event(&mut self, assignment: &Assignment) -> io::Result<()>;

    /// What was lost until `ts_ns` (nanoseconds since the Unix epoch), counted from the start.
    ///
    /// To be called on every tick; where nothing was lost since the last call, nothing is written.
    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()>;

    /// The run in numbers until `ts_ns` (nanoseconds since the Unix epoch).
    fn summary(&mut self, ts_ns: u64, summary: &Summary) -> io::Result<()>;

    /// Hands on what is in the buffer: to be called after each drain of the ring.
    fn flush(&mut self) -> io::Result<()>;

    /// The last call: completes the output and hands it on.
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
