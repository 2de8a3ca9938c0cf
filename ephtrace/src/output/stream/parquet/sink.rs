//! Parquet: a recording that DuckDB, Polars, Spark and `ephtrace` can read.
//!
//! ```text
//! event ─→ rows ─ every two seconds, or when full ─→ row group ─┬→ file (end replaced, journal)
//!                                        facts, losses ─→ footer ─┘
//! ```
//!
//! The file is a whole Parquet file at any time: however ephtrace is killed, it can be read up to
//! the last [`CHECKPOINT_NS`]. Rows stay in the last row group, which is written again and again,
//! until it is large enough to be final. docs/recording.md has the schema and the metadata.

use std::{fs::File, io, os::fd::AsRawFd as _, path::PathBuf};

use parquet::{errors::ParquetError, file::metadata::RowGroupMetaData};

use super::{
    file::{Rewritten, regular},
    footer::{self, Fact, Footer},
    rotate::{self, Rotate},
    rows::Rows,
    schema::{self, Plan},
};
use crate::output::{
    files::{PendingFile, Place},
    notices::Notices,
    sink::Sink,
};
use crate::{
    analyse::{findings::Rule, summary::Summary},
    model::{Assignment, escape::shown, losses::Losses},
};

/// Maximum time span of a recording that is lost when ephtrace is killed, in nanoseconds.
pub const CHECKPOINT_NS: u64 = 2_000_000_000;

/// Maximum age of the last row group before the next one begins, in nanoseconds: its content is
/// written again at each checkpoint.
const GROUP_AGE_NS: u64 = 60_000_000_000;

/// Divisor of a recording's age that gives the age of its last row group, if that is higher: a
/// quiet host's footer, which names all row groups and is written at each checkpoint, stays short.
const GROUP_SHARE: u64 = 64;

/// Number of rows that make a row group of their own at a checkpoint. Fewer rows are written again
/// at the next one, which costs less than a footer with many row groups.
const ENOUGH_ROWS: usize = schema::MAX_ROWS / 4 * 3;

/// Number of row groups, 3 MiB of footer, for which checkpoints become rarer by [`CHECKPOINT_NS`],
/// so that at most 2 MiB of footer are written per second: full ones are 67 million rows.
const MANY_GROUPS: u64 = 1024;

/// Maximum size of row groups that wait in memory for a checkpoint: some seconds of a storm.
const MAX_PENDING_BYTES: usize = 4 << 20;

/// Lag of a tick from which the clock must have been set back, in nanoseconds: events are late by
/// some milliseconds only.
const SET_BACK_NS: u64 = 1_000_000_000;

/// Destination of a recording, and the limit at which the next file begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Path of the file; with `rotate`, a number goes before its extension.
    pub path: PathBuf,
    /// Limit at which the next file begins.
    pub rotate: Option<Rotate>,
    /// Permissions of a new file; by default, only for its owner.
    pub mode: Option<u32>,
}

/// Writes assignments as rows. Losses and the summary go to the notices and to the metadata.
pub struct ParquetSink {
    options: Options,
    /// Base of the names of numbered files.
    base: Option<Place>,
    notices: Notices,
    plan: Plan,
    footer: Footer,
    rows: Rows,
    /// Number of `rows` that are already in the file.
    checked: usize,
    file: Rewritten,
    /// Final row groups that are not yet in the file.
    pending: Vec<u8>,
    /// All final row groups.
    pub(super) groups: Vec<RowGroupMetaData>,
    /// Number of `groups` that are in the file.
    written: usize,
    /// Number of the file, if they are numbered.
    number: u32,
    clock: Ages,
    losses: Losses,
    /// Losses before this file.
    losses_before: Losses,
    /// True if a copied recording has not ended.
    is_cut: bool,
    written_so_far: WrittenSoFar,
}

/// Contents of all files that are complete.
#[derive(Clone, Copy, Debug, Default)]
struct WrittenSoFar {
    rows: u64,
    files: u64,
    bytes: u64,
}

/// Times in nanoseconds since the Unix epoch, from events and ticks: 0 for none yet.
#[expect(clippy::struct_field_names, reason = "units in names")]
#[derive(Clone, Copy, Debug, Default)]
struct Ages {
    now_ns: u64,
    file_ns: u64,
    group_ns: u64,
    checkpoint_ns: u64,
}

/// A recording whose file is open and still unchanged.
pub struct PreparedRecording {
    options: Options,
    base: Option<Place>,
    notices: Notices,
    file: PendingFile,
    number: u32,
}

