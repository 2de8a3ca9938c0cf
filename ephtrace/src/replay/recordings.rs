//! One recording, or several as one, merged by time: rotated captures, logs of several tools.
//!
//! Of the open files, the one with the earliest row comes next. At most
//! [`MAX_OPEN`](super::several::MAX_OPEN) are open at once, whatever their number, so that memory
//! stays bounded: each file is opened for its first row, and opened again when the others have
//! reached it. A pipe stays open. If more files overlap in time, the rest waits; their late rows
//! are out of order, and counted as for one file.

use std::path::PathBuf;

use super::{
    budget::{Account, MaxMemory},
    error::ReplayError,
    item::{Chronology, Item},
    meter::Meter,
    recording::{Format, Recording},
    several::{LISTED, Part, Several},
};
use crate::model::{LeftOut, Provenance, losses::Losses};

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

impl Recordings {
    /// Opens the files at `paths`, within that memory in total; `-` is standard input. Of several,
    /// those that can't be opened are left out and returned by [`Recordings::unread`].
    pub fn open_within(paths: &[PathBuf], max: MaxMemory) -> Result<Self, ReplayError> {
        Self::open_metered(paths, max, &Meter::default())
    }

    /// The same; `meter` counts the bytes that are read of them.
    pub(crate) fn open_metered(
        paths: &[PathBuf],
        max: MaxMemory,
        meter: &Meter,
    ) -> Result<Self, ReplayError> {
        match paths {
            [path] => Recording::open_sharing(path, &Account::new(max), meter).map(Self::from),
            several => Several::open(several, max, meter).map(Self::Several),
        }
    }

    /// Returns whether there are several.
    pub fn is_several(&self) -> bool {
        matches!(self, Self::Several(_))
    }

    /// Name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::One(one) => one.name().to_owned(),
            Self::Several(several) => several.name(),
        }
    }

    /// Format of all, if they share one.
    pub fn format(&self) -> Format {
        match self {
            Self::One(one) => one.format(),
            Self::Several(several) => several.format(),
        }
    }

    /// Returns whether one of them may still be written to while it is read.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::One(one) => one.is_stream(),
            Self::Several(several) => several.is_stream,
        }
    }

    /// Returns the packets of captures that were left out so far.
    pub fn left_out(&self) -> LeftOut {
        match self {
            Self::One(one) => one.left_out(),
            Self::Several(several) => {
                let all = several.abouts().map(|about| about.left_out);
                all.fold(LeftOut::default(), |sum, one| sum.and(&one))
            }
        }
    }

    /// See [`Recording::instead`]; for several, the contents of the first few.
    pub fn instead(&self) -> Option<String> {
        let several = match self {
            Self::One(one) => return one.instead(),
            Self::Several(several) => several,
        };
        let all: Vec<String> = several
            .abouts()
            .filter_map(|about| Some(format!("of {}, {}", about.name, about.instead.as_ref()?)))
            .collect();
        let more = all.len().saturating_sub(LISTED);
        let listed: Vec<String> = all.into_iter().take(LISTED).collect();
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        (!listed.is_empty()).then(|| format!("{}{more}", listed.join("; ")))
    }

    /// Returns notes on the reading; for several, with the name of each.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::One(one) => one.notes(),
            Self::Several(several) => {
                let named = several.abouts().flat_map(|about| {
                    about.notes.into_iter().map(move |note| format!("{}: {note}", about.name))
                });
                several.unread.iter().cloned().chain(several.note()).chain(named).collect()
            }
        }
    }

    /// Returns whether one of them is marked as not ended.
    pub fn is_cut(&self) -> bool {
        match self {
            Self::One(one) => one.is_cut(),
            Self::Several(several) => several.abouts().any(|about| about.is_cut),
        }
    }

    /// Times and order of the assignments, as far as all of them tell.
    pub fn chronology(&self) -> Chronology {
        match self {
            Self::One(one) => one.chronology(),
            Self::Several(several) => {
                let all = several.abouts().map(|about| about.chronology);
                all.min().unwrap_or(Chronology::Times)
            }
        }
    }

    /// Returns the release of the traced kernel, if all of them agree on it.
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

    /// Where they come from, as far as they tell and were read.
    pub fn provenance(&self) -> Provenance {
        let several = match self {
            Self::One(one) => return one.provenance(),
            Self::Several(several) => several,
        };
        let all = several.abouts().map(|about| about.provenance);
        all.reduce(Provenance::and).unwrap_or_default()
    }

    /// Returns the losses so far.
    pub fn losses(&self) -> Losses {
        match self {
            Self::One(one) => one.losses(),
            Self::Several(several) => {
                let all = several.abouts().map(|about| about.losses);
                all.fold(Losses::default(), |sum, one| sum.and(&one))
            }
        }
    }

    /// Returns the files of several that can't be read, or not to their end, with the reasons.
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
