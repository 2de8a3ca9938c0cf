//! Parquet: recordings of `ephtrace record`, and files of other tools with the five columns
//! `ts_ns`, `saddr`, `sport`, `daddr`, `dport`.
//!
//! Other columns may be missing or null, unknown ones are skipped; numbers may have any width. Row
//! groups are read one by one, some thousand rows at a time. Unreadable rows of a row group are
//! counted. A recording whose writer was killed while it replaced the end is read with the end from
//! the journal beside it.
//!
//! Memory that the library would reserve for a footer (`footer`) or a page (`pages`) is charged to
//! an account first, so that a file can't make it hold more than `--max-memory` allows.

mod columns;
mod delta;
mod footer;
mod guard;
mod header;
mod pages;
mod row;
mod source;
mod thrift;

use std::{fs::File, io, path::Path};

use parquet::file::{
    metadata::ParquetStatisticsPolicy,
    reader::{FileReader as _, Length as _},
    serialized_reader::{ReadOptionsBuilder, SerializedFileReader},
};
use serde_json::{Map, Value};

use self::{
    columns::{Columns, Layout},
    footer::Unusable,
    guard::guarded,
    row::Row,
    source::Source,
};
use super::{
    budget::{Account, Charge, MaxMemory},
    error::ReplayError,
    item::{Broken, Item},
    meter::Meter,
    names,
};
use crate::{
    analyse::number::as_f64,
    model::{Provenance, losses::Losses},
    output::stream::parquet::{Journal, KEY_COMPLETE, KEY_HOST, KEY_KERNEL, KEY_LOSSES, KEY_NETNS},
};

/// First bytes of a Parquet file.
pub const MAGIC: [u8; 4] = *b"PAR1";

/// Reads assignments from rows.
pub struct Reader {
    file: Opened,
    layout: Layout,
    row: Row,
    losses: Losses,
    /// Index of the next row group.
    group: usize,
    /// Row group being read.
    open: Option<Open>,
    /// Number of rows so far, unreadable ones included.
    rows: u64,
    meter: Meter,
    /// Bytes of the file for each of its rows: columns are read from many places at once.
    bytes_per_row: f64,
    is_ours: bool,
}

/// A file whose footer was read.
struct Opened {
    file: SerializedFileReader<Source>,
    source: Source,
    account: Account,
    /// Charge for the footer.
    _charge: Charge,
}

/// A row group of which some rows were taken.
struct Open {
    columns: Columns,
    /// Number of rows that the footer promises and that were not taken yet.
    promised: u64,
    /// Position in the rows that were taken last.
    next: usize,
    taken: usize,
}

/// Returns whether the file at `path` is a Parquet file with its end.
pub fn is_whole(path: &Path, max: MaxMemory) -> io::Result<bool> {
    let source = Source::file(File::open(path)?)?;
    Ok(Opened::open(source, &Account::new(max)).is_ok())
}

/// Returns whether the file at `path` would be a Parquet file with the end from this journal.
pub fn is_whole_with(path: &Path, journal: Journal, max: MaxMemory) -> io::Result<bool> {
    let restored = Source::restored(File::open(path)?, journal)?;
    Ok(restored.is_some_and(|source| Opened::open(source, &Account::new(max)).is_ok()))
}

/// Returns the number of rows in `file`, if it is a Parquet file with its end.
pub fn rows_of(file: File, max: MaxMemory) -> Option<u64> {
    let opened = Opened::open(Source::file(file).ok()?, &Account::new(max)).ok()?;
    u64::try_from(opened.file.metadata().file_metadata().num_rows()).ok()
}

impl Opened {
    fn open(source: Source, account: &Account) -> Result<Self, Unusable> {
        let account = account.clone();
        let cost = footer::cost(&source)?;
        let charge = account.take(cost).map_err(|over| Unusable::TooLarge(over.to_string()))?;
        // Statistics are of no use here, and the library keeps them.
        let options = ReadOptionsBuilder::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .build();
        let file = guarded(|| SerializedFileReader::new_with_options(source.clone(), options));
        let file = file.map_err(Unusable::Damaged)?;
        Ok(Self { file, source, account, _charge: charge })
    }
}

