//! A buffer of whole lines in front of an output, so that only complete lines are written, whenever
//! the output fails.

use std::{
    fs::File,
    io::{self, ErrorKind, Seek as _, Write},
    thread,
    time::Duration,
};

/// Number of bytes that are collected before they are passed on: 500 lines of JSON, one system
/// call.
const CAPACITY: usize = 256 << 10;

/// Time to wait for an output that takes nothing at the moment (a non-blocking pipe).
const PATIENCE: Duration = Duration::from_millis(1);

/// A target that lines are written to.
pub trait Target: Write {
    /// Takes back the last `bytes` that were written, if that is possible.
    fn take_back(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// Keeps the written data, even if it is nothing at all, because all went well.
    fn keep(&mut self) {}
}

impl Target for Vec<u8> {}

impl Target for File {
    fn take_back(&mut self, bytes: u64) {
        // Only if nothing was written after it: another process may append to the same file.
        if let (Ok(position), Ok(metadata)) = (self.stream_position(), self.metadata())
            && metadata.is_file()
            && metadata.len() == position
        {
            let whole = position.saturating_sub(bytes);
            let _ = self.set_len(whole);
            let _ = self.seek(io::SeekFrom::Start(whole));
        }
    }
}

/// Collects lines and passes them on.
#[derive(Debug)]
pub struct Lines<T> {
    target: T,
    buffer: Vec<u8>,
    /// End of the last complete line in `buffer`.
    complete: usize,
}

impl<T: Target> Lines<T> {
    /// Creates an empty buffer.
    pub fn new(target: T) -> Self {
        Self { target, buffer: Vec::with_capacity(CAPACITY + 4096), complete: 0 }
    }

    /// Returns the buffer for the next line; [`Lines::end_line`] completes it.
    pub fn line(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Makes the data since the last call a complete line.
    pub fn end_line(&mut self) -> io::Result<()> {
        self.complete = self.buffer.len();
        if self.complete >= CAPACITY { self.flush() } else { Ok(()) }
    }

    /// Passes on all complete lines.
    pub fn flush(&mut self) -> io::Result<()> {
        let (written, result) = write_all(&mut self.target, &self.buffer[..self.complete]);
        let torn = self.buffer[..written].iter().rev().take_while(|&&b| b != b'\n').count();
        if result.is_err() && torn > 0 {
            self.target.take_back(torn as u64);
        }
        // Also after an error: data that failed once must not be written again.
        self.buffer.drain(..self.complete);
        self.complete = 0;
        result.and_then(|()| self.target.flush())
    }

    /// Passes on all complete lines, the last ones.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.target.keep();
        Ok(())
    }

    /// Returns the target of the lines.
    pub fn target(&self) -> &T {
        &self.target
    }
}

/// Writes all of `bytes`; returns the number of bytes written, and the error if it fails.
fn write_all(target: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match target.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(PATIENCE),
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}
