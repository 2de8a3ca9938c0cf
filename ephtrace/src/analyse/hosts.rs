//! Each host and its verdict: a counter belongs to one host, so each host has a judge of its own.
//!
//! A host is a network namespace of the traced machine; or a source address, if the source does not
//! name the namespace. Within a host, each range of ports is judged by itself: the kernel searches
//! differently for a socket with a range of its own.

use std::{fmt, net::IpAddr};

use super::{
    agreement::{self, Share},
    fitted_range::{FittedRange, PortsSeen},
    heavy_hitters::{Entry, HeavyHitters},
    machine::Machine,
    pattern::{KernelRules, Observation, Stream, StreamVerdict, Verdict, WHOLE},
    ranges::{self, Judges, Ranges, Said, list},
    summary::{HostSummary, HostsSummary, OriginSummary, PatternCount},
};
use crate::model::Assignment;

/// Maximum number of hosts kept; each takes up to 16 KiB. Beyond it, quieter hosts are evicted, and
/// counted.
pub const MAX_HOSTS: usize = 512;

/// Maximum number of judges that follow a host to its end; each takes about 1 MiB if the host talks
/// to thousands of destinations. A host's range without a judge is judged by its first assignments.
pub const MAX_JUDGES: usize = 16;

/// Maximum number of hosts that are judged, the busiest ones: 64 assignments take a judge a tenth
/// of a millisecond, and a live view asks every second.
pub const MAX_JUDGED: usize = 256;

/// Minimum number of assignments for a verdict: fewer make fewer than three pairs.
const FEWEST: u64 = 4;

/// The busiest hosts.
pub(super) struct Hosts {
    known: HeavyHitters<Host, Known>,
    assignments: u64,
    explicit: u64,
    judges: Judges,
    machine: Machine,
}

/// A host, as the source identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Host {
    /// A network namespace of the traced machine.
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

/// Verdicts on all hosts.
pub(super) struct HostVerdicts {
    /// Overall verdict: that of the only host, or the one that the hosts agree on.
    pub(super) verdict: Verdict,
    pub(super) origins: Vec<OriginSummary>,
    pub(super) hosts: HostsSummary,
    /// Rules that a destination or a process must not contradict.
    pub(super) rules: KernelRules,
    /// Range that fits ports whose range the source does not tell.
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
            machine: Machine::default(),
        }
    }

    /// Adds one assignment; `event` is `None` for a failed one.
    pub(super) fn observe(&mut self, assignment: &Assignment, event: Option<&Observation>) {
        let Some(event) = event else {
            self.known.see(Host::of(assignment)).value.failures += 1;
            return;
        };
        // The program named the port, so that it shows no host's rule.
        if Stream::of(event).is_none() {
            self.explicit += 1;
            return;
        }
        self.assignments += 1;
        let host = Host::of(assignment);
        if let Host::Netns(netns) = host {
            self.machine.observe(event, netns);
        }
        let known = &mut self.known.see(host).value;
        known.seen.observe(assignment);
        if known.ranges.observe(event, self.judges.is_one_left()) {
            self.judges.appoint();
        }
        let at_work = || self.known.iter().map(|(_, entry)| entry.value.ranges.judges()).sum();
        self.judges.recount(self.known.evicted(), at_work);
    }

    /// Number of ports that programs named; they are not judged.
    pub(super) fn explicit(&self) -> u64 {
        self.explicit
    }

    /// Number of hosts evicted for lack of room; one that came back counts again.
    pub(super) fn evicted(&self) -> u64 {
        self.known.evicted()
    }

    /// Returns the verdicts on each host, by origin, and over all, for a kernel that is known to
    /// have these `rules`.
    pub(super) fn verdicts(&self, rules: KernelRules) -> HostVerdicts {
        let together = self.machine.said(rules);
        let first = self.said(rules, together.as_ref());
        let is_said = |said: &Said| said.verdict.algorithm == first.verdict.algorithm;
        match together.filter(is_said) {
            // No namespace may contradict the machine's verdict then.
            Some(said) => self.said(ranges::found(&said.streams, rules), Some(&said)),
            None => first,
        }
    }

    fn said(&self, rules: KernelRules, together: Option<&Said>) -> HostVerdicts {
        let judged = self.judged(rules);
        let shares: Vec<Share<'_>> = judged
            .iter()
            .filter(|one| one.assignments >= FEWEST || judged.len() == 1)
            .map(|one| Share { assignments: one.assignments, verdict: &one.verdict })
            .collect();
        let verdict = match shares.as_slice() {
            [only] if self.known.len() == 1 => only.verdict.clone(),
            _ => {
                let agreed = agreement::agreed(self.assignments, &shares, |counts, only| {
                    sentence(self.known.len() as u64, counts, only)
                });
                let together = together.map(|said| &said.verdict);
                agreement::or_together(agreed, self.assignments, together, &shares)
            }
        };
        let rules = match judged.as_slice() {
            [only] if self.known.len() == 1 => ranges::found(&only.streams, rules),
            _ => rules,
        };
        let origins = origins(&judged, self.assignments, together);
        let patterns = agreement::counts(&shares);
        let only_predictable = agreement::only_predictable(&shares);
        let fitted: Vec<&FittedRange> =
            judged.iter().filter_map(|one| one.fitted_range.as_ref()).collect();
        let others = self.known.len().saturating_sub(judged.len()) as u64;
        let fitted_range = FittedRange::over(&fitted, others);
        let hosts = HostsSummary {
            known: self.known.len() as u64,
            judged: patterns.iter().map(|one| one.count).sum::<u64>() + only_predictable,
            only_predictable,
            evicted: self.evicted(),
            patterns,
            busiest: judged.into_iter().map(Judged::summary).collect(),
        };
        HostVerdicts { verdict, origins, hosts, rules, fitted_range }
    }

    fn judged(&self, rules: KernelRules) -> Vec<Judged> {
        let ranked = self.known.ranked().into_iter().take(MAX_JUDGED);
        ranked.map(|(host, entry)| Judged::new(*host, entry, rules)).collect()
    }
}

