//! What the data of a trace can tell: the answers that are right for it.
//!
//! A trace to one destination says the same under a counter for everybody and one for each
//! destination; a trace without a return to any destination says nothing about counters. For such
//! traces more than one name is right, by these rules, which look at the truth and never at a
//! verdict.

use std::collections::{HashMap, HashSet};

use ephtrace::analyse::pattern::{Algorithm, Pattern};

use crate::{
    policy::{Open, Rule},
    rules::Class,
    trace::Trace,
};

/// Fewer pairs than this can't decide between two policies.
const FEW: usize = 3;

/// The right answers.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) algorithms: Vec<Algorithm>,
    /// Whether the next port can be predicted; `None` where the data can't tell.
    pub(crate) predictable: Option<bool>,
}

/// Pairs of a trace that can decide something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pairs {
    /// Returns to a destination within an epoch and a range.
    pub(crate) returns: usize,
    /// … with others in between.
    pub(crate) interleaved: usize,
    /// … with others of the same namespace in between.
    pub(crate) beside: usize,
    /// Returns to a destination that moved by four.
    pub(crate) by_four: usize,
    /// Ports that came before.
    pub(crate) repeated: usize,
    /// Assignments of the less common of two policies.
    pub(crate) lesser: usize,
}

pub(crate) fn pairs(trace: &Trace) -> Pairs {
    let salted = matches!(trace.rules[0], Rule::Dhash64k { .. });
    let mut last: HashMap<u64, (usize, usize, u64, _, u16)> = HashMap::new();
    let mut parts = [0, 0];
    let mut ports = HashSet::new();
    let mut by_netns: HashMap<u32, usize> = HashMap::new();
    let mut pairs = Pairs::default();
    let assigned = trace.events.iter().filter(|event| event.part.is_some());
    for (i, event) in assigned.enumerate() {
        parts[event.part.unwrap_or(0)] += 1;
        pairs.repeated += usize::from(!ports.insert(event.seen.port));
        let epoch = if salted { event.epoch } else { 0 };
        let seen = &event.seen;
        let count = by_netns.entry(seen.netns).or_default();
        *count += 1;
        let now = (i, *count, epoch, seen.range, seen.port);
        if let Some(before) = last.insert(seen.key, now)
            && (before.2, before.3) == (epoch, seen.range)
        {
            pairs.returns += 1;
            pairs.interleaved += usize::from(i - before.0 > 1);
            pairs.beside += usize::from(now.1 - before.1 > 1);
            pairs.by_four += usize::from(seen.port == before.4.wrapping_add(4));
        }
    }
    pairs.lesser = parts[0].min(parts[1]);
    pairs
}

impl Right {
    pub(crate) fn of(trace: &Trace) -> Self {
        let pairs = pairs(trace);
        match trace.class {
            Class::Open => open(trace, pairs),
            Class::Known(Algorithm::Mixed) => mixed(trace, pairs),
            Class::Known(algorithm) => known(algorithm, pairs),
        }
    }
}

fn known(algorithm: Algorithm, pairs: Pairs) -> Right {
    use Algorithm as A;
    let mut right = Right {
        patterns: vec![pattern_of(algorithm)],
        algorithms: vec![algorithm],
        predictable: Some(pattern_of(algorithm) != Pattern::Random),
    };
    let add = |right: &mut Right, algorithms: &[Algorithm]| {
        for &algorithm in algorithms {
            if !right.algorithms.contains(&algorithm) {
                right.algorithms.push(algorithm);
            }
            let pattern = pattern_of(algorithm);
            if !right.patterns.contains(&pattern) {
                right.patterns.push(pattern);
            }
        }
    };
    if pairs.beside < FEW {
        // One destination in each namespace, or one after the other: the same as a counter for
        // each namespace.
        match algorithm {
            A::SeqGlobal | A::Alg4Dhash => add(&mut right, &[A::SeqGlobal, A::Alg4Dhash]),
            A::LinuxLpr | A::Alg5RandInc => add(&mut right, &[A::LinuxLpr, A::Alg5RandInc]),
            _ => {}
        }
    }
    if pairs.interleaved < FEW {
        // One destination at all, or one after the other.
        match algorithm {
            A::SeqGlobal | A::Alg3Hash | A::Alg4Dhash => {
                add(&mut right, &[A::SeqGlobal, A::Alg3Hash, A::Alg4Dhash]);
            }
            // Apart only by the +4 that one of them throws in, and lost events or occupied
            // ports do as well.
            A::LinuxHintEven | A::LinuxDhash256 if pairs.by_four > 0 || pairs.returns < 60 => {
                add(&mut right, &[A::LinuxHintEven, A::LinuxDhash256]);
            }
            _ => {}
        }
    }
    if pairs.returns < FEW {
        // No counter was ever seen to move: all that is left is the parity.
        match algorithm {
            A::RandomUniform | A::Alg3Hash | A::Alg4Dhash | A::LinuxLpr => {
                add(&mut right, &[A::RandomUniform, A::Alg3Hash, A::Alg4Dhash, A::LinuxLpr]);
                right.predictable = None;
            }
            A::LinuxHintEven | A::LinuxDhash256 | A::LinuxDhash64k => {
                add(&mut right, &[A::LinuxHintEven, A::LinuxDhash256, A::LinuxDhash64k]);
            }
            _ => {}
        }
    }
    right
}

