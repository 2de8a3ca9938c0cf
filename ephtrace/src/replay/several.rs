//! Several recordings, merged by time: of the open files, the one with the earliest row comes next.

use std::{
    collections::VecDeque,
    mem,
    path::{Path, PathBuf},
};

use super::{
    budget::{Account, MaxMemory},
    error::ReplayError,
    item::{Broken, Chronology, Item},
    meter::Meter,
    recording::{Format, Recording},
};
use crate::model::{Assignment, LeftOut, Provenance, losses::Losses};

/// Maximum number of files open at once. Each may hold a block of a capture, 16 MiB, and 32 MiB of
/// decompression state: together less than the default of `--max-memory` for recordings.
pub const MAX_OPEN: usize = 4;

/// Maximum number of names in the combined name, and of listed reasons.
pub(super) const LISTED: usize = 3;

/// Maximum number of broken pieces in a row that wait to be reported: more than are ever shown.
const MAX_BROKEN: usize = 64;

/// Several recordings, merged.
pub struct Several {
    pub(super) parts: Vec<Part>,
    account: Account,
    meter: Meter,
    /// Broken pieces, to be reported before anything else.
    broken: VecDeque<Item>,
    /// Files that can't be read, with the reasons.
    pub(super) unread: Vec<String>,
    pub(super) is_stream: bool,
    /// True if two recordings with network namespaces overlap in time.
    overlaps: bool,
}

/// One of several.
pub(super) struct Part {
    path: PathBuf,
    state: State,
    pub(super) about: About,
    /// True if a row that was passed on had a network namespace.
    has_namespaces: bool,
}

enum State {
    /// Examined and closed: time of its first row.
    Closed(u64),
    /// Open, with its next row.
    Open(Box<Recording>, Box<Assignment>),
    Over,
}

/// Facts about a file, as far as it was read.
#[derive(Clone)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) format: Format,
    pub(super) left_out: LeftOut,
    pub(super) losses: Losses,
    pub(super) instead: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) is_cut: bool,
    pub(super) chronology: Chronology,
    pub(super) kernel_release: Option<String>,
    pub(super) provenance: Provenance,
}

impl About {
    fn of(recording: &Recording) -> Self {
        Self {
            name: recording.name().to_owned(),
            format: recording.format(),
            left_out: recording.left_out(),
            losses: recording.losses(),
            instead: None,
            notes: Vec::new(),
            is_cut: recording.is_cut(),
            chronology: recording.chronology(),
            kernel_release: recording.kernel_release().map(str::to_owned),
            provenance: recording.provenance(),
        }
    }

    /// Returns the facts once everything was read.
    fn at_end(recording: &Recording, has_rows: bool) -> Self {
        let instead = recording.instead().filter(|_| !has_rows);
        Self { instead, notes: recording.notes(), ..Self::of(recording) }
    }
}

impl Part {
    fn new(path: &Path, state: State, about: About) -> Self {
        Self { path: path.to_owned(), state, about, has_namespaces: false }
    }

    /// Returns whether it has begun, has not ended, and has network namespaces.
    fn is_in_namespaces(&self) -> bool {
        self.has_namespaces && matches!(self.state, State::Open(..))
    }
}

