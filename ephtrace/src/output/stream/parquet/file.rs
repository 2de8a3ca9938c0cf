//! A file whose end is replaced again and again without ever being lost.
//!
//! Parquet has its footer at the end, so that a new row group overwrites it. The end is first saved
//! in a journal beside the file, and the journal is removed when the new end is complete:
//!
//! ```text
//! FILE          [ row groups that stay | last row group, footer ]  ← replaced as a whole
//! FILE.journal  [ where, how long, checksum | the end before ]     ← for a millisecond
//! ```
//!
//! Therefore, however the writer is killed, either the file is whole or the journal beside it is.
//! After a loss of power, data that the machine had not yet written to its disk is missing: nothing
//! is synced.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use flate2::Crc;

use crate::{
    model::escape::shown,
    output::files::{OpenFile, PendingFile, Place},
};

const JOURNAL_MAGIC: &[u8; 8] = b"EPHJRNL1";

/// Length of the header: magic, offset, checksum.
const JOURNAL_HEADER_BYTES: usize = 8 + 8 + 4;

/// Maximum length of a journal that is read: several times that of the longest row group and its
/// footer.
const MAX_JOURNAL_BYTES: u64 = 32 << 20;

/// The file, and its end.
pub(super) struct Rewritten {
    file: OpenFile,
    journal: Place,
    /// Start of the end that is replaced next.
    at: u64,
    /// The end as it is in the file.
    tail: Vec<u8>,
}

impl Rewritten {
    /// Empties the file, and removes a journal left by an earlier one.
    ///
    /// A new file is removed again unless it is [kept](Self::keep).
    pub(super) fn begin(prepared: PendingFile) -> io::Result<Self> {
        let journal = prepared.place().beside(journal_name(prepared.place().name()));
        // First: beside an emptied file, the journal would bring back the old end.
        journal.remove()?;
        Ok(Self { file: prepared.begin()?, journal, at: 0, tail: Vec::new() })
    }

    /// Keeps the file in any case.
    pub(super) fn keep(&mut self) {
        self.file.keep();
    }

    /// Fails if another process has changed the file.
    pub(super) fn check(&self) -> io::Result<()> {
        self.file.check(self.len())
    }

    /// Returns the start of the next end.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Returns the length of the file in bytes.
    pub(super) fn len(&self) -> u64 {
        self.at + self.tail.len() as u64
    }

    /// Puts `tail` in place of the end. The first `keep` bytes of it stay for good.
    ///
    /// After an error, the file is as it was before.
    pub(super) fn replace(&mut self, mut tail: Vec<u8>, keep: usize) -> io::Result<()> {
        self.file.check(self.len())?;
        self.file.reserve((tail.len() + self.tail.len()) as u64)?;
        self.save().inspect_err(|_| drop(self.journal.remove()))?;
        let written = self.write(&tail);
        if written.is_err() {
            // There was room for it a moment ago, and its blocks are still allocated.
            self.write(&self.tail)?;
        }
        self.journal.remove()?;
        written?;
        self.tail = tail.split_off(keep.min(tail.len()));
        self.at += tail.len() as u64;
        Ok(())
    }

    fn write(&self, tail: &[u8]) -> io::Result<()> {
        self.file.file().write_all_at(tail, self.at)?;
        self.file.file().set_len(self.at + tail.len() as u64)
    }

    fn save(&self) -> io::Result<()> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(JOURNAL_HEADER_BYTES + self.tail.len());
        bytes.extend_from_slice(JOURNAL_MAGIC);
        bytes.extend_from_slice(&self.at.to_le_bytes());
        bytes.extend_from_slice(&checksum(self.at, &self.tail).to_le_bytes());
        bytes.extend_from_slice(&self.tail);
        // Removes a link or a FIFO that another user has put there, without following it.
        self.journal.remove()?;
        let written = self.file.new_beside(self.journal.name());
        written.and_then(|mut journal| journal.write_all(&bytes)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("its journal, {}: {error}", shown(self.journal.path())),
            )
        })
    }
}

/// Refuses files that a recording can't be written to.
pub(super) fn regular(prepared: PendingFile) -> io::Result<PendingFile> {
    if !prepared.file().metadata()?.is_file() {
        let why = "it is not a regular file, and a recording can't be written to a pipe";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    if prepared.place().may_be_link() {
        let why = "its journal is a file beside it: name the file itself";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(prepared)
}

/// The end that a killed writer was about to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Offset at which it begins.
    pub at: u64,
    /// The end: a footer, and the row group before it if that was still growing.
    pub tail: Vec<u8>,
}

impl Journal {
    /// Returns the journal beside the recording at `path`, if there is one and it is whole.
    pub fn beside(path: &Path) -> Option<Self> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(journal_path(path)).ok()?;
        let is_one = |m: &fs::Metadata| m.is_file() && m.len() <= MAX_JOURNAL_BYTES;
        file.metadata().ok().filter(is_one)?;
        let mut bytes = Vec::new();
        file.take(MAX_JOURNAL_BYTES).read_to_end(&mut bytes).ok()?;
        Self::parse(&bytes)
    }

    /// Parses a journal; returns `None` if it is not whole.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (sum, tail) = rest.split_first_chunk::<4>()?;
        let at = u64::from_le_bytes(*at);
        let is_whole = magic == JOURNAL_MAGIC && u32::from_le_bytes(*sum) == checksum(at, tail);
        is_whole.then(|| Self { at, tail: tail.to_vec() })
    }

    /// Puts the end back into the recording at `path`, and removes the journal.
    pub fn restore(&self, path: &Path) -> io::Result<()> {
        let pending = regular(PendingFile::existing(path)?)?;
        pending.file().write_all_at(&self.tail, self.at)?;
        pending.file().set_len(self.at + self.tail.len() as u64)?;
        pending.place().beside(journal_name(pending.place().name())).remove()
    }
}

