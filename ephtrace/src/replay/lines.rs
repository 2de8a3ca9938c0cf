//! Lines of text of bounded length.

use std::io::{self, BufRead};

use memchr::memchr;

use super::{
    item::{Broken, Item},
    names,
};
use crate::model::losses::Losses;

/// Maximum length of a line, in bytes: a hundred times ephtrace's own.
pub(super) const MAX_LINE_BYTES: usize = 64 << 10;

/// Lines of an input, with their numbers.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    /// Length of a line that was peeked at, and is still to be read.
    ahead: Option<Length>,
}

/// Extent to which a line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Whole,
    /// Longer than [`MAX_LINE_BYTES`]; the rest was skipped.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    /// Creates a reader at the beginning of `input`.
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, ahead: None }
    }

    /// Peeks at the first line that is not empty; empty at the end. A byte order mark is dropped.
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

    /// Skips the line that was peeked at.
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

    /// Returns the line that was read last.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Returns the line as a broken item, which is counted as lost.
    pub(super) fn broken(&self, reason: String, losses: &mut Losses) -> Item {
        names::add_loss(losses, "unreadable", 1);
        Item::Broken(Broken { unit: "line", number: self.number, reason })
    }
}

/// Passes on the bytes up to the end of the line, its `\n` included, in pieces.
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
