//! The one loop over a recording: read, sort, drop repeats, pass on.
//!
//! ```text
//! input ─→ order ─→ retries ─→ whoever takes: the stages, or an observer
//! ```

use std::{
    io::Write,
    mem,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{input::Input, reader::Next};
use crate::{
    analyse::summary::RunContext,
    inventory::facts,
    model::{Assignment, losses::Losses},
    output,
    replay::{
        self, Broken, Chronology, Item, Meter,
        retries::Retries,
        sorting::{Reach, Sorting},
    },
};

/// Maximum time that an assignment from a pipe waits for earlier ones: a person sees no delay.
const HOLD: Duration = Duration::from_millis(200);

/// Items between two looks at the clock for whoever waits: a look takes as long as a fortieth of an
/// item.
const TOLD_EVERY: u64 = 64;

/// Message for a failure of the file in which the recording is sorted.
const NOT_SORTED: &str =
    "can't sort the recording in a temporary file; set TMPDIR to a directory with room";

/// Progress of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The requested number of items.
    More,
    /// Up to the requested time.
    Due,
    /// Everything that is there yet.
    Later,
    /// The consumer wants no more.
    Enough,
    /// The end of the recording.
    End,
}

/// A recording on its way to the consumer of its assignments. Notices about unreadable items go to
/// `N`.
pub(crate) struct Replay<N> {
    input: Input,
    order: Sorting,
    retries: Retries,
    /// Time since which the oldest assignment waits in `order`; for a stream only.
    waiting_since: Option<Instant>,
    notices: N,
    /// True if at least one assignment was read.
    has_read: bool,
    broken: u64,
    first_broken: Option<Broken>,
    /// Notices held back until an assignment was read: without any, one sentence says enough.
    untold: Vec<Broken>,
    /// Items so far.
    items: u64,
    shown: Shown,
}

/// How far it is, for whoever waits.
#[derive(Default)]
struct Shown {
    meter: Meter,
    line: output::progress::Progress,
}

impl<N: Write> Replay<N> {
    /// Creates a replay at the start. `reach` is the extent of sorting.
    pub(crate) fn new(input: Input, reach: Reach, notices: N) -> Self {
        Self {
            input,
            order: Sorting::new(reach),
            retries: Retries::default(),
            waiting_since: None,
            notices,
            has_read: false,
            broken: 0,
            first_broken: None,
            untold: Vec::new(),
            items: 0,
            shown: Shown::default(),
        }
    }

    /// Shows on a terminal how far it is, of so many bytes, if that is known.
    #[must_use]
    pub(crate) fn showing(self, meter: Meter, size: Option<u64>) -> Self {
        Self { shown: Shown { meter, line: output::progress::Progress::new(size) }, ..self }
    }

    /// Returns the input.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// Number of items that could not be read.
    pub(crate) fn broken(&self) -> u64 {
        self.broken
    }

    /// Returns the recording's facts about itself up to the last item, for a summary.
    pub(crate) fn circumstances(&self) -> RunContext {
        let chronology = self.input.chronology();
        let known = self.input.provenance().namespaces;
        let own = known.iter().find(|(_, name)| name.is_none());
        let named = known.iter().filter_map(|(netns, name)| Some((*netns, name.as_deref()?)));
        RunContext {
            own_netns: own.map(|(netns, _)| *netns),
            namespaces: named.map(|(netns, name)| facts::of_name(netns, name)).collect(),
            losses: self.losses(),
            // All assignments, however many there are.
            disordered: if chronology == Chronology::Nothing {
                u64::MAX
            } else {
                self.order.disordered()
            },
            is_untimed: chronology < Chronology::Times,
            retried: self.retries.repeated(),
            is_cut: self.input.is_cut(),
            ..RunContext::default()
        }
    }

    /// Returns the losses up to the last item.
    pub(crate) fn losses(&self) -> Losses {
        self.input.losses()
    }

    /// Prints the notes on the reading. A closed standard error is no reason to fail.
    pub(crate) fn tell_notes(&mut self) {
        for note in self.input.notes() {
            // Notes on several files already contain the file names.
            let _ = if self.input.is_several() {
                writeln!(self.notices, "ephtrace: {note}")
            } else {
                writeln!(self.notices, "ephtrace: {}: {note}", self.input.name())
            };
        }
    }

    /// Returns the reason why the input is no recording, if all of it was read without an
    /// assignment: its contents can't be read, or are something else.
    pub(crate) fn useless(&self) -> Option<String> {
        if self.has_read {
            return None;
        }
        let (name, format) = (self.input.name(), self.input.format());
        match (&self.first_broken, self.input.instead()) {
            (Some(broken), _) => Some(replay::unreadable(&name, broken)),
            (None, instead) => Some(replay::without_assignments(&name, format, &instead?)),
        }
    }

