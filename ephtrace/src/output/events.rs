//! Destination of events: a file, or standard output.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd as _,
    path::Path,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{
    files::{OpenFile, PendingFile},
    stream::lines::Target,
};

/// Destination of events as text, NDJSON or CSV.
#[derive(Debug)]
pub enum Output {
    /// Into a file.
    File(PendingFile),
    /// Standard output, from its current position.
    Stdout(File),
}

impl Output {
    /// Opens the file at `path`, or takes standard output. A new file gets `mode`, or is for its
    /// owner alone.
    pub fn open(path: Option<&Path>, mode: Option<u32>) -> io::Result<Self> {
        match path {
            Some(path) => PendingFile::open(path, mode).map(Self::File),
            None => Ok(Self::Stdout(File::from(io::stdout().as_fd().try_clone_to_owned()?))),
        }
    }

    /// Returns the target to write to; a file is emptied.
    pub fn begin(self) -> io::Result<Events> {
        match self {
            Self::File(prepared) => EventsFile::begin(prepared).map(Events::File),
            Self::Stdout(file) => Ok(Events::Stdout(file)),
        }
    }
}

/// Target of events.
#[derive(Debug)]
pub enum Events {
    /// A file of ephtrace's own.
    File(EventsFile),
    /// A file that the shell has opened: other processes may write to it, too.
    Stdout(File),
}

/// A file that nobody else may change while events are written to it.
#[derive(Debug)]
pub struct EventsFile {
    file: OpenFile,
    /// Number of bytes written so far.
    len_bytes: u64,
}

impl EventsFile {
    fn begin(prepared: PendingFile) -> io::Result<Self> {
        let file = prepared.begin()?;
        if file.file().metadata()?.is_file() {
            // At a fixed position, later writes would hide that the file was cut, and overwrite the
            // messages if the shell sends both to one file.
            fcntl(file.file(), FcntlArg::F_SETFL(OFlag::O_APPEND))?;
        }
        Ok(Self { file, len_bytes: 0 })
    }
}

impl Write for EventsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.check(self.len_bytes)?;
        self.file.reserve(bytes.len() as u64)?;
        let written = self.file.file().write(bytes)?;
        self.len_bytes += written as u64;
        self.file.keep();
        Ok(written)
    }

    /// Called every 20 ms and after every 256 KiB, even if nothing was written.
    fn flush(&mut self) -> io::Result<()> {
        self.file.check(self.len_bytes)
    }
}

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(file) => file.flush(),
        }
    }
}

impl Target for Events {
    fn take_back(&mut self, bytes: u64) {
        match self {
            Self::File(EventsFile { file, len_bytes }) => {
                // Only if nothing was written after these bytes.
                if file.is_watched() && file.check(*len_bytes).is_ok() {
                    let whole_bytes = len_bytes.saturating_sub(bytes);
                    if file.file().set_len(whole_bytes).is_ok() {
                        *len_bytes = whole_bytes;
                    }
                }
            }
            Self::Stdout(file) => file.take_back(bytes),
        }
    }

    fn keep(&mut self) {
        if let Self::File(EventsFile { file, .. }) = self {
            file.keep();
        }
    }
}