impl PreparedRecording {
    /// Opens the file; its content stays until [`PreparedRecording::begin`].
    pub fn open(options: Options, notices: Notices) -> io::Result<Self> {
        if options.rotate.is_none() {
            let file = regular(PendingFile::open(&options.path, options.mode)?)?;
            return Ok(Self { options, base: None, notices, file, number: 0 });
        }
        let base = Place::of(&options.path)?;
        let (number, file) = rotate::create(&base, 1, options.mode)?;
        Ok(Self { options, base: Some(base), notices, file, number })
    }

    /// Opens the file, unchanged so far, to read it.
    pub fn to_read(&self) -> io::Result<File> {
        File::open(format!("/proc/self/fd/{}", self.file.file().as_raw_fd()))
    }

    /// Empties the file, and begins it without rows. `facts` describe the host and the way of
    /// recording, for the metadata.
    pub fn begin(self, facts: Vec<Fact>) -> io::Result<ParquetSink> {
        let Self { options, base, notices, file, number } = self;
        let plan = schema::plan().map_err(in_words)?;
        let file = Rewritten::begin(file)?;
        let mut sink = ParquetSink {
            options,
            base,
            notices,
            plan,
            footer: Footer { facts, ..Footer::default() },
            rows: Rows::new(),
            checked: 0,
            file,
            pending: Vec::new(),
            groups: Vec::new(),
            written: 0,
            number,
            clock: Ages::default(),
            losses: Losses::default(),
            losses_before: Losses::default(),
            is_cut: false,
            written_so_far: WrittenSoFar::default(),
        };
        sink.begin_file()?;
        Ok(sink)
    }
}

impl ParquetSink {
    /// Creates or empties the file, without rows.
    pub fn create(options: Options, notices: Notices) -> io::Result<Self> {
        PreparedRecording::open(options, notices)?.begin(Vec::new())
    }

    /// Writes four bytes, and a footer without row groups.
    fn begin_file(&mut self) -> io::Result<()> {
        self.pending.extend_from_slice(footer::MAGIC);
        self.write_end()
    }

    /// Makes the rows a final row group, which is written with the next end.
    fn seal(&mut self) -> io::Result<()> {
        if self.rows.len() > 0 {
            let (bytes, group) = self.encode()?;
            self.pending.extend_from_slice(&bytes);
            self.groups.push(group);
            self.rows.clear();
            self.clock.group_ns = 0;
        }
        Ok(())
    }

    fn encode(&self) -> io::Result<(Vec<u8>, RowGroupMetaData)> {
        let ordinal = i32::try_from(self.groups.len()).map_err(io::Error::other)?;
        let at = self.file.at() + self.pending.len() as u64;
        self.rows.encode(&self.plan, ordinal, at).map_err(in_words)
    }

    /// Replaces the end of the file by the final row groups, the rows and the footer.
    fn write_end(&mut self) -> io::Result<()> {
        self.footer.losses = self.losses.since(&self.losses_before);
        let last = if self.rows.len() > 0 { Some(self.encode()?) } else { None };
        let mut tail = std::mem::take(&mut self.pending);
        let stays = tail.len();
        let groups = self.groups.len();
        if let Some((bytes, group)) = last {
            tail.extend_from_slice(&bytes);
            self.groups.push(group);
        }
        let written = self.footer.write(&self.plan, &self.groups, &mut tail);
        self.groups.truncate(groups);
        written.map_err(in_words)?;
        // Row groups that could not be written are in no later footer.
        self.file.replace(tail, stays).inspect_err(|_| self.groups.truncate(self.written))?;
        self.written = self.groups.len();
        self.checked = self.rows.len();
        if self.footer.is_complete || self.checked > 0 || self.written > 0 {
            self.file.keep();
        }
        self.clock.checkpoint_ns = self.clock.now_ns;
        Ok(())
    }

    /// Returns the time until the end is written again.
    fn pause_ns(&self) -> u64 {
        CHECKPOINT_NS.saturating_mul(1 + self.groups.len() as u64 / MANY_GROUPS)
    }

    /// Called at a tick: writes new rows, if a checkpoint is due.
    fn checkpoint(&mut self) -> io::Result<()> {
        let has_news = self.rows.len() != self.checked
            || !self.pending.is_empty()
            || self.footer.losses != self.losses.since(&self.losses_before);
        if has_news && self.clock.since(self.clock.checkpoint_ns) >= self.pause_ns() {
            let longest_ns = (self.clock.since(self.clock.file_ns) / GROUP_SHARE).max(GROUP_AGE_NS);
            let is_old = self.clock.since(self.clock.group_ns) >= longest_ns;
            if self.rows.len() >= ENOUGH_ROWS || is_old {
                self.seal()?;
            }
            self.write_end()?;
        } else {
            // Even if it is quiet, the file may disappear.
            self.file.check()?;
        }
        self.rotate_if_due()
    }

