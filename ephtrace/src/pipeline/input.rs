//! Where the items of a replay come from: a recording that is read here, or by a thread of its own.

use anyhow::Result;

use super::reader::{Next, Reader, rules_of};
use crate::{
    analyse::pattern::KernelRules,
    model::{LeftOut, Provenance, losses::Losses},
    replay::{Format, Recordings},
};

/// A source of items.
pub(crate) enum Input {
    /// A recording that is read when an item is asked for. It may block.
    Direct(Recordings),
    /// A recording that a thread reads ahead. It never blocks.
    Aside(Box<Reader>),
}

impl Input {
    /// The next item, if it is there.
    pub(crate) fn next(&mut self) -> Result<Next> {
        match self {
            Self::Direct(recording) => Ok(match recording.next() {
                Some(item) => Next::Item(item?),
                None => Next::End,
            }),
            Self::Aside(reader) => reader.next(),
        }
    }

    /// Waits until many items are there, or the end: a few come without news.
    pub(crate) async fn news(&self) {
        match self {
            Self::Direct(_) => {}
            Self::Aside(reader) => reader.news().await,
        }
    }

    /// Whether it is several files.
    pub(crate) fn is_several(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_several(),
            Self::Aside(reader) => reader.is_several(),
        }
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Direct(recording) => recording.name(),
            Self::Aside(reader) => reader.name().to_owned(),
        }
    }

    /// By which rules the kernel that was traced gives ports.
    pub(crate) fn kernel_rules(&self) -> KernelRules {
        match self {
            Self::Direct(recording) => rules_of(recording),
            Self::Aside(reader) => reader.kernel_rules(),
        }
    }

    /// Where the recording comes from, as far as it tells and was read here.
    pub(crate) fn provenance(&self) -> Provenance {
        match self {
            Self::Direct(recording) => recording.provenance(),
            Self::Aside(_) => Provenance::default(),
        }
    }

    /// Whether the recording says that it has not ended.
    pub(crate) fn is_cut(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_cut(),
            Self::Aside(reader) => reader.is_cut(),
        }
    }

    /// True if the recording does not tell in which order ports were assigned.
    pub(crate) fn is_unordered(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_unordered(),
            Self::Aside(reader) => reader.is_unordered(),
        }
    }

    /// True if the recording does not tell when ports were assigned.
    pub(crate) fn is_untimed(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_untimed(),
            Self::Aside(reader) => reader.is_untimed(),
        }
    }

    /// Its format.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Direct(recording) => recording.format(),
            Self::Aside(reader) => reader.format(),
        }
    }

    /// Whether it may still be written to while it is read: a pipe, a terminal, a socket.
    pub(crate) fn is_stream(&self) -> bool {
        match self {
            Self::Direct(recording) => recording.is_stream(),
            Self::Aside(reader) => reader.is_stream(),
        }
    }

    /// What is missing up to the last item.
    pub(crate) fn losses(&self) -> Losses {
        match self {
            Self::Direct(recording) => recording.losses(),
            Self::Aside(reader) => reader.losses(),
        }
    }

    /// The contents in place of assignments, once all was read and there was none.
    pub(crate) fn instead(&self) -> Option<String> {
        match self {
            Self::Direct(recording) => recording.instead(),
            Self::Aside(reader) => reader.end().instead.clone(),
        }
    }

    /// Files of several that can't be read, once all was, and why.
    pub(crate) fn unread(&self) -> &[String] {
        match self {
            Self::Direct(recording) => recording.unread(),
            Self::Aside(reader) => &reader.end().unread,
        }
    }

    /// Notes on how it was read, once it was.
    pub(crate) fn notes(&self) -> Vec<String> {
        match self {
            Self::Direct(recording) => recording.notes(),
            Self::Aside(reader) => reader.end().notes.clone(),
        }
    }

    /// The packets of a capture that were left out so far.
    pub(crate) fn left_out(&self) -> LeftOut {
        match self {
            Self::Direct(recording) => recording.left_out(),
            Self::Aside(reader) => reader.left_out(),
        }
    }
}
