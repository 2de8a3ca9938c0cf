//! Source of the items of a replay: a recording that is read here, or by a separate thread.

use anyhow::Result;

use super::reader::{Next, Reader, rules_of};
use crate::{
    analyse::pattern::KernelRules,
    model::{LeftOut, Provenance, losses::Losses},
    replay::{Chronology, Format, Recordings},
};

/// A source of items.
pub(crate) enum Input {
    /// A recording that is read when an item is requested. May block.
    Direct(Recordings),
    /// A recording that a thread reads ahead. Never blocks.
    Aside(Box<Reader>),
}

impl Input {
    /// Returns the next item, if it is there.
    pub(crate) fn next(&mut self) -> Result<Next> {
        match self {
            Self::Direct(recording) => Ok(match recording.next() {
                Some(item) => Next::Item(item?),
                None => Next::End,
            }),
            Self::Aside(reader) => reader.next(),
        }
    }

    /// Waits until many items are there, or the end; a few items do not wake the caller.
    pub(crate) async fn news(&self) {
        match self {
            Self::Direct(_) => {}
            Self::Aside(reader) => reader.news().await,
        }
    }

    /// Returns whether the input is several files.
    pub(crate) fn is_several(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_several(),
            Self::Aside(reader) => reader.is_several(),
        }
    }

    /// Name in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Direct(recording) => recording.name(),
            Self::Aside(reader) => reader.name().to_owned(),
        }
    }

    /// Returns the rules by which the traced kernel assigns ports.
    pub(crate) fn kernel_rules(&self) -> KernelRules {
        match self {
            Self::Direct(recording) => rules_of(recording),
            Self::Aside(reader) => reader.kernel_rules(),
        }
    }

    /// Where the recording comes from, as far as it tells and was read.
    pub(crate) fn provenance(&self) -> Provenance {
        match self {
            Self::Direct(recording) => recording.provenance(),
            Self::Aside(reader) => reader.provenance().clone(),
        }
    }

    /// Returns whether the recording is marked as not ended.
    pub(crate) fn is_cut(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_cut(),
            Self::Aside(reader) => reader.is_cut(),
        }
    }

    /// Times and order of its assignments, as far as it tells.
    pub(crate) fn chronology(&self) -> Chronology {
        match self {
            Self::Direct(recording) => recording.chronology(),
            Self::Aside(reader) => reader.chronology(),
        }
    }

    /// Format of the recording.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Direct(recording) => recording.format(),
            Self::Aside(reader) => reader.format(),
        }
    }

    /// Returns whether the recording may still be written to while it is read: a pipe, a terminal,
    /// a socket.
    pub(crate) fn is_stream(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_stream(),
            Self::Aside(reader) => reader.is_stream(),
        }
    }

    /// Returns the losses up to the last item.
    pub(crate) fn losses(&self) -> Losses {
        match self {
            Self::Direct(recording) => recording.losses(),
            Self::Aside(reader) => reader.losses(),
        }
    }

    /// Describes the contents other than assignments, once everything was read and there was none.
    pub(crate) fn instead(&self) -> Option<String> {
        match self {
            Self::Direct(recording) => recording.instead(),
            Self::Aside(reader) => reader.end().instead.clone(),
        }
    }

    /// Returns the files of several that can't be read, with the reasons, once everything was read.
    pub(crate) fn unread(&self) -> &[String] {
        match self {
            Self::Direct(recording) => recording.unread(),
            Self::Aside(reader) => &reader.end().unread,
        }
    }

    /// Returns notes on the reading, once it is complete.
    pub(crate) fn notes(&self) -> Vec<String> {
        match self {
            Self::Direct(recording) => recording.notes(),
            Self::Aside(reader) => reader.end().notes.clone(),
        }
    }

    /// Returns the packets of a capture that were left out so far.
    pub(crate) fn left_out(&self) -> LeftOut {
        match self {
            Self::Direct(recording) => recording.left_out(),
            Self::Aside(reader) => reader.left_out(),
        }
    }
}