impl Several {
    /// Opens the files at `paths`, within that memory in total.
    pub(super) fn open(
        paths: &[PathBuf],
        max: MaxMemory,
        meter: &Meter,
    ) -> Result<Self, ReplayError> {
        let (parts, account, meter) = (Vec::new(), Account::new(max), meter.clone());
        let (broken, unread) = (VecDeque::new(), Vec::new());
        let mut several =
            Self { parts, account, meter, broken, unread, is_stream: false, overlaps: false };
        let mut first_error = None;
        for path in paths {
            match Recording::open_sharing(path, &several.account, &several.meter) {
                Ok(recording) => several.look_into(path, recording),
                Err(error) => {
                    several.unread.push(error.to_string());
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if several.parts.is_empty() => Err(error),
            _ => Ok(several),
        }
    }

    /// Reads up to the first row. A file is closed again if others have to be open.
    fn look_into(&mut self, path: &Path, mut recording: Recording) {
        self.is_stream |= recording.is_stream();
        let is_kept =
            recording.is_stream() || path.as_os_str() == "-" || self.count_open() < MAX_OPEN;
        let mut seen = Vec::new();
        let first = self.row(&mut recording, &mut seen);
        let about = match &first {
            Some(_) => About::of(&recording),
            None => About::at_end(&recording, false),
        };
        let state = match first {
            None => State::Over,
            Some(row) if is_kept => State::Open(Box::new(recording), Box::new(row)),
            Some(row) => State::Closed(row.ts_ns),
        };
        // A closed file is read again, and its broken pieces come again.
        if matches!(state, State::Closed(_)) {
            let (left_out, losses) = (LeftOut::default(), Losses::default());
            let about = About { left_out, losses, ..about };
            self.parts.push(Part::new(path, state, about));
        } else {
            self.broken.extend(seen);
            self.parts.push(Part::new(path, state, about));
        }
    }

    /// Returns the next row of a file; pieces before it that can't be read go to `broken`.
    fn row(&mut self, recording: &mut Recording, broken: &mut Vec<Item>) -> Option<Assignment> {
        loop {
            match recording.next()? {
                Ok(Item::Assignment(row)) => return Some(row),
                Ok(Item::Broken(one)) => {
                    let reason = format!("{} (in {})", one.reason, recording.name());
                    // The others are counted as losses.
                    if broken.len() < MAX_BROKEN {
                        broken.push(Item::Broken(Broken { reason, ..one }));
                    }
                }
                Err(error) => {
                    self.unread.push(error.to_string());
                    return None;
                }
            }
        }
    }

    /// Returns the next row of all, or a broken piece before it.
    pub(super) fn next(&mut self) -> Option<Item> {
        if let Some(broken) = self.broken.pop_front() {
            return Some(broken);
        }
        self.open_due();
        let at = self.earliest()?;
        let part = self.parts.get_mut(at)?;
        let State::Open(mut recording, row) = mem::replace(&mut part.state, State::Over) else {
            return None;
        };
        let mut broken = Vec::new();
        let next = self.row(&mut recording, &mut broken);
        self.broken.extend(broken);
        let has_namespace = row.flow.netns.is_some();
        self.overlaps |= has_namespace && self.parts.iter().any(Part::is_in_namespaces);
        let part = self.parts.get_mut(at)?;
        part.has_namespaces |= has_namespace;
        match next {
            Some(next) => part.state = State::Open(recording, Box::new(next)),
            None => part.about = About::at_end(&recording, true),
        }
        Some(Item::Assignment(Assignment {
            recording: u32::try_from(at).unwrap_or(u32::MAX),
            ..*row
        }))
    }

    /// Opens files that the others have reached, as far as there is room.
    fn open_due(&mut self) {
        loop {
            let due = self.parts.iter().enumerate().filter_map(|(at, part)| match part.state {
                State::Closed(first_ns) => Some((first_ns, at)),
                State::Open(..) | State::Over => None,
            });
            let Some((first_ns, at)) = due.min() else { return };
            let is_due = self.earliest_ns().is_none_or(|next_ns| first_ns <= next_ns);
            let is_room = self.count_open() < MAX_OPEN || self.earliest_ns().is_none();
            if !(is_due && is_room) {
                return;
            }
            self.open_again(at);
        }
    }

    fn open_again(&mut self, at: usize) {
        let Some(part) = self.parts.get_mut(at) else { return };
        part.state = State::Over;
        let path = part.path.clone();
        let mut recording = match Recording::open_sharing(&path, &self.account, &self.meter) {
            Ok(recording) => recording,
            Err(error) => return self.unread.push(error.to_string()),
        };
        let mut broken = Vec::new();
        let row = self.row(&mut recording, &mut broken);
        self.broken.extend(broken);
        let Some(part) = self.parts.get_mut(at) else { return };
        match row {
            Some(row) => part.state = State::Open(Box::new(recording), Box::new(row)),
            None => part.about = About::at_end(&recording, true),
        }
    }

    fn count_open(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part.state, State::Open(..))).count()
    }

    /// Returns the part with the earliest row; of several with the same time, the first that was
    /// named.
    fn earliest(&self) -> Option<usize> {
        let open = self.parts.iter().enumerate().filter_map(|(at, part)| match &part.state {
            State::Open(_, row) => Some((row.ts_ns, at)),
            State::Closed(_) | State::Over => None,
        });
        open.min().map(|(_, at)| at)
    }

    fn earliest_ns(&self) -> Option<u64> {
        let part = self.parts.get(self.earliest()?)?;
        match &part.state {
            State::Open(_, row) => Some(row.ts_ns),
            State::Closed(_) | State::Over => None,
        }
    }

    /// Returns a note on a doubt that no reader can settle: the initial namespace has the same
    /// number on every machine.
    pub(super) fn note(&self) -> Option<String> {
        let note = "recordings of the same time have network namespaces, which are assumed to \
                    belong to one machine: read recordings of several machines separately";
        self.overlaps.then(|| note.to_owned())
    }

    /// Returns the facts about each, as far as it was read.
    pub(super) fn abouts(&self) -> impl Iterator<Item = About> {
        self.parts.iter().map(|part| match &part.state {
            State::Open(recording, _) => About::of(recording),
            State::Closed(_) | State::Over => part.about.clone(),
        })
    }

    /// Returns the names of the first few, and the number of others.
    pub(super) fn name(&self) -> String {
        let names = self.parts.iter().map(|part| part.about.name.clone());
        let listed: Vec<String> = names.take(LISTED).collect();
        let more = self.parts.len() - listed.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", listed.join(", "))
    }

    /// Format of all, if they share one.
    pub(super) fn format(&self) -> Format {
        let mut formats = self.parts.iter().map(|part| part.about.format);
        let first = formats.next().unwrap_or(Format::Several);
        if formats.all(|format| format == first) { first } else { Format::Several }
    }
}
