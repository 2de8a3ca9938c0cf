//! A buffer of whole lines in front of an output, so that what is written is complete whenever the
//! output fails.

use std::{
    fs::File,
    io::{self, ErrorKind, Seek as _, Write},
    thread,
    time::Duration,
};

/// Bytes that are collected before they are handed on: 500 lines of JSON, one system call.
const CAPACITY: usize = 256 << 10;

/// How long to wait for an output that takes nothing at the moment (a non-blocking pipe).
const PATIENCE: Duration = Duration::from_millis(1);

/// Something that lines can be written to.
pub trait Target: Write {
    /// Takes back the last `bytes` that were written, if that is possible.
    fn take_back(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// All went well: what was written stays, be it nothing at all.
    fn keep(&mut self) {}
}

impl Target for Vec<u8> {}

impl Target for File {
    fn take_back(&mut self, bytes: u64) {
        // Only where nothing came behind it: another process may append to the same file.
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

/// Collects lines and hands them on.
#[derive(Debug)]
pub struct Lines<T> {
    target: T,
    buffer: Vec<u8>,
    /// Where the last complete line in `buffer` ends.
    complete: usize,
}

impl<T: Target> Lines<T> {
    /// Nothing yet.
    pub fn new(target: T) -> Self {
        Self { target, buffer: Vec::with_capacity(CAPACITY + 4096), complete: 0 }
    }

    /// Where to write the line; [`Lines::end_line`] makes it count.
    pub fn line(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// What was written since the last call is a complete line.
    pub fn end_line(&mut self) -> io::Result<()> {
        self.complete = self.buffer.len();
        if self.complete >= CAPACITY { self.flush() } else { Ok(()) }
    }

    /// Hands on all complete lines.
    pub fn flush(&mut self) -> io::Result<()> {
        let (written, result) = write_all(&mut self.target, &self.buffer[..self.complete]);
        let torn = self.buffer[..written].iter().rev().take_while(|&&b| b != b'\n').count();
        if result.is_err() && torn > 0 {
            self.target.take_back(torn as u64);
        }
        // After an error, too: what failed once is not to be repeated.
        self.buffer.drain(..self.complete);
        self.complete = 0;
        result.and_then(|()| self.target.flush())
    }

    /// Hands on all complete lines, the last ones.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.target.keep();
        Ok(())
    }

    /// What the lines were written to.
    pub fn target(&self) -> &T {
        &self.target
    }
}

/// Writes all of `bytes`; says how many were written if it fails.
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
