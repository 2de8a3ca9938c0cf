//! The flight recorder: the last assignments in memory, and an incident out of them when a finding
//! turns critical.
//!
//! ```text
//! ring ─ every 20 ms ─→ reading ─→ Kept ─┬─ critical finding, SIGUSR1 ─→ Incident
//!                                        └─ each look ─→ stages ─→ verdict
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;

use crate::{
    analyse::{
        findings::{Finding, Rule, Severity},
        pattern::{KernelRules, Verdict},
        summary::RunContext,
    },
    host::clock::monotonic_ns,
    kernel::{ring::Ring, tracer::Tracer},
    model::{Assignment, Filter},
    output::{Watch, metrics::Recorded, stream::parquet::Fact},
    pipeline::{
        pause::Pause,
        reading::{Reading, kernel_rules},
        recording_metadata,
        stages::Stages,
    },
};

/// Size of the ring buffer: 27,000 records, the assignments of 20 ms at a million a second.
pub(crate) const RING_BYTES: u32 = 4 << 20;

/// Maximum number of assignments in memory, some 20 MiB.
const MAX_ROWS: u32 = 1 << 16;

/// Assignments a second that it follows for good. More are followed for a moment: as many as
/// [`MAX_ROWS`] at once.
const MAX_RATE: u32 = 10_000;

/// Ratio of the pause after judging what is kept to the processor time that it took.
const SHARE: u32 = 50;

/// Settings of the flight recorder.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    /// Time that is kept.
    pub(crate) keep: Duration,
    /// Takes incidents; the thread that writes them is at its other end.
    pub(crate) incidents: mpsc::Sender<Incident>,
    /// Numbers of incidents.
    pub(crate) counts: Arc<IncidentCounts>,
}

/// Numbers of incidents since the start.
#[derive(Debug, Default)]
pub(crate) struct IncidentCounts {
    pub(crate) written: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) left_out: AtomicU64,
}

/// The last assignments, and why they are to be written.
pub(crate) struct Incident {
    /// Time, in nanoseconds since the Unix epoch.
    pub(crate) ts_ns: u64,
    /// Rules of the findings that turned critical; empty if somebody asked for it (SIGUSR1).
    pub(crate) rules: Vec<Rule>,
    /// Findings at that time.
    pub(crate) findings: Vec<Finding>,
    /// Assignments, oldest first.
    pub(crate) rows: Vec<Assignment>,
    /// Assignments since the start that were counted, but not kept: the recorder was at rest, or
    /// the ring full.
    pub(crate) not_kept: u64,
    /// True if the recorder is at rest, because there are too many assignments.
    pub(crate) rests: bool,
    /// Rules by which the kernel assigns ports.
    pub(crate) kernel: KernelRules,
    /// Facts about the host, for the metadata.
    pub(crate) facts: Vec<Fact>,
}

/// The last assignments.
struct Kept {
    keep_ns: u64,
    rows: VecDeque<Assignment>,
}

impl Kept {
    fn new(keep: Duration) -> Self {
        let keep_ns = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
        Self { keep_ns, rows: VecDeque::new() }
    }

    fn push(&mut self, assignment: Assignment) {
        let oldest_ns = assignment.ts_ns.saturating_sub(self.keep_ns);
        let is_past = |one: &Assignment| one.ts_ns < oldest_ns;
        while self.rows.len() >= MAX_ROWS as usize || self.rows.front().is_some_and(is_past) {
            self.rows.pop_front();
        }
        self.rows.push_back(assignment);
    }

    /// Returns the rows that are not too old at `now_ns`.
    fn rows_since(&self, now_ns: u64) -> impl Iterator<Item = &Assignment> {
        let oldest_ns = now_ns.saturating_sub(self.keep_ns);
        self.rows.iter().filter(move |one| one.ts_ns >= oldest_ns)
    }

    /// Returns the verdict on these rows.
    fn verdict(&self, now_ns: u64, rules: KernelRules) -> io::Result<Verdict> {
        let mut stages = Stages::new(None, None, Watch(|_: &Assignment| {})).knowing(rules);
        for row in self.rows_since(now_ns) {
            stages.take(&mut row.clone())?;
        }
        Ok(stages.summary(Some(now_ns), 0, RunContext::default()).verdict)
    }
}