    fn rotate_if_due(&mut self) -> io::Result<()> {
        let is_due = match self.options.rotate {
            None => false,
            Some(Rotate::Bytes(bytes)) => self.file.len() + self.pending.len() as u64 >= bytes,
            Some(Rotate::Time(time)) => {
                u128::from(self.clock.since(self.clock.file_ns)) >= time.as_nanos()
            }
        };
        let has_rows = self.rows.len() > 0 || !self.groups.is_empty();
        if is_due && has_rows { self.next_file() } else { Ok(()) }
    }

    fn next_file(&mut self) -> io::Result<()> {
        let Some(base) = self.base.clone() else { return Ok(()) };
        self.complete()?;
        let from = self.number.saturating_add(1);
        let (number, file) = rotate::create(&base, from, self.options.mode)?;
        self.number = number;
        self.file = Rewritten::begin(file)?;
        self.groups.clear();
        self.written = 0;
        self.footer.is_complete = false;
        self.losses_before = self.losses;
        self.clock = Ages { now_ns: self.clock.now_ns, ..Ages::default() };
        self.begin_file()
    }

    fn complete(&mut self) -> io::Result<()> {
        self.footer.is_complete = !self.is_cut;
        self.seal()?;
        self.write_end()?;
        self.written_so_far.files += 1;
        self.written_so_far.bytes += self.file.len();
        Ok(())
    }

    /// Returns the final line: where the rows are, how many, and how many are missing.
    fn result(&self) -> String {
        let WrittenSoFar { rows, files, bytes } = self.written_so_far;
        let path = match self.base {
            None => self.options.path.clone(),
            Some(_) => rotate::numbered_path(&self.options.path, self.number),
        };
        let several = if files > 1 { format!("{files} files up to ") } else { String::new() };
        let to = format!("{several}{}", shown(&path));
        format!("recorded {rows} rows to {to} ({bytes} bytes), lost {}", self.losses.total())
    }
}

impl Ages {
    /// Returns the time since `then_ns`. Events are not quite in order: the time since a later one
    /// is zero.
    fn since(&self, then_ns: u64) -> u64 {
        if then_ns == 0 { 0 } else { self.now_ns.saturating_sub(then_ns) }
    }

    /// Advances the time to `now_ns`. If the clock was set back, the ages of all events stay the
    /// same.
    fn tick(&mut self, now_ns: u64) {
        let back_ns = self.now_ns.saturating_sub(now_ns);
        if back_ns > SET_BACK_NS {
            self.now_ns = now_ns;
            let points = [&mut self.file_ns, &mut self.group_ns, &mut self.checkpoint_ns];
            for then_ns in points.into_iter().filter(|then_ns| **then_ns != 0) {
                *then_ns = then_ns.saturating_sub(back_ns).max(1);
            }
        }
        self.reach(now_ns);
    }

    /// Records an event at `now_ns`; it may be late.
    fn reach(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        for then_ns in [&mut self.file_ns, &mut self.checkpoint_ns] {
            if *then_ns == 0 {
                *then_ns = self.now_ns;
            }
        }
    }
}

impl Sink for ParquetSink {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.clock.reach(assignment.ts_ns);
        self.rotate_if_due()?;
        if self.clock.group_ns == 0 {
            self.clock.group_ns = self.clock.now_ns;
        }
        self.rows.push(assignment);
        self.written_so_far.rows += 1;
        if self.rows.len() >= schema::MAX_ROWS {
            self.seal()?;
            let is_due = self.clock.since(self.clock.checkpoint_ns) >= self.pause_ns();
            if is_due || self.pending.len() >= MAX_PENDING_BYTES {
                self.write_end()?;
            }
        }
        Ok(())
    }

    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()> {
        self.clock.tick(ts_ns);
        self.notices.losses(losses);
        self.losses = *losses;
        self.checkpoint()
    }

    fn summary(&mut self, _ts_ns: u64, summary: &Summary) -> io::Result<()> {
        self.notices.summary(summary);
        self.footer.summary = serde_json::to_string(summary).ok();
        // A copy of an incomplete recording is incomplete, too.
        self.is_cut = summary.findings.iter().any(|finding| finding.rule == Rule::Cut);
        Ok(())
    }

    /// Rows are not lines: they wait for the checkpoint.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.complete()?;
        self.notices.tell(&self.result());
        Ok(())
    }
}

fn in_words(error: ParquetError) -> io::Error {
    match error {
        ParquetError::General(text) => io::Error::other(text),
        other => io::Error::other(other.to_string()),
    }
}