impl Reader {
    /// Opens the recording at `path`, called `name` in messages.
    pub(super) fn open(
        name: &str,
        path: &Path,
        file: File,
        account: &Account,
    ) -> Result<Self, ReplayError> {
        let unreadable = |cause| ReplayError::Read { file: name.to_owned(), cause };
        let again = file.try_clone().map_err(unreadable)?;
        let source = Source::file(file).map_err(unreadable)?;
        let reason = match Opened::open(source.clone(), account) {
            Ok(file) => return Self::new(name, file),
            Err(reason) => reason,
        };
        if let Some(journal) = Journal::beside(path)
            && let Some(restored) = Source::restored(again, journal).map_err(unreadable)?
            && let Ok(file) = Opened::open(restored, account)
        {
            log::warn!(
                "{name}: the writer was killed while it replaced the footer; read with the \
                 previous footer from the journal (`ephtrace record --repair FILE` restores it)"
            );
            return Self::new(name, file);
        }
        Err(unusable(name, &source, reason))
    }

    /// Reads a file in memory, called `name` in messages.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, max: MaxMemory) -> Result<Self, ReplayError> {
        let source = Source::memory(bytes);
        match Opened::open(source.clone(), &Account::new(max)) {
            Ok(file) => Self::new(name, file),
            Err(reason) => Err(unusable(name, &source, reason)),
        }
    }

    fn new(name: &str, file: Opened) -> Result<Self, ReplayError> {
        let metadata = file.file.metadata().file_metadata();
        let layout = guarded(|| Layout::of(metadata.schema_descr()))
            .map_err(|what| ReplayError::Columns { file: name.to_owned(), what })?;
        let losses = losses(&file.file);
        let is_ours = told(&file.file, KEY_COMPLETE).is_some();
        let all = as_f64(u64::try_from(metadata.num_rows()).unwrap_or(0).max(1));
        let bytes_per_row = as_f64(file.source.len()) / all;
        Ok(Self {
            file,
            layout,
            row: Row::default(),
            losses,
            group: 0,
            open: None,
            rows: 0,
            meter: Meter::default(),
            bytes_per_row,
            is_ours,
        })
    }

    /// The same; `meter` counts the bytes of the rows that are read.
    #[must_use]
    pub(super) fn counted_by(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// Returns the losses so far: those that the recording contains, and unreadable rows.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Returns whether the recording is marked as not ended: its writer was killed, could not
    /// continue, or is still at work.
    pub fn is_cut(&self) -> bool {
        told(&self.file.file, KEY_COMPLETE) == Some("false")
    }

    /// Returns the reason why the file has no row; `None` for one that ephtrace recorded.
    pub fn instead(&self) -> Option<String> {
        (!self.is_ours).then(|| "it has no rows".to_owned())
    }

    /// Returns whether ephtrace wrote it.
    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Returns the release of the traced kernel, if the recording contains it.
    pub fn kernel_release(&self) -> Option<&str> {
        told(&self.file.file, KEY_KERNEL)
    }

    /// Returns its host, kernel, hook and time, as far as it tells.
    pub fn provenance(&self) -> Provenance {
        let file = &self.file.file;
        let tells_losses = told(file, KEY_LOSSES).is_some();
        let names = told(file, KEY_NETNS).and_then(|text| serde_json::from_str(text).ok());
        Provenance {
            namespaces: names.unwrap_or_default(),
            ..Provenance::new(told(file, KEY_HOST), self.kernel_release(), tells_losses)
        }
    }

    fn item(&mut self) -> Option<Item> {
        let open = self.open.as_mut().filter(|open| open.next < open.taken)?;
        let row = open.next;
        open.next += 1;
        self.rows += 1;
        Some(match self.row.read(&open.columns, row) {
            Ok(assignment) => Item::Assignment(assignment),
            Err(reason) => {
                self.losses.unreadable = self.losses.unreadable.saturating_add(1);
                Item::Broken(Broken { unit: "row", number: self.rows, reason })
            }
        })
    }

    /// Takes the next rows; `None` at the end of the file.
    fn take(&mut self) -> Option<Result<(), String>> {
        let Some(open) = &mut self.open else {
            if self.group >= self.file.file.num_row_groups() {
                return None;
            }
            self.group += 1;
            return Some(self.open_group());
        };
        match guarded(|| open.columns.next_batch()) {
            Ok(0) if open.promised == 0 => {
                self.open = None;
                Some(Ok(()))
            }
            Ok(0) => Some(Err(format!("it ends {} rows too early", open.promised))),
            Ok(rows) => {
                (open.next, open.taken) = (0, rows);
                open.promised = open.promised.saturating_sub(rows as u64);
                self.meter.add(whole(self.bytes_per_row * as_f64(rows as u64)));
                Some(Ok(()))
            }
            Err(reason) => Some(Err(reason)),
        }
    }

    fn open_group(&mut self) -> Result<(), String> {
        let Self { file: Opened { file, source, account, .. }, layout, group, .. } = self;
        let group = *group - 1;
        let columns =
            guarded(|| Columns::open(&*file.get_row_group(group)?, layout, source, account));
        let promised = u64::try_from(file.metadata().row_group(group).num_rows()).unwrap_or(0);
        // The rows of a row group that can't be opened count as missing, too.
        let columns = columns.inspect_err(|_| {
            self.losses.unreadable = self.losses.unreadable.saturating_add(promised.max(1));
        })?;
        self.open = Some(Open { columns, promised, next: 0, taken: 0 });
        Ok(())
    }

    /// Gives up the rest of the row group.
    fn broken(&mut self, reason: String) -> Item {
        if let Some(open) = self.open.take() {
            self.losses.unreadable = self.losses.unreadable.saturating_add(open.promised.max(1));
            self.rows = self.rows.saturating_add(open.promised);
        }
        Item::Broken(Broken { unit: "row group", number: self.group as u64, reason })
    }
}