/// An allowance that grows with time, and is used up by assignments: whoever has none left rests.
#[derive(Debug)]
struct Allowance {
    left: i64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: MAX_ROWS.into(), at: now }
    }

    /// Uses it for `count` assignments. Returns whether anything is left.
    fn spend(&mut self, count: usize, now: Instant) -> bool {
        let time_us = now.saturating_duration_since(self.at).as_micros();
        let grown = time_us.saturating_mul(MAX_RATE.into()) / 1_000_000;
        let most = i64::from(MAX_ROWS);
        self.left = self.left.saturating_add(i64::try_from(grown).unwrap_or(most)).min(most);
        self.left = self.left.saturating_sub(i64::try_from(count).unwrap_or(i64::MAX));
        self.at = now;
        self.left > 0
    }
}

/// Findings that are critical, or were a moment ago: sentence, and the time of the last look that
/// found it so, in nanoseconds since the Unix epoch.
#[derive(Default)]
struct Critical(BTreeMap<String, u64>);

impl Critical {
    /// Returns the rules of the findings that were not critical within the last `keep_ns`: one that
    /// comes and goes makes one incident, not many with the same rows.
    fn news(&mut self, now_ns: u64, keep_ns: u64, found: &[Finding]) -> Vec<Rule> {
        self.0.retain(|_, last_ns| now_ns.saturating_sub(*last_ns) <= keep_ns);
        let critical = found.iter().filter(|one| one.severity == Severity::Critical);
        let new = critical.filter(|one| self.0.insert(one.sentence.clone(), now_ns).is_none());
        let rules: BTreeSet<Rule> = new.map(|one| one.rule).collect();
        rules.into_iter().collect()
    }
}

/// Passes all waiting records to `take`, and returns their number.
fn take_all(ring: &mut Ring, mut take: impl FnMut(&[u8])) -> usize {
    let taken = ring.drain(|bytes| {
        take(bytes);
        Ok::<_, Infallible>(())
    });
    taken.unwrap_or_else(|never| match never {})
}

/// The flight recorder.
pub(crate) struct Recorder {
    how: Keeping,
    ring: Ring,
    reading: Reading,
    kept: Kept,
    rules: KernelRules,
    verdict: Option<Verdict>,
    judging: Pause,
    facts: Vec<Fact>,
    allowance: Allowance,
    rests: bool,
    /// Records read since the start.
    read: u64,
    /// Assignments that were counted, but not read.
    not_kept: u64,
    critical: Critical,
}

impl Recorder {
    /// Creates a recorder of what `tracer` writes to its ring. Looks are due once each `interval`.
    pub(crate) fn new(how: Keeping, interval: Duration, tracer: &mut Tracer) -> Result<Self> {
        let ring = tracer.take_ring().context("the eBPF object has no EVENTS")?;
        // The command takes no names to filter by.
        let reading = Reading::new(tracer, &Filter::default())?;
        let started_ns = reading.clock.unix_ns(monotonic_ns()?);
        let rules = kernel_rules(tracer);
        Ok(Self {
            kept: Kept::new(how.keep),
            how,
            ring: Ring::new(ring),
            reading,
            rules,
            verdict: None,
            judging: Pause::new(interval, SHARE),
            facts: recording_metadata::gather(tracer.hook, started_ns),
            allowance: Allowance::new(Instant::now()),
            rests: false,
            read: 0,
            not_kept: 0,
            critical: Critical::default(),
        })
    }

    /// Takes the waiting records, unless it rests.
    pub(crate) fn drain(&mut self) {
        if self.rests {
            return;
        }
        let Self { ring, reading, kept, read, .. } = self;
        let taken = take_all(ring, |bytes| {
            if let Some(one) = reading.read(bytes) {
                *read += 1;
                kept.push(one);
            }
        });
        if !self.allowance.spend(taken, Instant::now()) {
            log::info!("the flight recorder rests: more than {MAX_RATE} assignments a second");
            self.rests = true;
        }
    }

    /// Runs the tasks of a look at `now_ns`: `rate` is that of the assignments since the last one,
    /// a second.
    pub(crate) fn look(&mut self, now_ns: u64, rate: f64) -> Result<()> {
        self.reading.follow_clock()?;
        let Self { kept, rules, .. } = self;
        if let Some(verdict) = self.judging.look(|| kept.verdict(now_ns, *rules)) {
            self.verdict = Some(verdict?);
        }
        if self.rests && rate < f64::from(MAX_RATE / 2) {
            // The ring has been full since the rest began: these are old.
            take_all(&mut self.ring, |_| {});
            self.allowance = Allowance::new(Instant::now());
            self.rests = false;
        }
        Ok(())
    }

    /// Compares what it has read with the `counted` assignments at a time before it read last.
    pub(crate) fn compare(&mut self, counted: u64) {
        // Some were read that were counted later, so that the difference may be too small.
        self.not_kept = self.not_kept.max(counted.saturating_sub(self.read));
    }

