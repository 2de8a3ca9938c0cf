//! State of the view, and the effects of keys on it. Pure: no clock, no terminal.

use std::{cmp::Reverse, ops::Range};

use super::{
    failures::Failure,
    filter::{Filter, user},
    keys::Key,
    rows::{InUse, Row},
    sort::{ByDestination, ByProcess, Compared, Sort},
    view_model::{TallySnapshot, ViewModel},
};
use crate::{
    analyse::{findings::Finding, heavy_hitters::Entry, lanes::LaneKey, summary::ProcessSummary},
    model::{Assignment, Comm, FlowKey, losses::Losses},
    output::summary::words,
};

/// Maximum number of destinations for one request to the tally: each verdict takes about a tenth of
/// a millisecond, and no screen shows more.
const MAX_WANTED: usize = 48;

/// Information about the source of the view.
#[derive(Clone, Debug)]
pub struct About {
    /// Source of the assignments: a hook, or a recording.
    pub source: String,
    /// Name of the host, if it is known.
    pub host: Option<String>,
    /// Start of the run, in nanoseconds since the Unix epoch; `None` for the time of its first
    /// assignment.
    pub started_ns: Option<u64>,
    /// Time at the beginning, in nanoseconds since the Unix epoch; 0 for that of the first
    /// assignment.
    pub now_ns: u64,
    /// Time zone of the clock.
    pub zone: jiff::tz::TimeZone,
    /// True if colours are used.
    pub colour: bool,
    /// Whether the locale has UTF-8; else all is drawn with ASCII.
    pub utf8: bool,
}

/// Input of the view.
#[expect(clippy::large_enum_variant, reason = "none is kept")]
pub enum Input<'a> {
    /// An assignment, with its `step`.
    Event(&'a Assignment),
    /// Losses so far.
    Losses(Losses),
    /// Snapshot of the tally.
    TallySnapshot(TallySnapshot),
    /// Ports in use now, for each known destination; the others are unknown.
    InUse(Vec<(FlowKey, InUse)>),
    /// A finding, new or repeated.
    Finding(Finding),
    /// A notice of the tracer about itself, in a sentence.
    Notice(String),
    /// The time, in nanoseconds since the Unix epoch; comes several times a second.
    Tick(u64),
    /// A key was pressed.
    Key(Key),
    /// End of the recording.
    End,
    /// The size of the terminal changed.
    Resize,
}

/// Task for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Do nothing.
    None,
    /// Quit.
    Quit,
    /// Begin a new tally.
    Reset,
}

/// Room on the screen, as found while drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Number of table rows that fit.
    pub rows: usize,
    /// Largest scroll position of the page.
    pub last: u16,
}

/// The lists through which Tab cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Destinations,
    Processes,
    Failures,
    Plots,
}

impl Panel {
    pub(crate) const ALL: [Self; 4] =
        [Self::Destinations, Self::Processes, Self::Failures, Self::Plots];
}

/// Page that covers the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Help,
    Alerts,
    /// One alert, whole, by its serial.
    Alert(u32),
    Destination(LaneKey),
}

/// The view.
pub struct State {
    pub(crate) about: About,
    pub(crate) seen: ViewModel,
    pub(crate) frozen: Option<Box<ViewModel>>,
    pub(crate) panel: Panel,
    pub(crate) page: Option<Page>,
    pub(crate) by_destination: Sort<ByDestination>,
    pub(crate) by_process: Sort<ByProcess>,
    pub(crate) filter: Filter,
    /// The previous filter, while another is typed.
    pub(crate) typing: Option<Filter>,
    pub(crate) failed_only: bool,
    pub(crate) ended: bool,
    pub(crate) scroll: u16,
    /// The destination under the cursor; the cursor follows it.
    pub(crate) selected: Option<LaneKey>,
    /// The alert that the cursor is on in their list, by its serial.
    pub(crate) alert: Option<u32>,
    /// Line of the cursor in the other lists.
    pub(crate) cursor: usize,
    pub(crate) drawn: Drawn,
    changed: bool,
}

