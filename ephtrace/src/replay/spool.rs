//! Sorted runs of assignments in an unnamed file, and their merge in order.
//!
//! The file is for this process alone, and disappears with it.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::packed::{pack, unpack};
use crate::model::Assignment;

/// Maximum size of the file, in bytes: a hundred million rows or so. Further rows are sorted
/// separately.
pub(super) const MAX_BYTES: u64 = 8 << 30;

/// Number of bytes read ahead, for all runs together.
const READ_BYTES: usize = 8 << 20;

/// Maximum length of an assignment in the file, in bytes: names are the longest part, and those of
/// containers come from lines of 64 KiB.
const MAX_ROW_BYTES: usize = 80 << 10;

/// Number of this process's files so far: each has a name until it is open.
static FILES: AtomicU64 = AtomicU64::new(0);

/// File for the first spool, for a process that can't create one later.
static PREPARED: Mutex<Option<File>> = Mutex::new(None);

/// Creates the file of the first spool now: a sandboxed reader can't create one. A failure is
/// reported once the file is needed.
pub(crate) fn prepare() {
    *PREPARED.lock().unwrap_or_else(PoisonError::into_inner) = create_file().ok();
}

/// Creates an unnamed file, in the directory for temporary files (`TMPDIR`).
fn create_file() -> io::Result<File> {
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("ephtrace-spool-{}-{number}", process::id()));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// A file with sorted runs.
pub(super) struct Spool {
    file: File,
    /// End of each run; the first one begins at 0.
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Spool {
    /// Creates an empty spool.
    pub(super) fn create() -> io::Result<Self> {
        let prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner).take();
        let file = prepared.map_or_else(create_file, Ok)?;
        Ok(Self { file, ends: Vec::new(), bytes: Vec::new() })
    }

    /// Number of bytes in it.
    pub(super) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Appends `assignments`, which must be sorted.
    pub(super) fn write_run(&mut self, assignments: &[Assignment]) -> io::Result<()> {
        self.bytes.clear();
        for assignment in assignments {
            pack(assignment, &mut self.bytes);
        }
        self.file.write_all(&self.bytes)?;
        self.ends.push(self.len() + self.bytes.len() as u64);
        Ok(())
    }

    /// Merges all runs in order; of two at the same time, that of the earlier run comes first.
    pub(super) fn merge(self) -> io::Result<Merged> {
        let file = Arc::new(self.file);
        let ahead = (READ_BYTES / self.ends.len().max(1)).max(1);
        let mut begin = 0;
        let mut merged = Merged { runs: Vec::new(), next: BinaryHeap::new() };
        for end in self.ends {
            let bytes = Vec::new();
            let run =
                Run { file: file.clone(), at: begin, end, ahead, bytes, from: 0, first: None };
            merged.runs.push(run);
            begin = end;
        }
        for index in 0..merged.runs.len() {
            merged.refill(index)?;
        }
        Ok(merged)
    }
}

/// The runs of a spool, read together.
pub(super) struct Merged {
    runs: Vec<Run>,
    /// Time of the first assignment of each run, and the run's index.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

/// A part of the file that is read from its beginning to its end.
struct Run {
    file: Arc<File>,
    at: u64,
    end: u64,
    ahead: usize,
    /// Bytes that were read, of which `from` are consumed.
    bytes: Vec<u8>,
    from: usize,
    first: Option<Assignment>,
}

impl Merged {
    /// Returns the time of the next assignment.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.next.peek().map(|Reverse((ts_ns, _))| *ts_ns)
    }

    /// Returns the next assignment.
    pub(super) fn pop(&mut self) -> io::Result<Option<Assignment>> {
        let Some(Reverse((_, index))) = self.next.pop() else { return Ok(None) };
        let first = self.runs.get_mut(index).and_then(|run| run.first.take());
        self.refill(index)?;
        Ok(first)
    }

    fn refill(&mut self, index: usize) -> io::Result<()> {
        let Some(run) = self.runs.get_mut(index) else { return Ok(()) };
        run.first = run.read()?;
        if let Some(first) = &run.first {
            self.next.push(Reverse((first.ts_ns, index)));
        }
        Ok(())
    }
}

impl Run {
    fn read(&mut self) -> io::Result<Option<Assignment>> {
        loop {
            let mut rest = self.bytes.get(self.from..).unwrap_or_default();
            if let Some(assignment) = unpack(&mut rest) {
                self.from = self.bytes.len() - rest.len();
                return Ok(Some(assignment));
            }
            let is_whole = self.bytes.len() - self.from < MAX_ROW_BYTES;
            match (self.at < self.end, rest.is_empty()) {
                (true, _) if is_whole => self.read_ahead()?,
                (false, true) if self.bytes.len() == self.from => return Ok(None),
                _ => return Err(io::Error::other("the temporary sort file was changed")),
            }
        }
    }

    fn read_ahead(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.from);
        self.from = 0;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let (kept, more) = (self.bytes.len(), left.min(self.ahead));
        self.bytes.resize(kept + more, 0);
        let room = self.bytes.get_mut(kept..).unwrap_or_default();
        self.file.read_exact_at(room, self.at)?;
        self.at += more as u64;
        Ok(())
    }
}