/// Returns the path `FILE.journal`.
pub fn journal_path(path: &Path) -> PathBuf {
    PathBuf::from(journal_name(path.as_os_str()))
}

fn journal_name(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(".journal");
    name
}

fn checksum(at: u64, tail: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(&at.to_le_bytes());
    sum.update(tail);
    sum.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(path: &Path) -> io::Result<PendingFile> {
        regular(PendingFile::open(path, None)?)
    }

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("ephtrace-end-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("file")
    }

    #[test]
    fn the_end_is_replaced_and_what_is_kept_stays() {
        let path = scratch("replaced");
        let mut file = Rewritten::begin(prepare(&path).unwrap()).unwrap();
        file.replace(b"PAR1-old end".to_vec(), 4).unwrap();
        file.replace(b"group-longer end".to_vec(), 0).unwrap();
        file.replace(b"group-end".to_vec(), 5).unwrap();
        file.replace(b"!".to_vec(), 0).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"PAR1group!");
        assert_eq!((file.at(), file.len()), (9, 10));
        assert!(!journal_path(&path).exists());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_journal_brings_the_end_back_wherever_the_writer_was_killed() {
        let path = scratch("killed");
        let mut file = Rewritten::begin(prepare(&path).unwrap()).unwrap();
        file.replace(b"PAR1the end".to_vec(), 4).unwrap();
        // The lock of a killed process is released like this, too.
        file.file.file().unlock().unwrap();
        let before = fs::read(&path).unwrap();
        let after = b"a new and longer end";
        for written in 0..after.len() {
            file.save().unwrap();
            file.file.file().write_all_at(&after[..written], 4).unwrap();
            Journal::beside(&path).unwrap().restore(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), before, "killed after {written} bytes");
            assert!(Journal::beside(&path).is_none());
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_journal_is_not_written_through_a_link() {
        let path = scratch("planted");
        let mut file = Rewritten::begin(prepare(&path).unwrap()).unwrap();
        file.replace(b"PAR1the end".to_vec(), 4).unwrap();
        let secret = path.with_file_name("secret");
        fs::write(&secret, "of root").unwrap();
        std::os::unix::fs::symlink(&secret, journal_path(&path)).unwrap();
        assert!(Journal::beside(&path).is_none());
        file.replace(b"another end".to_vec(), 0).unwrap();
        assert_eq!(fs::read(&secret).unwrap(), b"of root");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn an_end_is_not_put_back_through_a_link() {
        let path = scratch("repaired");
        let secret = path.with_file_name("secret");
        fs::write(&secret, "of root").unwrap();
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        let journal = Journal { at: 0, tail: b"planted".to_vec() };
        let error = journal.restore(&path).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert_eq!(fs::read(&secret).unwrap(), b"of root");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_file_that_is_no_longer_there_is_told() {
        let path = scratch("gone");
        let mut file = Rewritten::begin(prepare(&path).unwrap()).unwrap();
        file.replace(b"PAR1the end".to_vec(), 4).unwrap();
        file.file.file().set_len(3).unwrap();
        let said =
            |file: &mut Rewritten| file.replace(b"more".to_vec(), 0).unwrap_err().to_string();
        assert!(said(&mut file).contains("it was truncated"));
        fs::remove_file(&path).unwrap();
        assert!(said(&mut file).contains("it was removed"));
        fs::write(&path, "PAR1the end").unwrap();
        assert!(said(&mut file).contains("it was replaced"));
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_torn_journal_is_none() {
        let path = scratch("torn");
        let mut file = Rewritten::begin(prepare(&path).unwrap()).unwrap();
        file.replace(b"PAR1the end".to_vec(), 4).unwrap();
        file.save().unwrap();
        let whole = fs::read(journal_path(&path)).unwrap();
        assert!(Journal::parse(&whole).is_some());
        for len in 0..whole.len() {
            assert_eq!(Journal::parse(&whole[..len]), None, "{len} bytes");
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_pipe_is_refused() {
        let error = prepare(Path::new("/dev/null")).err().unwrap();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}
