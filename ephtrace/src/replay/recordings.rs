//! One recording, or several as one, merged by time: captures that were rotated, logs of several
//! tools.
//!
//! Of the files that are open, the one with the earliest row comes next. At most [`MAX_OPEN`] are
//! open at once, whatever their number, so that memory stays bounded: each file is looked into for
//! its first row, and opened again when the others have come that far. A pipe stays open. Where more
//! of them overlap in time, the rest waits; what comes late of it is out of order, and is counted as
//! that of one file is.

use std::{collections::VecDeque, mem, path::PathBuf};

use super::{
    budget::{Account, MaxMemory},
    error::ReplayError,
    item::{Broken, Item},
    recording::{Format, Recording},
};
use crate::model::{Assignment, LeftOut, losses::Losses};

/// Files that are open at once. Each may hold a block of a capture, 16 MiB, and 32 MiB of what is
/// compressed: together less than `--max-memory` has by default for recordings.
pub const MAX_OPEN: usize = 4;

/// Names that stand in the name of all, and reasons that are listed.
const LISTED: usize = 3;

/// One recording, or several.
pub enum Recordings {
    /// One, read as it is.
    One(Box<Recording>),
    /// Several, merged.
    Several(Several),
}

impl From<Recording> for Recordings {
    fn from(one: Recording) -> Self {
        Self::One(Box::new(one))
    }
}

/// Several recordings, merged.
pub struct Several {
    parts: Vec<Part>,
    account: Account,
    /// Pieces that can't be read, to be told before anything else.
    broken: VecDeque<Item>,
    unread: Vec<String>,
    is_stream: bool,
}

/// One of several.
struct Part {
    path: PathBuf,
    state: State,
    about: About,
}

enum State {
    /// Looked into and closed: time of its first row.
    Closed(u64),
    /// Open, and its next row.
    Open(Box<Recording>, Box<Assignment>),
    Over,
}

/// The facts of a file, as far as it was read.
#[derive(Clone)]
struct About {
    name: String,
    format: Format,
    left_out: LeftOut,
    losses: Losses,
    instead: Option<String>,
    notes: Vec<String>,
    is_cut: bool,
    kernel_release: Option<String>,
}

impl Recordings {
    /// Opens the files at `paths`, within that memory in all; `-` is standard input. Of several,
    /// those that can't be opened are left out and told by [`Recordings::unread`].
    pub fn open_within(paths: &[PathBuf], max: MaxMemory) -> Result<Self, ReplayError> {
        match paths {
            [path] => Recording::open_within(path, max).map(Self::from),
            several => Several::open(several, max).map(Self::Several),
        }
    }

    /// Whether it is several.
    pub fn is_several(&self) -> bool {
        matches!(self, Self::Several(_))
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::One(one) => one.name().to_owned(),
            Self::Several(several) => several.name(),
        }
    }

    /// The format of all, if it is one.
    pub fn format(&self) -> Format {
        match self {
            Self::One(one) => one.format(),
            Self::Several(several) => several.format(),
        }
    }

    /// Whether one of them may still be written to while it is read.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::One(one) => one.is_stream(),
            Self::Several(several) => several.is_stream,
        }
    }

    /// The packets of captures that were left out so far.
    pub fn left_out(&self) -> LeftOut {
        match self {
            Self::One(one) => one.left_out(),
            Self::Several(several) => {
                let all = several.abouts().map(|about| about.left_out);
                all.fold(LeftOut::default(), |sum, one| sum.and(&one))
            }
        }
    }

    /// See [`Recording::instead`]: of several, what each holds, the first of them.
    pub fn instead(&self) -> Option<String> {
        let Self::Several(several) = self else {
            return match self {
                Self::One(one) => one.instead(),
                Self::Several(_) => None,
            };
        };
        let all: Vec<String> = several
            .abouts()
            .filter_map(|about| Some(format!("of {}, {}", about.name, about.instead.as_ref()?)))
            .collect();
        let more = all.len().saturating_sub(LISTED);
        let listed: Vec<String> = all.into_iter().take(LISTED).collect();
        let more = if more > 0 { format!(" (and so on, {more} more)") } else { String::new() };
        (!listed.is_empty()).then(|| format!("{}{more}", listed.join("; ")))
    }

    /// Notes on how it was read, of several with the name of each.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::One(one) => one.notes(),
            Self::Several(several) => {
                let of = |about: &About| -> Vec<String> {
                    about.notes.iter().map(|note| format!("{}: {note}", about.name)).collect()
                };
                several
                    .unread
                    .iter()
                    .cloned()
                    .chain(several.abouts().flat_map(|a| of(&a)))
                    .collect()
            }
        }
    }

    /// Whether one of them says that it has not ended.
    pub fn is_cut(&self) -> bool {
        match self {
            Self::One(one) => one.is_cut(),
            Self::Several(several) => several.abouts().any(|about| about.is_cut),
        }
    }

    /// The release of the kernel that was traced, where all of them tell the same.
    pub fn kernel_release(&self) -> Option<&str> {
        match self {
            Self::One(one) => one.kernel_release(),
            Self::Several(several) => {
                let first = several.parts.first()?.about.kernel_release.as_deref()?;
                let is_same = |part: &Part| part.about.kernel_release.as_deref() == Some(first);
                several.parts.iter().all(is_same).then_some(first)
            }
        }
    }

    /// What is missing so far.
    pub fn losses(&self) -> Losses {
        match self {
            Self::One(one) => one.losses(),
            Self::Several(several) => {
                let all = several.abouts().map(|about| about.losses);
                all.fold(Losses::default(), |sum, one| sum.and(&one))
            }
        }
    }

    /// Files of several that can't be read, or not to their end, and why.
    pub fn unread(&self) -> &[String] {
        match self {
            Self::One(_) => &[],
            Self::Several(several) => &several.unread,
        }
    }
}