/// Returns `425 hosts, 31 judged: 24 sequential, 7 random`.
fn sentence(known: u64, counts: &[PatternCount], only_predictable: u64) -> String {
    let judged = counts.iter().map(|one| one.count).sum::<u64>() + only_predictable;
    format!("{known} hosts, {judged} judged{}", list(counts, only_predictable))
}

/// A host with its verdict.
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

/// Returns the verdicts by origin, over all hosts.
fn origins(judged: &[Judged], total: u64, together: Option<&Said>) -> Vec<OriginSummary> {
    let all: Vec<&StreamVerdict> = judged.iter().flat_map(|one| &one.streams).collect();
    let mut streams: Vec<Stream> = all.iter().map(|one| one.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    let is_only = streams.len() == 1;
    let summary = |stream: Stream| {
        let is_of = |one: &&StreamVerdict| one.stream == stream;
        let of: Vec<&StreamVerdict> = all.iter().copied().filter(is_of).collect();
        let assignments: u64 = of.iter().map(|one| one.assignments).sum();
        let verdict = match of.as_slice() {
            [only] => only.verdict.clone(),
            several => {
                let mut ranges = together.iter().flat_map(|said| &said.streams).filter(is_of);
                let only_range = ranges.next().filter(|_| ranges.next().is_none());
                let total = if is_only { total } else { assignments };
                of_streams(several, total, only_range.map(|one| &one.verdict))
            }
        };
        OriginSummary { origin: stream.as_str(), assignments, verdict }
    };
    streams.into_iter().map(summary).collect()
}

/// Returns the verdict on one origin that occurs on several hosts or ranges.
fn of_streams(several: &[&StreamVerdict], total: u64, together: Option<&Verdict>) -> Verdict {
    let shares: Vec<Share<'_>> = several
        .iter()
        .filter(|one| one.assignments >= FEWEST)
        .map(|one| Share { assignments: one.assignments, verdict: &one.verdict })
        .collect();
    let agreed = agreement::agreed(total, &shares, |counts, only| {
        format!("{} streams{}", several.len(), list(counts, only))
    });
    agreement::or_together(agreed, total, together, &shares)
}
