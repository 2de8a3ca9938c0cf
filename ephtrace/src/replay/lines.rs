//! Lines of text, none of them longer than may be held.

use std::io::{self, BufRead};

use memchr::memchr;

use super::{
    item::{Broken, Item},
    names,
};
use crate::model::losses::Losses;

/// Longest line that is read, in bytes: a hundred times as long as ephtrace's own.
pub(super) const MAX_LINE_BYTES: usize = 64 << 10;

/// Lines of an input, with their numbers.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    /// The line was looked at, and is to be read yet.
    ahead: Option<Length>,
}

/// How much of a line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Longer than [`MAX_LINE_BYTES`]; the rest was skipped.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    /// From the beginning of `input`.
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, ahead: None }
    }

    /// The first line that is not empty, which stays to be read; empty at the end. A mark of the
    /// order of bytes is dropped.
    pub(super) fn first(&mut self) -> io::Result<&[u8]> {
        if self.ahead.is_none() {
            self.line.clear();
        }
        while self.ahead.is_none()
            && let Some(length) = self.next()?
        {
            if self.number == 1 && self.line.starts_with(&[0xef, 0xbb, 0xbf]) {
                self.line.drain(..3);
            }
            self.ahead = Some(length).filter(|_| !self.line.trim_ascii().is_empty());
        }
        Ok(self.line())
    }

    /// Passes over the line that was looked at.
    pub(super) fn pass(&mut self) {
        self.ahead = None;
    }

    /// Reads one line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Length>> {
        if let Some(length) = self.ahead.take() {
            return Ok(Some(length));
        }
        self.line.clear();
        let Self { input, line, .. } = self;
        to_line_end(input, |bytes| {
            let room = MAX_LINE_BYTES - line.len();
            line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        })?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = line.len() < MAX_LINE_BYTES || line.ends_with(b"\n");
        Ok(Some(if is_whole { Length::Whole } else { Length::TooLong }))
    }

    /// The line that was read last.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The line as one that can't be read, which is counted as lost.
    pub(super) fn broken(&self, reason: String, losses: &mut Losses) -> Item {
        names::add_loss(losses, "unreadable", 1);
        Item::Broken(Broken { unit: "line", number: self.number, reason })
    }
}

/// Hands on the bytes up to the end of the line, its `\n` included, in pieces.
fn to_line_end(input: &mut impl BufRead, mut piece: impl FnMut(&[u8])) -> io::Result<()> {
    loop {
        let bytes = match input.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = memchr(b'\n', bytes);
        let used = end.map_or(bytes.len(), |end| end + 1);
        piece(&bytes[..used]);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}
