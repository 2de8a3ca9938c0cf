//! Right answers for a trace: the pattern of the policy that made it. There are several only if the
//! delivered rows can't tell them apart.
//!
//! - No switch from one destination to another within a namespace: a counter for all destinations
//!   and a counter for each are the same.
//! - No return to a destination after others were used: one counter behind all hashes and a counter
//!   behind each are the same.
//! - A mixture of which the lesser part delivered fewer than max(4, 14 %) of the rows, or whose
//!   counter delivered fewer than three pairs: either name.
//! - Fewer than three pairs of a counter: no name is wrong, except `random` for a policy that is
//!   not random.
//!
//! These rules depend on the truth, never on a verdict.

use std::collections::{HashMap, HashSet};

use ephtrace::analyse::pattern::{Algorithm, Pattern};

use crate::{
    policy::{Open, Rule},
    rules::Class,
    trace::{Row, Trace},
    world::Range,
};

/// Last use of a destination: row within its namespace, epoch, range.
type Last = (usize, u64, Range);

/// Fewer pairs than this can't decide.
const FEW: usize = 3;

/// The right answers.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) algorithms: Vec<Algorithm>,
    /// True if the next port can be predicted; `None` for a mixture, where it depends.
    pub(crate) predictable: Option<bool>,
}

impl Right {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let pattern = pattern_of(algorithm);
        let predictable = match pattern {
            Pattern::Random => Some(false),
            Pattern::Sequential | Pattern::PerDestination => Some(true),
            _ => None,
        };
        Self { patterns: vec![pattern], algorithms: vec![algorithm], predictable }
    }

    fn also(&mut self, algorithms: &[Algorithm]) {
        for &algorithm in algorithms {
            if !self.algorithms.contains(&algorithm) {
                self.algorithms.push(algorithm);
            }
            let pattern = pattern_of(algorithm);
            if !self.patterns.contains(&pattern) {
                self.patterns.push(pattern);
            }
        }
    }
}

/// Counts of the pairs in a trace that can decide something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pairs {
    /// Rows whose previous row in the same namespace has another destination.
    pub(crate) switches: usize,
    /// Returns to a destination within an epoch and a range.
    pub(crate) returns: usize,
    /// Returns after other destinations of the namespace were used.
    pub(crate) interleaved: usize,
    /// Rows after another row of the same namespace.
    pub(crate) following: usize,
    /// Ports that occurred before.
    pub(crate) repeated: usize,
    /// Rows that a policy made.
    pub(crate) assigned: usize,
    /// Rows of the lesser of the two policies.
    pub(crate) lesser: usize,
    /// Returns, with the secret unchanged, from one row of the policy by destination to the next.
    pub(crate) of_counter: usize,
}

pub(crate) fn pairs(trace: &Trace) -> Pairs {
    let salted = |rule: &Rule| {
        matches!(rule, Rule::Dhash64k { .. }) && trace.class != Class::Linux518ForGood
    };
    let counter =
        trace.rules.iter().position(|rule| pattern_of(name_of(rule)) == Pattern::PerDestination);
    let mut last_of_counter: HashMap<u64, u64> = HashMap::new();
    let mut pairs = Pairs::default();
    let mut last_of_key: HashMap<(usize, u64), Last> = HashMap::new();
    let mut last_of_netns: HashMap<usize, (u64, usize)> = HashMap::new();
    let mut parts = [0, 0];
    let mut ports = HashSet::new();
    for row in trace.rows.iter().filter(|row| row.part.is_some()) {
        parts[row.part.unwrap_or(0)] += 1;
        pairs.repeated += usize::from(!ports.insert(row.sport));
        pairs.assigned += 1;
        let Row { to, range, .. } = *row;
        let (before, count) = last_of_netns.get(&to.netns).copied().unwrap_or((to.key, 0));
        last_of_netns.insert(to.netns, (to.key, count + 1));
        pairs.following += usize::from(count > 0);
        pairs.switches += usize::from(before != to.key);
        let rule = row.part.and_then(|part| trace.rules.get(part));
        let epoch = if rule.is_some_and(salted) { row.epoch } else { 0 };
        if row.part == counter {
            pairs.of_counter += usize::from(last_of_counter.insert(to.key, epoch) == Some(epoch));
        }
        if let Some((then, in_epoch, of_range)) =
            last_of_key.insert((to.netns, to.key), (count, epoch, range))
            && (in_epoch, of_range) == (epoch, range)
        {
            pairs.returns += 1;
            pairs.interleaved += usize::from(count - then > 1);
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
            class if class.algorithm() == Algorithm::Mixed => mixed(trace, pairs),
            class => known(class.algorithm(), pairs),
        }
    }
}

