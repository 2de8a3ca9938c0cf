//! Parquet: a recording that DuckDB, Polars and Spark read as it is, and `ephtrace` itself.
//!
//! ```text
//! event ─→ rows ─ every two seconds, or when full ─→ row group ─┬→ file (end replaced, journal)
//!                                        facts, losses ─→ footer ─┘
//! ```
//!
//! The file is a whole Parquet file at any time, so that whatever kills ephtrace, it can be read up
//! to the last [`CHECKPOINT_NS`]. Rows stay in the last row group, which is written again and
//! again, until that is worth being one of its own. docs/recording.md has the schema and the
//! metadata.

use std::{io, path::PathBuf};

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
    model::{Assignment, losses::Losses},
};

/// How much of a recording may be lost when ephtrace is killed, in nanoseconds.
pub const CHECKPOINT_NS: u64 = 2_000_000_000;

/// How long the last row group grows before the next one is begun, in nanoseconds: what it has is
/// written again at each checkpoint.
const GROUP_AGE_NS: u64 = 60_000_000_000;

/// Part of a recording's age that its last row group may cover if that is longer, so that a quiet
/// host's footer, which names all row groups and is written at each checkpoint, stays short.
const GROUP_SHARE: u64 = 64;

/// Rows that are a row group of their own at a checkpoint. Fewer are written again at the next one,
/// which costs less than a footer with many row groups.
const ENOUGH_ROWS: usize = schema::MAX_ROWS / 4 * 3;

/// Row groups, 3 MiB of footer, that make checkpoints rarer by [`CHECKPOINT_NS`], so that no more
/// than 2 MiB of footer is written in a second: full ones are 67 million rows.
const MANY_GROUPS: u64 = 1024;

/// Bytes of row groups that wait in memory for a checkpoint: some seconds of a storm.
const MAX_PENDING_BYTES: usize = 4 << 20;

/// A tick that is behind by more, in nanoseconds, is by a clock that was set back: events come late
/// by some milliseconds.
const SET_BACK_NS: u64 = 1_000_000_000;

/// What a recording is written to, and when to the next file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The file; with `rotate`, a number goes before its extension.
    pub path: PathBuf,
    /// When to begin the next file.
    pub rotate: Option<Rotate>,
    /// Who may read and write a new file; its owner alone unless this says otherwise.
    pub mode: Option<u32>,
}

/// Writes assignments as rows. Losses and the summary go to the notices and to the metadata.
pub struct ParquetSink {
    options: Options,
    /// What the names of numbered files are made from.
    base: Option<Place>,
    notices: Notices,
    plan: Plan,
    footer: Footer,
    rows: Rows,
    /// Rows of `rows` that are in the file already.
    checked: usize,
    file: Rewritten,
    /// Row groups that stay and are not in the file yet.
    pending: Vec<u8>,
    /// All row groups that stay.
    pub(super) groups: Vec<RowGroupMetaData>,
    /// How many of them are in the file.
    written: usize,
    /// Number of the file, if they are numbered.
    number: u32,
    clock: Ages,
    losses: Losses,
    /// What was lost before this file.
    losses_before: Losses,
    /// What is copied has not ended.
    is_cut: bool,
}

/// Points in time, in nanoseconds since the Unix epoch, from events and ticks: 0 for none yet.
#[expect(clippy::struct_field_names, reason = "units in names")]
#[derive(Clone, Copy, Debug, Default)]
struct Ages {
    now_ns: u64,
    file_ns: u64,
    group_ns: u64,
    checkpoint_ns: u64,
}

/// A recording whose file is open and was not touched yet.
pub struct PreparedRecording {
    options: Options,
    base: Option<Place>,
    notices: Notices,
    file: PendingFile,
    number: u32,
}

impl PreparedRecording {
    /// Opens the file; what is in it stays until [`PreparedRecording::begin`].
    pub fn open(options: Options, notices: Notices) -> io::Result<Self> {
        if options.rotate.is_none() {
            let file = regular(PendingFile::open(&options.path, options.mode)?)?;
            return Ok(Self { options, base: None, notices, file, number: 0 });
        }
        let base = Place::of(&options.path)?;
        let (number, file) = rotate::create(&base, 1, options.mode)?;
        Ok(Self { options, base: Some(base), notices, file, number })
    }

    /// Empties the file, and begins it with no row in it yet. `facts` are what is known of the host
    /// and of the way of recording, for the metadata.
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
        };
        sink.begin_file()?;
        Ok(sink)
    }
}

impl ParquetSink {
    /// Creates or empties the file, with no row in it yet.
    pub fn create(options: Options, notices: Notices) -> io::Result<Self> {
        PreparedRecording::open(options, notices)?.begin(Vec::new())
    }

    /// Four bytes, and a footer without row groups.
    fn begin_file(&mut self) -> io::Result<()> {
        self.pending.extend_from_slice(footer::MAGIC);
        self.write_end()
    }

    /// Makes the rows a row group that stays, to be written with the next end.
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

    /// Replaces the end of the file by the row groups that stay, the rows and the footer.
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
        // What could not be written is in no later footer.
        self.file.replace(tail, stays).inspect_err(|_| self.groups.truncate(self.written))?;
        self.written = self.groups.len();
        self.checked = self.rows.len();
        if self.footer.is_complete || self.checked > 0 || self.written > 0 {
            self.file.keep();
        }
        self.clock.checkpoint_ns = self.clock.now_ns;
        Ok(())
    }

    /// How long until the end is written again.
    fn pause_ns(&self) -> u64 {
        CHECKPOINT_NS.saturating_mul(1 + self.groups.len() as u64 / MANY_GROUPS)
    }

    /// At a tick: writes what is new, if that is due.
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
            // However quiet it is, the file may go.
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
        self.write_end()
    }
}

impl Ages {
    /// Events are not quite in order: a point that was later counts as none.
    fn since(&self, then_ns: u64) -> u64 {
        if then_ns == 0 { 0 } else { self.now_ns.saturating_sub(then_ns) }
    }

    /// The time is `now_ns`. If the clock was set back, all that happened is as long ago as before.
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

    /// Something happened at `now_ns`; it may come late.
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
        // What a recording lacks, a copy of it lacks as well.
        self.is_cut = summary.findings.iter().any(|finding| finding.rule == Rule::Cut);
        Ok(())
    }

    /// Rows are no lines: they wait for the checkpoint.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.complete()
    }
}

fn in_words(error: ParquetError) -> io::Error {
    match error {
        ParquetError::General(text) => io::Error::other(text),
        other => io::Error::other(other.to_string()),
    }
}
