//! Judges by origin: connect, bind, UDP and SCTP follow rules of their own, and judged together
//! they look like a mixture.

use std::fmt::Display;

use super::{
    classifier::Classifier,
    kernel_rules::KernelRules,
    names::{Algorithm, Pattern, Predictable},
    observation::Observation,
    sampling::{Decision, SamplingSchedule},
    stream::Stream,
    verdict::{CONFIDENT, Named, Verdict, hedged},
};
use crate::analyse::number::as_f64;

/// Verdict on one stream.
#[derive(Clone, Debug)]
pub struct StreamVerdict {
    /// Stream that is judged.
    pub stream: Stream,
    /// Assignments of the stream, judged or skipped.
    pub assignments: u64,
    /// Verdict on the judged assignments.
    pub verdict: Verdict,
}

/// Number of initial assignments of a stream that are all judged, unless given otherwise: more
/// change no verdict (`docs/patterns.md`), and each costs about a microsecond.
pub const WHOLE: u64 = 1 << 13;

/// Share of the events below which a stream does not make the whole mixed.
const MINOR: f64 = 0.14;

/// Judges a sequence of assignments: each origin by itself, and the whole.
pub struct Judge {
    streams: Vec<StreamJudge>,
    explicit: u64,
    whole: u64,
}

struct StreamJudge {
    stream: Stream,
    classifier: Box<Classifier>,
    schedule: SamplingSchedule,
}

impl Judge {
    /// Creates a judge that has seen nothing. Of each origin it judges the first `whole`
    /// assignments, then a forty-eighth of them in runs.
    pub fn new(whole: u64) -> Self {
        Self { streams: Vec::new(), explicit: 0, whole }
    }

    /// Adds the next assignment, in constant time and bounded memory.
    pub fn observe(&mut self, event: &Observation) {
        let Some(stream) = Stream::of(event) else {
            self.explicit += 1;
            return;
        };
        let index = match self.streams.binary_search_by_key(&stream, |judged| judged.stream) {
            Ok(index) => index,
            Err(index) => {
                self.streams.insert(index, StreamJudge::new(stream, self.whole));
                index
            }
        };
        if let Some(judged) = self.streams.get_mut(index) {
            judged.observe(event);
        }
    }

    /// Number of ports that programs named; they are not judged.
    pub fn explicit(&self) -> u64 {
        self.explicit
    }

    /// Returns the verdict on each origin.
    pub fn by_origin(&self) -> Vec<StreamVerdict> {
        self.by_origin_knowing(KernelRules::default())
    }

    /// Returns the verdict on each origin, for a kernel that is known to have these `rules`.
    pub fn by_origin_knowing(&self, rules: KernelRules) -> Vec<StreamVerdict> {
        self.streams.iter().map(|judged| judged.said(rules)).collect()
    }

    /// Returns the verdict on the whole, derived from those on each origin: theirs if they agree,
    /// else `mixed`.
    pub fn whole(verdicts: &[StreamVerdict]) -> Verdict {
        match verdicts {
            [] => Classifier::new().verdict(),
            [one] => one.verdict.clone(),
            _ => combined(verdicts),
        }
    }

    /// Returns the verdict on the whole, from the events so far.
    pub fn verdict(&self) -> Verdict {
        Self::whole(&self.by_origin())
    }
}

impl StreamJudge {
    fn new(stream: Stream, whole: u64) -> Self {
        Self {
            stream,
            classifier: Box::new(Classifier::new()),
            schedule: SamplingSchedule::new(whole),
        }
    }

    fn observe(&mut self, event: &Observation) {
        match self.schedule.next() {
            Decision::Rest => return,
            Decision::Resume => self.classifier.resume(),
            Decision::Judge => {}
        }
        self.classifier.observe(event);
    }

