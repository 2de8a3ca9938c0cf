//! Reader of one recording, of ephtrace or of another tool: NDJSON, Parquet, packet captures, logs.
//!
//! ```text
//! file or standard input ─ magic bytes ─┬─ ndjson ──┬→ Item: event::Assignment, or what was broken
//!                                       ├─ parquet ─┤  (a file only)
//!                                       └─ pcap ────┘
//! ```
//!
//! No root is needed. The reader holds a line, some thousand rows or a few packets at a time. An
//! unreadable piece is an [`Item::Broken`] with its position, and counted; reading continues.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufRead, BufReader, Read},
    mem,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
};

use super::{
    beginning::{READ_BYTES, is_preface, one_a_line, with_magic},
    budget::{Account, MaxMemory},
    compressed::{Compression, SharedEnd},
    error::ReplayError,
    item::{Broken, Chronology, Item},
    lines::Lines,
    logs,
    meter::{Meter, Metered, stdin_metadata},
    named, names, ndjson, parquet, pcap,
};
use crate::model::{LeftOut, Provenance, escape::shown, losses::Losses};

/// The formats of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Rows in columns (`ephtrace record`).
    Parquet,
    /// A capture of packets (`tcpdump -w`).
    Pcap,
    /// A capture of packets in the newer format (Wireshark).
    Pcapng,
    /// Text of another tool, or a table.
    Log,
    /// Several files, not all of one format.
    Several,
}

impl Format {
    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Log => "log",
            Self::Several => "several",
        }
    }
}

/// A recording: an iterator over its items.
pub struct Recording {
    name: String,
    format: Format,
    source: Source,
    is_stream: bool,
    /// Progress of decompression, if it is compressed.
    end: Option<SharedEnd>,
    /// True if everything that can be read was read.
    is_over: bool,
}

enum Source {
    Ndjson(Box<ndjson::Reader<Box<dyn BufRead>>>),
    Parquet(Box<parquet::Reader>),
    Pcap(Box<pcap::Reader<Box<dyn Read>>>),
    Log(Box<logs::Reader<Box<dyn BufRead>>>),
}

