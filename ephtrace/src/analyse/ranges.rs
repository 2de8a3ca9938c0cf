//! Assignments by the range of ports that they came from, each range with a judge of its own: the
//! kernel searches differently for a socket with a range of its own, and ports that one counter
//! makes in several ranges can't be compared.

use super::{
    agreement::{self, Share},
    pattern::{Judge, KernelRules, Observation, Stream, StreamVerdict, Verdict, WHOLE},
    summary::PatternCount,
};
use crate::model::RangeInForce;

/// Maximum number of ranges kept apart; assignments in more are counted, not judged.
pub const MAX_RANGES: usize = 4;

/// Maximum number of assignments in a range that wait for a judge: most hosts that a server sees
/// make only a few, and many processes live for one connect.
pub(super) const MAX_WAITING: usize = 64;

/// Mean number of assignments in a row from one range below which the ranges are side by side: the
/// range of a namespace changes now and then.
const STRETCH: u64 = 8;

/// Assignments of one host or process, by range. Under each rule, the first `FIRST` are all judged.
#[derive(Default)]
pub(super) struct Ranges<const FIRST: u64> {
    parts: Vec<Part>,
    /// Index of the last assignment's part.
    last: usize,
    /// Number of times that it changed.
    changes: u64,
    /// Assignments in ranges beyond [`MAX_RANGES`].
    unjudged: u64,
}

/// Assignments in one range.
struct Part {
    range: Option<RangeInForce>,
    assignments: u64,
    waiting: Vec<Observation>,
    judge: Option<Box<Judge>>,
}

/// Verdict on one host, process or destination.
pub(super) struct Said {
    /// Verdicts by range and rule.
    pub(super) streams: Vec<StreamVerdict>,
    /// Overall verdict.
    pub(super) verdict: Verdict,
}

impl<const FIRST: u64> Ranges<FIRST> {
    /// Adds an assignment. Returns whether a judge was appointed, which happens only if there
    /// `is_judge_left`.
    pub(super) fn observe(&mut self, event: &Observation, is_judge_left: bool) -> bool {
        let Some(part) = self.part(event.range) else {
            self.unjudged += 1;
            return false;
        };
        part.observe(event, is_judge_left, FIRST)
    }

    /// Number of judges at work on the parts.
    pub(super) fn judges(&self) -> usize {
        self.parts.iter().filter(|part| part.judge.is_some()).count()
    }

    /// Returns the verdict for a kernel that is known to have these `rules`.
    pub(super) fn said(&self, rules: KernelRules) -> Said {
        let judged = |part: &Part| (part.assignments, part.by_origin(rules));
        let by_range: Vec<_> = self.parts.iter().map(judged).collect();
        let total: u64 = self.parts.iter().map(|part| part.assignments).sum();
        let by_socket = self.parts.iter().any(|part| is_by_socket(part.range));
        over(by_range, self.unjudged, by_socket || STRETCH * self.changes > total)
    }

    /// Returns the part of a range; for an unknown range, that of the previous assignment.
    fn part(&mut self, range: Option<RangeInForce>) -> Option<&mut Part> {
        let is_same = |part: &Part| range.is_none() || part.range == range;
        if !self.parts.get(self.last).is_some_and(is_same) {
            let last = match self.parts.iter().position(|part| part.range == range) {
                Some(index) => index,
                None if self.parts.len() < MAX_RANGES => {
                    self.parts.push(Part::new(range));
                    self.parts.len() - 1
                }
                None => return None,
            };
            self.changes += u64::from(last != self.last);
            self.last = last;
        }
        self.parts.get_mut(self.last)
    }
}

impl Part {
    fn new(range: Option<RangeInForce>) -> Self {
        Self { range, assignments: 0, waiting: Vec::new(), judge: None }
    }

    fn observe(&mut self, event: &Observation, is_judge_left: bool, first: u64) -> bool {
        self.assignments += 1;
        if let Some(judge) = &mut self.judge {
            judge.observe(event);
        } else if self.waiting.len() < MAX_WAITING {
            self.waiting.push(*event);
        } else if is_judge_left && self.assignments == MAX_WAITING as u64 + 1 {
            let mut judge = judged(&std::mem::take(&mut self.waiting), first);
            judge.observe(event);
            self.judge = Some(Box::new(judge));
            return true;
        }
        false
    }

    fn by_origin(&self, rules: KernelRules) -> Vec<StreamVerdict> {
        if let Some(judge) = &self.judge {
            return judge.by_origin_knowing(rules);
        }
        let mut verdicts = judged(&self.waiting, WHOLE).by_origin_knowing(rules);
        let kept = self.waiting.len() as u64;
        if kept < self.assignments {
            for one in &mut verdicts {
                let said =
                    format!("judged from the first {kept} of {} assignments", self.assignments);
                one.verdict.evidence.push(said);
            }
        }
        verdicts
    }
}

fn judged(events: &[Observation], first: u64) -> Judge {
    let mut judge = Judge::new(first);
    for event in events {
        judge.observe(event);
    }
    judge
}

