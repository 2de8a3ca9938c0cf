//! A sink that passes each assignment to a function, and writes nothing.

use std::io;

use super::sink::Sink;
use crate::{
    analyse::summary::Summary,
    model::{Assignment, losses::Losses},
};

/// Calls the function with each assignment, with its `step`.
pub struct Watch<F>(pub F);

impl<F: FnMut(&Assignment)> Sink for Watch<F> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        (self.0)(assignment);
        Ok(())
    }

    fn losses(&mut self, _ts_ns: u64, _losses: &Losses) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _ts_ns: u64, _summary: &Summary) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