impl State {
    /// Creates an empty state.
    pub fn new(about: About) -> Self {
        Self {
            seen: ViewModel::new(about.now_ns, about.started_ns),
            about,
            frozen: None,
            panel: Panel::Destinations,
            page: None,
            by_destination: Sort::new(ByDestination::Rate),
            by_process: Sort::new(ByProcess::Rate),
            filter: Filter::default(),
            typing: None,
            failed_only: false,
            ended: false,
            scroll: 0,
            selected: None,
            alert: None,
            cursor: 0,
            drawn: Drawn::default(),
            changed: true,
        }
    }

    /// Processes one input, and returns the task for the loop.
    pub fn apply(&mut self, input: Input<'_>) -> Effect {
        let was = self.seen.now_ns;
        match input {
            Input::Event(assignment) => self.seen.observe(assignment),
            Input::Losses(losses) => {
                self.changed |= self.seen.losses != losses;
                self.seen.losses = losses;
                return Effect::None;
            }
            Input::TallySnapshot(snapshot) => self.seen.snapshot(snapshot),
            Input::InUse(in_use) => self.seen.in_use = in_use.into_iter().collect(),
            Input::Finding(finding) => self.seen.alerts.find(finding, self.seen.now_ns),
            Input::Notice(sentence) => self.seen.alerts.tell(sentence, self.seen.now_ns),
            Input::Tick(now_ns) => {
                self.seen.tick(now_ns);
                // The clock in the corner shows seconds.
                self.changed |= was / 1_000_000_000 != self.seen.now_ns / 1_000_000_000;
                return Effect::None;
            }
            Input::Key(key) => {
                self.changed = true;
                return self.handle_key(key);
            }
            Input::End => self.ended = true,
            Input::Resize => {}
        }
        self.changed = true;
        Effect::None
    }

    /// Returns true if the view looks different from the last drawing.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Records the room that the last drawing found.
    pub fn set_drawn(&mut self, drawn: Drawn) {
        self.scroll = self.scroll.min(drawn.last);
        self.drawn = drawn;
        self.changed = false;
    }

    /// Returns the destinations that the next [`TallySnapshot`] should cover: those on the screen
    /// that have changed.
    pub fn wanted(&self) -> Vec<LaneKey> {
        let is_old = |entry: &Entry<Row>| {
            entry.value.said.as_ref().is_none_or(|said| said.assignments != entry.count)
        };
        let rows = self.order(&self.seen);
        let shown = window(self.cursor_in(&rows), rows.len(), self.drawn.rows);
        let rows = rows.into_iter().skip(shown.start).take(shown.len());
        let on_page = match self.page {
            Some(Page::Destination(lane)) => self.seen.rows.get(&lane).map(|entry| (lane, entry)),
            _ => None,
        };
        let all = on_page.into_iter().chain(rows.map(|(lane, entry)| (*lane, entry)));
        all.filter(|(_, entry)| is_old(entry)).map(|(lane, _)| lane).take(MAX_WANTED).collect()
    }

    /// Returns the shown model: the frozen one, if the view is frozen.
    pub(crate) fn seen(&self) -> &ViewModel {
        self.frozen.as_deref().unwrap_or(&self.seen)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Returns the shown destinations, in their order.
    pub(crate) fn destinations(&self) -> Vec<(&LaneKey, &Entry<Row>)> {
        self.order(self.seen())
    }

    fn order<'a>(&self, seen: &'a ViewModel) -> Vec<(&'a LaneKey, &'a Entry<Row>)> {
        let mut all: Vec<_> = seen
            .rows
            .iter()
            .filter(|(lane, entry)| {
                let Row { failures, pid, comm, .. } = &entry.value;
                (!self.failed_only || *failures > 0)
                    && self.filter.keeps_lane(lane, *pid, comm.as_ref())
            })
            .collect();
        let Sort { by, .. } = self.by_destination;
        let compared = |(lane, entry): &(&'a LaneKey, &'a Entry<Row>)| Compared {
            lane,
            row: &entry.value,
            count: entry.count,
            in_use: seen.in_use(lane).map(InUse::percent),
        };
        all.sort_by(|a, b| self.by_destination.direct(by.compare(&compared(a), &compared(b))));
        all
    }