impl Recording {
    /// Opens the file at `path`, with the default memory limit; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        Self::open_within(path, MaxMemory::default())
    }

    /// Opens the file at `path`; `-` is standard input.
    pub fn open_within(path: &Path, max: MaxMemory) -> Result<Self, ReplayError> {
        Self::open_sharing(path, &Account::new(max), &Meter::default())
    }

    /// Opens the file at `path`, which shares the memory of `account` with others, and whose bytes
    /// are counted with theirs.
    pub(super) fn open_sharing(
        path: &Path,
        account: &Account,
        meter: &Meter,
    ) -> Result<Self, ReplayError> {
        let meter = meter.clone();
        if path.as_os_str() == "-" {
            let is_stream = !stdin_metadata().is_ok_and(|metadata| metadata.is_file());
            let input = Metered { input: io::stdin(), meter };
            let read = Self::from_reader("standard input", input)?;
            return Ok(Self { is_stream, ..read });
        }
        let name = shown(path).to_string();
        let file = File::open(path).and_then(refuse_directory);
        match file {
            Ok(file) if is_parquet(&file) => parquet::Reader::open(&name, path, file, account)
                .map(|reader| Self::parquet(name, reader.counted_by(meter))),
            Ok(file) => {
                let is_stream = !file.metadata().is_ok_and(|metadata| metadata.is_file());
                let input = Metered { input: file, meter };
                Ok(Self { is_stream, ..Self::from_reader(&name, input)? })
            }
            Err(cause) => Err(ReplayError::Open { file: name, advice: advice(&cause), cause }),
        }
    }

    /// Reads a Parquet file in memory, called `name` in messages.
    pub fn from_parquet(name: &str, bytes: Vec<u8>) -> Result<Self, ReplayError> {
        let reader = parquet::Reader::from_bytes(name, bytes, MaxMemory::default())?;
        Ok(Self::parquet(name.to_owned(), reader))
    }

    fn parquet(name: String, reader: parquet::Reader) -> Self {
        let source = Source::Parquet(Box::new(reader));
        Self { name, format: Format::Parquet, source, is_stream: false, end: None, is_over: false }
    }

    /// Reads `input`, called `name` in messages; its first bytes identify format and compression.
    pub fn from_reader(name: &str, input: impl Read + 'static) -> Result<Self, ReplayError> {
        let name = name.to_owned();
        let unreadable = |cause| ReplayError::Read { file: name.clone(), cause };
        let (mut magic, mut input) = with_magic(Box::new(input)).map_err(unreadable)?;
        let mut end = None;
        if let Some(compression) = Compression::of(&magic) {
            let (unpacked, its_end) = compression.unpack(input).map_err(unreadable)?;
            (magic, input) = with_magic(unpacked).map_err(unreadable)?;
            end = Some(its_end);
        }
        if let Some((what, advice)) = named::refused(&magic) {
            return Err(ReplayError::Format { file: name, what, advice });
        }
        let (format, source) = match packets(&magic) {
            Some(format) => {
                let reader = pcap::Reader::new(input, format == Format::Pcapng);
                (format, Source::Pcap(Box::new(reader.ok_or_else(|| damaged(&name))?)))
            }
            None => text(&name, input)?,
        };
        Ok(Self { name, format, source, is_stream: false, end, is_over: false })
    }

    /// Name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Format of the recording.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns whether it may still be written to while it is read: a pipe, a terminal, a socket.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Returns the packets of a capture that were left out so far.
    pub fn left_out(&self) -> LeftOut {
        match &self.source {
            Source::Ndjson(reader) => reader.left_out(),
            Source::Parquet(_) => LeftOut::default(),
            Source::Log(reader) => reader.left_out(),
            Source::Pcap(reader) => reader.left_out(),
        }
    }

    /// Describes its contents after it was read without an assignment; `None` if ephtrace made it.
    pub fn instead(&self) -> Option<String> {
        match &self.source {
            Source::Ndjson(reader) => reader.instead(),
            Source::Parquet(reader) => reader.instead(),
            Source::Log(reader) => Some(reader.instead()),
            Source::Pcap(reader) => {
                Some(format!("it has {}", reader.left_out().packets.in_words()))
            }
        }
    }

    /// Returns notes on reading: foreign values under ephtrace's keys, the tool that wrote a log.
    pub fn notes(&self) -> Vec<String> {
        match &self.source {
            Source::Ndjson(reader) => reader.notes(),
            Source::Log(reader) => vec![reader.note()],
            Source::Parquet(_) | Source::Pcap(_) => Vec::new(),
        }
    }

    /// Times and order of its assignments, as far as it tells.
    pub fn chronology(&self) -> Chronology {
        match &self.source {
            Source::Log(reader) => reader.chronology(),
            Source::Ndjson(_) | Source::Parquet(_) | Source::Pcap(_) => Chronology::Times,
        }
    }

    /// Returns true if it is known not to have ended: its last events and losses are missing.
    pub fn is_cut(&self) -> bool {
        match &self.source {
            Source::Parquet(reader) => reader.is_cut(),
            Source::Ndjson(reader) => self.is_damaged() || (self.is_over && reader.is_cut()),
            Source::Pcap(_) | Source::Log(_) => self.is_damaged(),
        }
    }

    /// Returns whether ephtrace wrote it, which left out the retries of what it read.
    fn has_no_retries(&self) -> bool {
        match &self.source {
            Source::Ndjson(reader) => reader.is_one_of_ours(),
            Source::Parquet(reader) => reader.is_ours(),
            Source::Log(reader) => reader.is_ours(),
            Source::Pcap(_) => false,
        }
    }

    /// Returns whether the compressed data is incomplete.
    fn is_damaged(&self) -> bool {
        self.is_over && self.damage().is_some()
    }

    /// Returns the position at which the compressed data ends, and why.
    fn damage(&self) -> Option<Item> {
        let end = self.end.as_ref()?.borrow();
        let reason = format!("the compressed data ends there: {}", end.reason.as_ref()?);
        Some(Item::Broken(Broken { unit: "byte", number: end.bytes, reason }))
    }

    /// Returns the release of the traced kernel, if known: from Parquet that ephtrace recorded.
    pub fn kernel_release(&self) -> Option<&str> {
        match &self.source {
            Source::Parquet(reader) => reader.kernel_release(),
            Source::Ndjson(_) | Source::Pcap(_) | Source::Log(_) => None,
        }
    }

    /// Returns its host, kernel, hook and time, as far as it tells and was read.
    pub fn provenance(&self) -> Provenance {
        match &self.source {
            Source::Parquet(reader) => reader.provenance(),
            Source::Ndjson(reader) => Provenance::new(None, None, reader.tells_losses()),
            Source::Pcap(_) | Source::Log(_) => Provenance::new(None, None, false),
        }
    }

    /// Returns the losses so far: those that the recording contains, and unreadable pieces.
    pub fn losses(&self) -> Losses {
        let mut losses = match &self.source {
            Source::Ndjson(reader) => reader.losses(),
            Source::Parquet(reader) => reader.losses(),
            Source::Pcap(reader) => reader.losses(),
            Source::Log(reader) => reader.losses(),
        };
        names::add_loss(&mut losses, "unreadable", u64::from(self.is_damaged()));
        losses
    }
}