/// Returns the verdict on stored assignments, oldest first.
pub(super) fn of(events: impl Iterator<Item = Observation>, rules: KernelRules) -> Said {
    let mut by_range: Vec<(Option<RangeInForce>, Vec<Observation>)> = Vec::new();
    let (mut unjudged, mut total, mut changes, mut last) = (0, 0, 0, None);
    for event in events.filter(|event| Stream::of(event).is_some()) {
        total += 1;
        changes += u64::from(last.replace(event.range).is_some_and(|last| last != event.range));
        let known = by_range.len();
        match by_range.iter_mut().find(|(range, _)| *range == event.range) {
            Some((_, of_range)) => of_range.push(event),
            None if known < MAX_RANGES => by_range.push((event.range, vec![event])),
            None => unjudged += 1,
        }
    }
    let judged = |(_, events): &(_, Vec<Observation>)| {
        (events.len() as u64, judged(events, WHOLE).by_origin_knowing(rules))
    };
    let by_socket = by_range.iter().any(|(range, _)| is_by_socket(*range));
    over(by_range.iter().map(judged).collect(), unjudged, by_socket || STRETCH * changes > total)
}

fn is_by_socket(range: Option<RangeInForce>) -> bool {
    range.is_some_and(RangeInForce::is_by_socket)
}

/// Combines the ranges, side by side if sockets set them: the verdict on the only one, or the one
/// that they agree on.
fn over(by_range: Vec<(u64, Vec<StreamVerdict>)>, unjudged: u64, side_by_side: bool) -> Said {
    let verdicts: Vec<(u64, Verdict)> =
        by_range.iter().map(|(n, streams)| (*n, Judge::whole(streams))).collect();
    let verdict = match verdicts.as_slice() {
        [] => Judge::whole(&[]),
        [(_, only)] if unjudged == 0 => only.clone(),
        several => {
            let total = several.iter().map(|(n, _)| n).sum::<u64>() + unjudged;
            let shares: Vec<_> =
                several.iter().map(|(n, verdict)| Share { assignments: *n, verdict }).collect();
            let agreed = agreement::agreed(total, &shares, |counts, only| {
                sentence(several.len(), unjudged, counts, only)
            });
            // The range of the namespace was changed, or its rule, too.
            if !side_by_side && is_one_stream(&by_range) {
                agreement::of_one_stream(agreed, total, &shares)
            } else {
                agreed
            }
        }
    };
    Said { streams: by_range.into_iter().flat_map(|(_, streams)| streams).collect(), verdict }
}

/// Returns whether one stream fills all ranges.
fn is_one_stream(by_range: &[(u64, Vec<StreamVerdict>)]) -> bool {
    let mut streams = by_range.iter().flat_map(|(_, streams)| streams).map(|one| one.stream);
    let first = streams.next();
    streams.all(|stream| Some(stream) == first)
}

/// Returns the `rules` with the rule that each of the `streams` was found to follow, if it has one
/// range.
pub(super) fn found(streams: &[StreamVerdict], rules: KernelRules) -> KernelRules {
    let has_one_range = |one: &&StreamVerdict| {
        streams.iter().filter(|other| other.stream == one.stream).count() == 1
    };
    let found = streams.iter().filter(has_one_range);
    found.fold(rules, |rules, one| rules.having_found(one.stream, &one.verdict))
}

/// Returns `2 ranges of ports: 2 per_destination`.
fn sentence(
    ranges: usize,
    unjudged: u64,
    counts: &[PatternCount],
    only_predictable: u64,
) -> String {
    let more = match unjudged {
        0 => String::new(),
        n => format!("; {n} assignments in further ranges are not judged"),
    };
    format!("{ranges} port ranges{}{more}", list(counts, only_predictable))
}

/// Returns `: 24 sequential, 7 random`; empty if there are no counts.
pub(super) fn list(counts: &[PatternCount], only_predictable: u64) -> String {
    let words = counts.iter().map(|one| format!("{} {}", one.count, one.pattern));
    let only = (only_predictable > 0)
        .then(|| format!("{only_predictable} predictable with an unknown pattern"));
    let words: Vec<String> = words.chain(only).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

/// A bounded number of judges: those of evicted hosts or processes are free again.
pub(super) struct Judges {
    limit: usize,
    at_work: usize,
    /// Number of hosts or processes evicted at the last recount.
    evicted: u64,
}

impl Judges {
    /// Creates a pool of at most `limit` judges.
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, at_work: 0, evicted: 0 }
    }

    /// Returns whether a judge is left.
    pub(super) fn is_one_left(&self) -> bool {
        self.at_work < self.limit
    }

    /// Takes one judge.
    pub(super) fn appoint(&mut self) {
        self.at_work += 1;
    }

    /// Counts those `at_work` again if more hosts or processes were evicted: `evicted` of them so
    /// far.
    pub(super) fn recount(&mut self, evicted: u64, at_work: impl FnOnce() -> usize) {
        if self.evicted != evicted {
            (self.evicted, self.at_work) = (evicted, at_work());
        }
    }
}