fn known(algorithm: Algorithm, pairs: Pairs) -> Right {
    use Algorithm as A;
    let mut right = Right::new(algorithm);
    if pattern_of(algorithm) == Pattern::Random {
        return right;
    }
    if pairs.switches == 0 {
        match algorithm {
            A::SeqGlobal | A::Alg3Hash | A::Alg4Dhash => {
                right.also(&[A::SeqGlobal, A::Alg3Hash, A::Alg4Dhash]);
            }
            A::LinuxLpr | A::Alg5RandInc => right.also(&[A::LinuxLpr, A::Alg5RandInc]),
            _ => right.patterns = vec![Pattern::Sequential, Pattern::PerDestination],
        }
    }
    if pairs.interleaved == 0 {
        match algorithm {
            A::Alg3Hash | A::Alg4Dhash => right.also(&[A::Alg3Hash, A::Alg4Dhash]),
            A::LinuxHintEven | A::LinuxDhash256 => {
                right.also(&[A::LinuxHintEven, A::LinuxDhash256]);
            }
            _ => {}
        }
    }
    let informative = match pattern_of(algorithm) {
        Pattern::Sequential => pairs.following,
        _ => pairs.returns,
    };
    if informative < FEW {
        match algorithm {
            A::Alg3Hash | A::Alg4Dhash | A::LinuxLpr => {
                right.also(&[A::Alg3Hash, A::Alg4Dhash, A::LinuxLpr, A::RandomUniform]);
                right.predictable = None;
            }
            A::LinuxHintEven | A::LinuxDhash256 | A::LinuxDhash64k => {
                right.also(&[A::LinuxHintEven, A::LinuxDhash256, A::LinuxDhash64k]);
            }
            _ => {}
        }
    }
    right
}

/// Returns true if the second policy made so few rows that named ports and lost events look the
/// same.
pub(crate) fn is_minor(lesser: usize, of: usize) -> bool {
    (lesser as f64) < (0.14 * of as f64).max(4.0)
}

fn mixed(trace: &Trace, pairs: Pairs) -> Right {
    let mut right = Right::new(Algorithm::Mixed);
    let by_destination = |rule: &Rule| pattern_of(name_of(rule)) == Pattern::PerDestination;
    let untold = pairs.of_counter < FEW && trace.rules.iter().any(by_destination);
    if untold {
        // Ports of a counter that is never seen to move are as good as random.
        let others = trace
            .rules
            .iter()
            .map(name_of)
            .filter(|name| pattern_of(*name) != Pattern::PerDestination);
        right.also(&others.collect::<Vec<_>>());
        right.also(&[Algorithm::RandomUniform]);
    }
    if is_minor(pairs.lesser, pairs.assigned) {
        let parts = trace.rows.iter().filter_map(|row| row.part);
        let second = 2 * parts.clone().filter(|part| *part == 1).count() > pairs.assigned;
        let alone = known(name_of(&trace.rules[usize::from(second)]), pairs);
        if pairs.lesser == 0 {
            return alone;
        }
        right.patterns.extend(alone.patterns);
        right.algorithms.extend(alone.algorithms);
    }
    right
}

fn open(trace: &Trace, pairs: Pairs) -> Right {
    let mut right =
        Right { patterns: vec![], algorithms: vec![Algorithm::Other], predictable: None };
    let Rule::Open(open) = trace.rules[0] else { return right };
    right.patterns = match open {
        Open::Stride(_) | Open::Falling(_) => vec![Pattern::Sequential],
        Open::LaneStride(_) | Open::LaneRandom(_) => vec![Pattern::PerDestination],
        // A few ports in turn: whichever program names them, they are none of the kernel's.
        Open::Cycle(_) => {
            vec![Pattern::Sequential, Pattern::PerDestination, Pattern::Random, Pattern::Fixed]
        }
        Open::Pool(_) => vec![Pattern::Random, Pattern::Fixed],
        Open::Window(_) | Open::EvenRandom => vec![Pattern::Random],
        // Known from the last port, and spread as if random.
        Open::BitReversed => vec![Pattern::Sequential, Pattern::Random],
        Open::ByProcess => vec![Pattern::Sequential, Pattern::PerDestination, Pattern::Mixed],
    };
    if matches!(open, Open::Pool(_) | Open::Cycle(_)) {
        right.algorithms.push(Algorithm::Fixed);
        if pairs.repeated < FEW {
            right.algorithms.push(Algorithm::RandomUniform);
        }
    }
    if pairs.switches == 0 {
        right.patterns.extend([Pattern::Sequential, Pattern::PerDestination]);
        if let Open::LaneRandom(_) = open {
            right.algorithms.push(Algorithm::Alg5RandInc);
        }
    }
    right
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
        Algorithm::Fixed => Pattern::Fixed,
        Algorithm::Other | Algorithm::Undetermined => Pattern::Undetermined,
        _ => Pattern::PerDestination,
    }
}