impl Iterator for Recordings {
    type Item = Result<Item, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(one) => one.next(),
            Self::Several(several) => several.next().map(Ok),
        }
    }
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
            kernel_release: recording.kernel_release().map(str::to_owned),
        }
    }

    /// The same once all was read.
    fn at_end(recording: &Recording, has_rows: bool) -> Self {
        let instead = recording.instead().filter(|_| !has_rows);
        Self { instead, notes: recording.notes(), ..Self::of(recording) }
    }
}

impl Several {
    fn open(paths: &[PathBuf], max: MaxMemory) -> Result<Self, ReplayError> {
        let (parts, account) = (Vec::new(), Account::new(max));
        let (broken, unread) = (VecDeque::new(), Vec::new());
        let mut several = Self { parts, account, broken, unread, is_stream: false };
        let mut first_error = None;
        for path in paths {
            match Recording::open_sharing(path, &several.account) {
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

    /// Reads up to the first row. A file is closed again where others have to be open.
    fn look_into(&mut self, path: &PathBuf, mut recording: Recording) {
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
        // What is closed is read again, and its broken pieces come again.
        if matches!(state, State::Closed(_)) {
            let empty = (LeftOut::default(), Losses::default());
            let about = About { left_out: empty.0, losses: empty.1, ..about };
            self.parts.push(Part { path: path.clone(), state, about });
        } else {
            self.broken.extend(seen);
            self.parts.push(Part { path: path.clone(), state, about });
        }
    }

    /// The next row of a file, and the pieces before it that can't be read.
    fn row(&mut self, recording: &mut Recording, broken: &mut Vec<Item>) -> Option<Assignment> {
        loop {
            match recording.next()? {
                Ok(Item::Assignment(row)) => return Some(row),
                Ok(Item::Broken(one)) => {
                    let reason = format!("{} (in {})", one.reason, recording.name());
                    // As many as anybody is told of; the others are counted as losses.
                    if broken.len() < 64 {
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

    fn next(&mut self) -> Option<Item> {
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
        let part = self.parts.get_mut(at)?;
        match next {
            Some(next) => part.state = State::Open(recording, Box::new(next)),
            None => part.about = About::at_end(&recording, true),
        }
        Some(Item::Assignment(*row))
    }

    /// Opens files that the others have come up to, as far as there is room.
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
        let mut recording = match Recording::open_sharing(&path, &self.account) {
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

    /// The part with the earliest row; of several with one time, the first that was named.
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

    /// The facts of each, as far as it was read.
    fn abouts(&self) -> impl Iterator<Item = About> {
        self.parts.iter().map(|part| match &part.state {
            State::Open(recording, _) => About::of(recording),
            State::Closed(_) | State::Over => part.about.clone(),
        })
    }

    fn name(&self) -> String {
        let names = self.parts.iter().map(|part| part.about.name.clone());
        let listed: Vec<String> = names.take(LISTED).collect();
        let more = self.parts.len() - listed.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", listed.join(", "))
    }

    fn format(&self) -> Format {
        let mut formats = self.parts.iter().map(|part| part.about.format);
        let first = formats.next().unwrap_or(Format::Several);
        if formats.all(|format| format == first) { first } else { Format::Several }
    }
}
