//! Rough.

use std::io;

use super::{Lines, Notices, Sink, Target};
use crate::{analyse::summary::Summary, event::Assignment, losses::Losses};

/// The sink.
pub struct JsonSink<T> {
    lines: Lines<T>,
    notices: Notices,
}

impl<T: Target> JsonSink<T> {
    /// Nothing yet.
    pub fn new(output: T, notices: Notices) -> Self {
        Self { lines: Lines::new(output), notices }
    }
}

impl<T: Target> Sink for JsonSink<T> {
    fn event(&mut self, _assignment: &Assignment) -> io::Result<()> {
        self.lines.line().extend_from_slice(b"event\n");
        self.lines.end_line()
    }

    fn losses(&mut self, _ts_ns: u64, losses: &Losses) -> io::Result<()> {
        self.notices.losses(losses);
        Ok(())
    }

    fn summary(&mut self, _ts_ns: u64, summary: &Summary) -> io::Result<()> {
        self.notices.summary(summary);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.lines.flush()
    }
}