    /// Returns the stream's verdict. A known rule decides if the ports alone don't and if they fit
    /// it. If they contradict it, or the rule that the whole was found to follow, the verdict is
    /// withheld.
    fn said(&self, rules: KernelRules) -> StreamVerdict {
        let mut verdict = self.classifier.verdict();
        if let Some(known) = rules.of(self.stream) {
            if verdict.algorithm == Algorithm::Undetermined {
                let informed = self.classifier.verdict_knowing(known);
                if informed.algorithm == known {
                    verdict = informed;
                    verdict.add_known();
                }
            }
            verdict.check_kernel(known);
        }
        if let Some(found) = rules.found(self.stream) {
            verdict.check_whole(found);
        }
        verdict.evidence.extend(self.schedule.sentence());
        StreamVerdict { stream: self.stream, assignments: self.schedule.seen(), verdict }
    }
}

fn combined(verdicts: &[StreamVerdict]) -> Verdict {
    let sum = |number: fn(&StreamVerdict) -> u64| verdicts.iter().map(number).sum::<u64>();
    let least = MINOR * as_f64(sum(|one| one.assignments));
    let major = verdicts.iter().filter(|one| as_f64(one.assignments) >= least);
    let major: Vec<&Verdict> = major.map(|one| &one.verdict).collect();
    let patterns = agreed(&Pattern::ALL, Pattern::Mixed, &major, |verdict| &verdict.patterns);
    let algorithms =
        agreed(&Algorithm::ALL, Algorithm::Mixed, &major, |verdict| &verdict.algorithms);
    // The difference between two rules is no surer than either of them.
    let patterns = hedged(patterns, least_sure(&major, |verdict| verdict.patterns[0].probability));
    let algorithms =
        hedged(algorithms, least_sure(&major, |verdict| verdict.algorithms[0].probability));
    let mut whole = Verdict {
        predictable: Predictable::Unknown,
        predictable_confidence: 0.0,
        pattern: patterns[0].name,
        pattern_confidence: patterns[0].probability,
        algorithm: algorithms[0].name,
        algorithm_confidence: algorithms[0].probability,
        n: sum(|one| one.verdict.n),
        informative_pairs: sum(|one| one.verdict.informative_pairs),
        evidence: verdicts.iter().map(summary).collect(),
        patterns,
        algorithms,
        confirmed_by_kernel: None,
        next_port_bits: match major.as_slice() {
            [one] => one.next_port_bits,
            _ => None,
        },
    };
    whole.confirmed_by_kernel = major
        .iter()
        .filter_map(|verdict| verdict.confirmed_by_kernel)
        .reduce(|one, other| one && other);
    whole.decide();
    whole
}

/// Returns 1 if each of the verdicts is given; else the lowest of their confidences.
fn least_sure(verdicts: &[&Verdict], confidence: impl Fn(&Verdict) -> f64) -> f64 {
    let withheld = verdicts.iter().map(|verdict| confidence(verdict)).filter(|p| *p < CONFIDENT);
    withheld.fold(1.0, f64::min)
}

/// Probability that all origins agree on each name; the rest is the probability that they don't.
fn agreed<T: Copy + PartialEq>(
    names: &[T],
    mixed: T,
    verdicts: &[&Verdict],
    list: impl Fn(&Verdict) -> &Vec<Named<T>>,
) -> Vec<Named<T>> {
    let probability = |name: T| -> f64 {
        let of = |verdict: &&Verdict| {
            list(verdict).iter().find(|n| n.name == name).map_or(0.0, |n| n.probability)
        };
        verdicts.iter().map(of).product()
    };
    let pure: f64 =
        names.iter().filter(|name| **name != mixed).map(|name| probability(*name)).sum();
    super::verdict::ranked(names, |name| {
        if name == mixed { (1.0 - pure).max(0.0) } else { probability(name) }
    })
}

fn summary(one: &StreamVerdict) -> String {
    let StreamVerdict { stream, assignments, verdict } = one;
    let first: &dyn Display = match verdict.evidence.first() {
        Some(sentence) => sentence,
        None => &"",
    };
    format!("{} ({assignments}): {}, {first}", stream.as_str(), verdict.pattern)
}