impl Iterator for Reader {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.item() {
                return Some(Ok(item));
            }
            if let Err(reason) = self.take()? {
                return Some(Ok(self.broken(reason)));
            }
        }
    }
}

/// A number of bytes that is shown in three digits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// Returns the losses that the recording contains.
fn losses(file: &SerializedFileReader<Source>) -> Losses {
    let mut losses = Losses::default();
    let text = told(file, KEY_LOSSES).unwrap_or_default();
    for (stage, lost) in serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default() {
        names::add_loss(&mut losses, &stage, lost.as_u64().unwrap_or(0));
    }
    losses
}

/// Returns the recording's metadata under `key`; the first entry counts.
fn told<'a>(file: &'a SerializedFileReader<Source>, key: &str) -> Option<&'a str> {
    let pairs = file.metadata().file_metadata().key_value_metadata();
    pairs.into_iter().flatten().find(|pair| pair.key == key)?.value.as_deref()
}

fn unusable(name: &str, source: &Source, reason: Unusable) -> ReplayError {
    let file = name.to_owned();
    let reason = match reason {
        Unusable::TooLarge(what) => return ReplayError::Footer { file, what },
        Unusable::Damaged(reason) => reason,
    };
    let is_cut = source.ending().ok() != Some(MAGIC);
    let (what, advice) = if is_cut {
        (
            "a Parquet file without a footer",
            "it is truncated, or was copied while it was written: copy it again, with \
             FILE.journal if there is one",
        )
    } else {
        ("a Parquet file with a damaged footer", "copy it again")
    };
    log::info!("{name}: {reason}");
    ReplayError::Format { file, what, advice }
}

#[cfg(test)]
mod tests;
