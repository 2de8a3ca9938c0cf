//! Each host, and how its ports are handed out: a counter belongs to one host, so each host has a
//! judge of its own.
//!
//! A host is a network namespace of the machine that was traced; where the source does not tell the
//! namespace, a source address. Within a host, each range of ports is judged by itself: a socket
//! with a range of its own is searched for in another way.

use std::{fmt, net::IpAddr};

use super::{
    agreement::{self, Share},
    fitted_range::{FittedRange, PortsSeen},
    heavy_hitters::{Entry, HeavyHitters},
    pattern::{KernelRules, Observation, Stream, StreamVerdict, Verdict, WHOLE},
    ranges::{Judges, Ranges, Said, list},
    summary::{HostSummary, HostsSummary, OriginSummary, PatternCount},
};
use crate::model::Assignment;

/// How many hosts are told apart; each keeps up to 16 KiB. Once there are more, the quieter ones
/// make room, and are counted.
pub const MAX_HOSTS: usize = 512;

/// Judges that follow a host to its end; each takes about 1 MiB if the host talks to thousands of
/// destinations. A range of a host without one is judged by its first
/// assignments.
pub const MAX_JUDGES: usize = 16;

/// Hosts that are judged, the busiest ones: 64 assignments take a judge a tenth of a millisecond,
/// and a live view asks every second.
pub const MAX_JUDGED: usize = 256;

/// Fewer assignments make fewer than three pairs, which carry no verdict.
const FEWEST: u64 = 4;

/// The busiest hosts.
pub(super) struct Hosts {
    known: HeavyHitters<Host, Known>,
    assignments: u64,
    explicit: u64,
    judges: Judges,
}

/// A host, by what the source tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Host {
    /// A network namespace of the machine that was traced.
    Netns(u32),
    /// A source address of a capture or a log.
    Address(IpAddr),
}

#[derive(Default)]
struct Known {
    failures: u64,
    ranges: Ranges<WHOLE>,
    seen: PortsSeen,
}

/// What is said of all hosts.
pub(super) struct HostVerdicts {
    /// Over all: that of the only host, or what the hosts agree on.
    pub(super) verdict: Verdict,
    pub(super) origins: Vec<OriginSummary>,
    pub(super) hosts: HostsSummary,
    /// The range that ports fit which the source does not tell.
    pub(super) fitted_range: Option<FittedRange>,
}