    /// Returns the shown processes, in their order.
    pub(crate) fn processes(&self) -> Vec<&ProcessSummary> {
        let seen = self.seen();
        let all = seen.summary.iter().flat_map(|summary| &summary.processes);
        let mut all: Vec<_> = all
            .filter(|one| !self.failed_only || one.failures > 0)
            .filter(|one| {
                let comm = one.comm.as_deref().map(Comm::new);
                self.filter.is_empty() || self.filter.keeps(&user(one.pid, comm.as_ref()))
            })
            .collect();
        let sort = self.by_process;
        all.sort_by(|a, b| {
            let rate = |one: &ProcessSummary| self.process_rate(one).unwrap_or(-1.0);
            let ordering = match sort.by {
                ByProcess::Pid => a.pid.cmp(&b.pid),
                ByProcess::Name => a.comm.cmp(&b.comm),
                ByProcess::Rate => rate(b).total_cmp(&rate(a)),
                ByProcess::Count => b.assignments.cmp(&a.assignments),
                ByProcess::Failed => b.failures.cmp(&a.failures),
                ByProcess::Verdict => words::word(&a.verdict).cmp(words::word(&b.verdict)),
            };
            let ties = || (Reverse(a.assignments), a.pid).cmp(&(Reverse(b.assignments), b.pid));
            sort.direct(ordering.then_with(ties))
        });
        all
    }

    /// Returns the assignments per second of a process; unknown at first.
    pub(crate) fn process_rate(&self, one: &ProcessSummary) -> Option<f64> {
        self.seen().process_rates.get(&(one.pid?, one.comm.clone())).copied()
    }

    /// Returns the shown failures, newest first.
    pub(crate) fn failures(&self) -> Vec<&Failure> {
        let keeps = |one: &&Failure| self.filter.keeps_lane(&one.lane, one.pid, one.comm.as_ref());
        self.seen().failures.iter().filter(keeps).collect()
    }

    /// Returns the line of the cursor.
    pub(crate) fn cursor(&self) -> usize {
        match self.panel {
            Panel::Destinations => self.cursor_in(&self.destinations()),
            _ => self.cursor_of(self.count()),
        }
    }

    /// The alert that the cursor is on.
    pub(crate) fn alert_cursor(&self) -> usize {
        let alerts = self.seen().alerts.all();
        alerts.iter().position(|alert| Some(alert.serial) == self.alert).unwrap_or(0)
    }

    /// Returns the line of the cursor among the shown destinations.
    pub(crate) fn cursor_in(&self, rows: &[(&LaneKey, &Entry<Row>)]) -> usize {
        rows.iter().position(|(lane, _)| Some(**lane) == self.selected).unwrap_or(0)
    }

    /// Returns the line of the cursor in a list of `count` lines.
    pub(crate) fn cursor_of(&self, count: usize) -> usize {
        self.cursor.min(count.saturating_sub(1))
    }

    pub(crate) fn count(&self) -> usize {
        match self.panel {
            Panel::Destinations => self.destinations().len(),
            Panel::Processes => self.processes().len(),
            Panel::Failures => self.failures().len(),
            Panel::Plots => 0,
        }
    }
}

/// Returns the visible lines of `count`, with room for `rows`: the cursor is in their middle, if
/// possible.
pub(crate) fn window(cursor: usize, count: usize, rows: usize) -> Range<usize> {
    let first = cursor.saturating_sub(rows / 2).min(count.saturating_sub(rows));
    first..first.saturating_add(rows.max(1)).min(count)
}