impl Iterator for Recording {
    type Item = Result<Item, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut item = match &mut self.source {
            Source::Ndjson(reader) => reader.next(),
            Source::Parquet(reader) => reader.next(),
            Source::Pcap(reader) => reader.next(),
            Source::Log(reader) => reader.next(),
        };
        if let Some(Ok(Item::Assignment(row))) = &mut item {
            row.is_another |= self.has_no_retries();
        }
        let Some(item) = item else {
            // The damage is reported once.
            let was_over = mem::replace(&mut self.is_over, true);
            return self.damage().filter(|_| !was_over).map(Ok);
        };
        Some(item.map_err(|cause| ReplayError::Read { file: self.name.clone(), cause }))
    }
}

/// Returns whether the recording at `path` is the file described by `other`; `-` is standard input.
pub(crate) fn is_from(path: &Path, other: &Metadata) -> bool {
    let metadata = if path.as_os_str() == "-" { stdin_metadata() } else { fs::metadata(path) };
    metadata.is_ok_and(|one| (one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Refuses a directory. On Linux it opens like a file and fails only when it is read.
fn refuse_directory(file: File) -> io::Result<File> {
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// Returns whether the file is Parquet. A read error here is reported by the next read.
fn is_parquet(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == parquet::MAGIC
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => "make a recording with `sudo ephtrace record FILE`",
        io::ErrorKind::PermissionDenied => "read it as its owner, or pass it on standard input",
        io::ErrorKind::IsADirectory => "name a file in that directory",
        _ => "pass it on standard input with `-`",
    }
}

fn damaged(name: &str) -> ReplayError {
    let (what, advice) = ("a capture with a damaged header", "capture again");
    ReplayError::Format { file: name.to_owned(), what, advice }
}

/// Detects a capture by its first bytes, in either byte order, with micro- or nanoseconds.
fn packets(magic: &[u8]) -> Option<Format> {
    match magic {
        [0x0a, 0x0d, 0x0d, 0x0a] => Some(Format::Pcapng),
        [0xa1, 0xb2, 0xc3, 0xd4]
        | [0xd4, 0xc3, 0xb2, 0xa1]
        | [0xa1, 0xb2, 0x3c, 0x4d]
        | [0x4d, 0x3c, 0xb2, 0xa1] => Some(Format::Pcap),
        _ => None,
    }
}

/// Detects a text format by its first line: the log of a tool, or one JSON object a line.
fn text(name: &str, input: Box<dyn Read>) -> Result<(Format, Source), ReplayError> {
    let input: Box<dyn BufRead> = Box::new(BufReader::with_capacity(READ_BYTES, input));
    let unreadable = |cause| ReplayError::Read { file: name.to_owned(), cause };
    let mut lines = Lines::new(one_a_line(input).map_err(unreadable)?);
    while is_preface(lines.first().map_err(unreadable)?) {
        lines.pass();
    }
    let first = lines.first().map_err(unreadable)?;
    let refused = |(what, advice)| ReplayError::Format { file: name.to_owned(), what, advice };
    if let Some(why) = named::refused_text(first) {
        return Err(refused(why));
    }
    let log = str::from_utf8(first).map_or(Ok(None), logs::Log::of).map_err(refused)?;
    Ok(match log {
        Some(log) => (Format::Log, Source::Log(Box::new(logs::Reader::new(lines, log)))),
        None => (Format::Ndjson, Source::Ndjson(Box::new(ndjson::Reader::new(lines)))),
    })
}