impl Host {
    fn of(assignment: &Assignment) -> Self {
        match assignment.flow.netns {
            Some(netns) => Self::Netns(netns),
            None => Self::Address(assignment.flow.saddr),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netns(netns) => write!(f, "netns {netns}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Hosts {
    pub(super) fn new() -> Self {
        Self {
            known: HeavyHitters::with_limit(MAX_HOSTS),
            assignments: 0,
            explicit: 0,
            judges: Judges::with_limit(MAX_JUDGES),
        }
    }

    /// Takes note of one assignment; `event` is `None` for a failed one.
    pub(super) fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let Some(event) = event else {
            self.known.see(Host::of(assignment)).value.failures += 1;
            return;
        };
        // The program named the port: no host's rule shows in it.
        if Stream::of(event).is_none() {
            self.explicit += 1;
            return;
        }
        self.assignments += 1;
        let known = &mut self.known.see(Host::of(assignment)).value;
        known.seen.observe(assignment);
        if known.ranges.observe(event, self.judges.is_one_left()) {
            self.judges.appoint();
        }
        let at_work = || self.known.iter().map(|(_, entry)| entry.value.ranges.judges()).sum();
        self.judges.recount(self.known.evicted(), at_work);
    }

    /// Ports that programs named: seen, and left out.
    pub(super) fn explicit(&self) -> u64 {
        self.explicit
    }

    /// Hosts that were left out for lack of room; one that came back counts again.
    pub(super) fn evicted(&self) -> u64 {
        self.known.evicted()
    }

    /// The verdict on each host, by origin, and over all, where the kernel is known to have these
    /// `rules`.
    pub(super) fn verdicts(&self, rules: KernelRules) -> HostVerdicts {
        let ranked = self.known.ranked();
        let judged: Vec<Judged> = ranked
            .iter()
            .take(MAX_JUDGED)
            .map(|(host, entry)| Judged::new(**host, entry, rules))
            .collect();
        let shares: Vec<Share<'_>> = judged
            .iter()
            .filter(|one| one.assignments >= FEWEST || judged.len() == 1)
            .map(|one| Share { assignments: one.assignments, verdict: &one.verdict })
            .collect();
        let verdict = match (shares.as_slice(), ranked.len()) {
            ([only], 1) => only.verdict.clone(),
            _ => agreement::agreed(self.assignments, &shares, |counts, only_predictable| {
                sentence(self.known.len() as u64, counts, only_predictable)
            }),
        };
        let origins = origins(&judged, self.assignments);
        let patterns = agreement::counts(&shares);
        let only_predictable = agreement::only_predictable(&shares);
        let fitted: Vec<&FittedRange> =
            judged.iter().filter_map(|one| one.fitted_range.as_ref()).collect();
        let others = ranked.len().saturating_sub(judged.len()) as u64;
        let fitted_range = FittedRange::over(&fitted, others);
        let hosts = HostsSummary {
            known: self.known.len() as u64,
            judged: patterns.iter().map(|one| one.count).sum::<u64>() + only_predictable,
            only_predictable,
            evicted: self.evicted(),
            patterns,
            busiest: judged.into_iter().map(Judged::summary).collect(),
        };
        HostVerdicts { verdict, origins, hosts, fitted_range }
    }
}

/// `425 hosts, 31 judged: 24 sequential, 7 random`.
fn sentence(known: u64, counts: &[PatternCount], only_predictable: u64) -> String {
    let judged = counts.iter().map(|one| one.count).sum::<u64>() + only_predictable;
    format!("{known} hosts, {judged} judged{}", list(counts, only_predictable))
}

/// One host, judged.
struct Judged {
    host: Host,
    assignments: u64,
    complete: bool,
    failures: u64,
    streams: Vec<StreamVerdict>,
    verdict: Verdict,
    fitted_range: Option<FittedRange>,
}

impl Judged {
    fn new(host: Host, entry: &Entry<Known>, rules: KernelRules) -> Self {
        let Known { failures, ranges, seen } = &entry.value;
        let Said { streams, verdict } = ranges.said(rules);
        let fitted_range = FittedRange::of(seen, &verdict);
        Self {
            host,
            assignments: entry.count.saturating_sub(*failures),
            complete: entry.complete,
            failures: *failures,
            streams,
            verdict,
            fitted_range,
        }
    }

    fn summary(self) -> HostSummary {
        let Self { host, assignments, complete, failures, verdict, fitted_range, .. } = self;
        let (netns, saddr) = match host {
            Host::Netns(netns) => (Some(netns), None),
            Host::Address(address) => (None, Some(address)),
        };
        let assignments = assignments + failures;
        HostSummary { netns, saddr, assignments, complete, failures, verdict, fitted_range }
    }
}

/// The verdicts by origin, over all hosts.
fn origins(judged: &[Judged], total: u64) -> Vec<OriginSummary> {
    let all: Vec<&StreamVerdict> = judged.iter().flat_map(|one| &one.streams).collect();
    let mut streams: Vec<Stream> = all.iter().map(|one| one.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    let is_only = streams.len() == 1;
    let summary = |stream: Stream| {
        let of: Vec<&StreamVerdict> =
            all.iter().copied().filter(|one| one.stream == stream).collect();
        let assignments: u64 = of.iter().map(|one| one.assignments).sum();
        let verdict = match of.as_slice() {
            [only] => only.verdict.clone(),
            several => {
                let share = |one: &&StreamVerdict| (one.assignments, one.verdict.clone());
                let kept: Vec<_> = several.iter().map(share).collect();
                let shares: Vec<_> = kept
                    .iter()
                    .filter(|(n, _)| *n >= FEWEST)
                    .map(|(assignments, verdict)| Share { assignments: *assignments, verdict })
                    .collect();
                let total = if is_only { total } else { assignments };
                let parts = several.len() as u64;
                agreement::agreed(total, &shares, |counts, only| {
                    format!("{parts} streams{}", list(counts, only))
                })
            }
        };
        OriginSummary { origin: stream.as_str(), assignments, verdict }
    };
    streams.into_iter().map(summary).collect()
}