fn mixed(trace: &Trace, pairs: Pairs) -> Right {
    let assigned = trace.events.iter().filter(|event| event.part.is_some()).count();
    let mut right = Right {
        patterns: vec![Pattern::Mixed],
        algorithms: vec![Algorithm::Mixed],
        predictable: None,
    };
    // So little of the second policy is what named ports and lost events look like as well.
    let few = pairs.lesser < FEW + 1 || pairs.lesser * 8 < assigned;
    // Without a return within an epoch, the connects say no more than their parity does.
    if few || pairs.returns < FEW {
        for rule in &trace.rules {
            let algorithm = name_of(rule);
            right.algorithms.push(algorithm);
            right.patterns.push(pattern_of(algorithm));
        }
        right.algorithms.push(Algorithm::RandomUniform);
        right.patterns.push(Pattern::Random);
    }
    right
}

fn open(trace: &Trace, pairs: Pairs) -> Right {
    let Rule::Open(open) = trace.rules[0] else {
        return Right { patterns: vec![], algorithms: vec![], predictable: None };
    };
    let mut patterns = match open {
        Open::Stride(_) | Open::FallingRandom(_) => vec![Pattern::Sequential],
        Open::LaneStride(_) | Open::LaneRandom(_) => vec![Pattern::PerDestination],
        Open::Pinned | Open::Cycle(_) => {
            vec![Pattern::Sequential, Pattern::PerDestination, Pattern::Random]
        }
        Open::Pool(_) | Open::Window(_) | Open::EvenRandom => vec![Pattern::Random],
        // Known from the last one, and spread as if random.
        Open::BitReversed => vec![Pattern::Sequential, Pattern::Random],
        Open::ByProcess => vec![Pattern::Sequential, Pattern::PerDestination, Pattern::Mixed],
    };
    let mut algorithms = vec![Algorithm::Other];
    if pairs.beside < FEW {
        patterns.extend([Pattern::Sequential, Pattern::PerDestination]);
        if let Open::LaneRandom(_) = open {
            algorithms.push(Algorithm::Alg5RandInc);
        }
    }
    if matches!(open, Open::Pool(_) | Open::Cycle(_)) && pairs.repeated < FEW {
        algorithms.push(Algorithm::RandomUniform);
    }
    Right { patterns, algorithms, predictable: None }
}

pub(crate) fn name_of(rule: &Rule) -> Algorithm {
    match rule {
        Rule::Sequential { .. } => Algorithm::SeqGlobal,
        Rule::RandomIncrements { .. } => Algorithm::Alg5RandInc,
        Rule::RandomStart | Rule::RandomRetry => Algorithm::RandomUniform,
        Rule::BindZero { .. } => Algorithm::RandomOdd,
        Rule::SimpleHash => Algorithm::Alg3Hash,
        Rule::HintEven => Algorithm::LinuxHintEven,
        Rule::DoubleHash { .. } => Algorithm::Alg4Dhash,
        Rule::Dhash256 => Algorithm::LinuxDhash256,
        Rule::Dhash64k { step: 1 } => Algorithm::LinuxLpr,
        Rule::Dhash64k { .. } => Algorithm::LinuxDhash64k,
        Rule::Open(_) => Algorithm::Other,
    }
}

pub(crate) fn pattern_of(algorithm: Algorithm) -> Pattern {
    match algorithm {
        Algorithm::SeqGlobal | Algorithm::Alg5RandInc => Pattern::Sequential,
        Algorithm::RandomUniform | Algorithm::RandomOdd => Pattern::Random,
        Algorithm::Mixed => Pattern::Mixed,
        Algorithm::Other | Algorithm::Undetermined => Pattern::Undetermined,
        _ => Pattern::PerDestination,
    }
}