    /// Returns its state for the metrics at `now_ns`.
    pub(crate) fn recorded(&self, now_ns: u64) -> Recorded {
        let oldest_ns = self.kept.rows_since(now_ns).map(|one| one.ts_ns).min();
        let counts = &self.how.counts;
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Recorded {
            verdict: self.verdict.clone(),
            rows: self.kept.rows_since(now_ns).count() as u64,
            span_ns: oldest_ns.map_or(0, |oldest| now_ns.saturating_sub(oldest)),
            not_kept: self.not_kept,
            rests: self.rests,
            incidents: [
                ("written", number(&counts.written)),
                ("failed", number(&counts.failed)),
                ("left_out", number(&counts.left_out)),
            ],
        }
    }

    /// Passes an incident on if a finding has turned critical: `found` are those at `now_ns`.
    pub(crate) fn judge(&mut self, now_ns: u64, found: &[Finding]) {
        let rules = self.critical.news(now_ns, self.kept.keep_ns, found);
        if !rules.is_empty() {
            self.incident(now_ns, rules, found);
        }
    }

    /// Passes an incident on: `rules` is empty if somebody asked for it.
    pub(crate) fn incident(&mut self, ts_ns: u64, rules: Vec<Rule>, found: &[Finding]) {
        let incident = Incident {
            ts_ns,
            rules,
            findings: found.to_vec(),
            rows: self.kept.rows_since(ts_ns).cloned().collect(),
            not_kept: self.not_kept,
            rests: self.rests,
            kernel: self.rules,
            facts: self.facts.clone(),
        };
        // One waits while another is written; the memory for more is not spent.
        if self.how.incidents.try_send(incident).is_err() {
            self.how.counts.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn at(ts_ns: u64) -> Assignment {
        Assignment { ts_ns, ..Assignment::default() }
    }

    #[test]
    fn what_is_older_goes() {
        let mut kept = Kept::new(Duration::from_mins(1));
        for second in 100..300 {
            kept.push(at(second * SECOND_NS));
        }
        assert_eq!(kept.rows.len(), 61, "both ends of the minute");
        // Nothing comes any more, and the rest grows old.
        assert_eq!(kept.rows_since(330 * SECOND_NS).count(), 30);
        assert_eq!(kept.rows_since(400 * SECOND_NS).count(), 0);
    }

    #[test]
    fn its_number_is_bounded() {
        let mut kept = Kept::new(Duration::from_mins(1));
        for n in 0..u64::from(MAX_ROWS) + 10 {
            kept.push(at(SECOND_NS + n));
        }
        assert_eq!(kept.rows.len(), MAX_ROWS as usize);
        assert_eq!(kept.rows.front().map(|one| one.ts_ns), Some(SECOND_NS + 10));
        assert!(
            size_of::<Assignment>() * MAX_ROWS as usize <= 24 << 20,
            "{}",
            size_of::<Assignment>()
        );
    }

    #[test]
    fn each_finding_makes_one_incident_until_it_was_gone_for_long() {
        let of = |sentence: &str, severity| Finding {
            rule: Rule::Exhausted,
            severity,
            sentence: sentence.to_owned(),
            evidence: String::new(),
            remedies: Vec::new(),
        };
        let (one, other) = (of("a", Severity::Critical), of("b", Severity::Critical));
        let mut critical = Critical::default();
        let mut news = |second, found: &[Finding]| {
            critical.news(second * SECOND_NS, 60 * SECOND_NS, found).len()
        };
        assert_eq!(news(1, &[of("a", Severity::Warning)]), 0);
        assert_eq!(news(2, slice::from_ref(&one)), 1);
        assert_eq!(news(3, &[one.clone(), other.clone()]), 1, "another one of the rule");
        assert_eq!(news(4, &[]), 0);
        assert_eq!(news(60, &[one.clone(), other]), 0, "they were gone for a moment");
        assert_eq!(news(120, slice::from_ref(&one)), 0, "it holds");
        assert_eq!(news(200, &[one]), 1);
    }

    #[test]
    fn a_storm_is_followed_for_a_moment_and_a_low_rate_for_good() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut allowance = Allowance::new(start);
        let ends = (1..1000).find(|n| !allowance.spend(1000, after(n * 20))).unwrap();
        // 50,000 a second, of which 10,000 are allowed for good.
        assert!((1500..=1800).contains(&(ends * 20)), "{ends}");
        let mut allowance = Allowance::new(start);
        assert!((1..100_000).all(|n| allowance.spend(199, after(n * 20))));
    }
}