    /// Returns the final error if files of several could not be read, once everything was read.
    pub(crate) fn unread(&self) -> Option<String> {
        let unread = self.input.unread();
        let first = unread.first()?;
        let more = match unread.len() {
            1 => String::new(),
            several => format!(" (and {} more)", several - 1),
        };
        Some(format!("some files could not be read; the result covers the others: {first}{more}"))
    }

    /// Passes on assignments up to the time `until_ns`, in order, `most` items at most. `take`
    /// returns whether it wants more.
    pub(crate) fn advance(
        &mut self,
        until_ns: u64,
        most: usize,
        mut take: impl FnMut(&mut Assignment) -> Result<bool>,
    ) -> Result<Progress> {
        for _ in 0..most {
            match self.order.next_ns() {
                Some(ts_ns) if ts_ns > until_ns => return Ok(Progress::Due),
                Some(_) => {
                    if !self.hand_on(&mut take)?.unwrap_or(true) {
                        return Ok(Progress::Enough);
                    }
                }
                None => {
                    if let Some(progress) = self.read()? {
                        return Ok(progress);
                    }
                }
            }
        }
        Ok(Progress::More)
    }

    /// Returns the time of the next assignment, in nanoseconds since the Unix epoch, if it is
    /// known.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.order.next_ns()
    }

    /// Passes on everything that was read, and everything that can be read without waiting.
    pub(crate) fn drain(
        &mut self,
        mut take: impl FnMut(&mut Assignment) -> Result<bool>,
    ) -> Result<()> {
        while let Next::Item(item) = self.input.next()? {
            self.sort_in(item)?;
        }
        self.order.release().context(NOT_SORTED)?;
        while let Some(wants_more) = self.hand_on(&mut take)? {
            if !wants_more {
                break;
            }
        }
        Ok(())
    }

    /// Passes on the next assignment, unless it is a repeat. Returns whether more are wanted;
    /// `None` if there is none.
    fn hand_on(
        &mut self,
        take: &mut impl FnMut(&mut Assignment) -> Result<bool>,
    ) -> Result<Option<bool>> {
        let Self { order, retries, .. } = self;
        let hand_on =
            |next: &mut Assignment| if retries.is_repeat(next) { Ok(true) } else { take(next) };
        order.next_with(hand_on).context(NOT_SORTED)?.transpose()
    }

    /// Reads one item. Returns the progress if there is none.
    fn read(&mut self) -> Result<Option<Progress>> {
        self.items += 1;
        if self.items.is_multiple_of(TOLD_EVERY) {
            self.shown.line.tick(self.shown.meter.bytes(), self.items);
        }
        match self.input.next()? {
            Next::Item(item) => self.sort_in(item)?,
            Next::Later if self.is_held() => self.order.release().context(NOT_SORTED)?,
            Next::Later => return Ok(Some(Progress::Later)),
            Next::End => {
                self.shown.line.finish();
                if self.order.is_empty() {
                    return Ok(Some(Progress::End));
                }
                self.order.release().context(NOT_SORTED)?;
            }
        }
        Ok(None)
    }

    fn sort_in(&mut self, item: Item) -> Result<()> {
        match item {
            Item::Assignment(assignment) => {
                if self.order.is_empty() && self.input.is_stream() {
                    self.waiting_since = Some(Instant::now());
                }
                if !self.has_read {
                    self.has_read = true;
                    self.tell_untold();
                }
                self.order.push(assignment).context(NOT_SORTED)?;
            }
            Item::Broken(broken) => self.tell(broken),
        }
        Ok(())
    }

    /// Returns whether an assignment from a stream waited long enough.
    fn is_held(&self) -> bool {
        !self.order.is_empty() && self.waiting_since.is_some_and(|since| since.elapsed() >= HOLD)
    }

    fn tell_untold(&mut self) {
        for (nth, broken) in (1..).zip(mem::take(&mut self.untold)) {
            replay::tell(&mut self.notices, &self.input.name(), nth, &broken);
        }
    }

    /// Reports an unreadable item; it is skipped.
    fn tell(&mut self, broken: Broken) {
        self.broken += 1;
        self.shown.line.clear();
        if self.has_read {
            replay::tell(&mut self.notices, &self.input.name(), self.broken, &broken);
        } else if self.broken <= replay::MAX_TOLD {
            self.untold.push(broken.clone());
        }
        self.first_broken.get_or_insert(broken);
    }
}
