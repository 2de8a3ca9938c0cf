//! One verdict from several verdicts on parts of a stream: theirs where they agree, else withheld.

use super::{
    number::as_f64,
    pattern::{Algorithm, Judge, Named, Pattern, Predictable, Verdict},
    summary::PatternCount,
};

/// Share of the assignments below which a part does not make the whole mixed.
const MINOR: f64 = 0.14;

/// A part, and the number of assignments in it.
pub(super) struct Share<'a> {
    pub(super) assignments: u64,
    pub(super) verdict: &'a Verdict,
}

/// Returns the verdict that `shares` of a whole of `total` assignments agree on. Each name's
/// probability is the mean over all assignments; assignments without a verdict count for every name
/// alike. `sentence` puts into words the counts of patterns and the number of verdicts that say
/// only that ports can be predicted.
pub(super) fn agreed(
    total: u64,
    shares: &[Share<'_>],
    sentence: impl FnOnce(&[PatternCount], u64) -> String,
) -> Verdict {
    let counts = counts(shares);
    let patterns = mean(&Pattern::ALL, total, shares, |verdict| &verdict.patterns);
    let algorithms = mean(&Algorithm::ALL, total, shares, |verdict| &verdict.algorithms);
    let busiest = shares.iter().max_by_key(|share| share.assignments).map(|share| share.verdict);
    let mut whole = busiest.cloned().unwrap_or_else(|| Judge::whole(&[]));
    let has_one_pattern = counts.len() <= 1;
    whole.evidence = vec![sentence(&counts, only_predictable(shares))];
    if let Some(busiest) = busiest.filter(|_| has_one_pattern) {
        let lines = busiest.evidence.iter();
        whole.evidence.extend(lines.map(|line| format!("busiest: {line}")));
    } else {
        whole.next_port_bits = None;
    }
    whole.n = shares.iter().map(|share| share.verdict.n).sum();
    whole.informative_pairs = shares.iter().map(|share| share.verdict.informative_pairs).sum();
    let confirmed = shares.iter().filter_map(|share| share.verdict.confirmed_by_kernel);
    whole.confirmed_by_kernel = confirmed.reduce(|one, other| one && other);
    (whole.patterns, whole.algorithms) = (patterns, algorithms);
    whole.decide();
    if !has_one_pattern {
        (whole.pattern, whole.algorithm) = (Pattern::Undetermined, Algorithm::Undetermined);
    }
    whole
}

/// Share of the probability of a mixture with which each of two parts shows the whole mixture,
/// with which one shows it and the other a part of it, and with which each shows one part.
const BOTH_MIXED: f64 = 0.4;
const ONE_MIXED: f64 = 0.3;
const CHANGED: f64 = 0.3;

/// Returns the verdict on parts of one stream that one rule makes, unless it changed: what the
/// parts agree on is surer than each of them. Parts that hardly count don't.
pub(super) fn of_one_stream(agreed: Verdict, total: u64, shares: &[Share<'_>]) -> Verdict {
    let least = MINOR * as_f64(total);
    let major = || shares.iter().filter(|share| as_f64(share.assignments) >= least);
    let judged = as_f64(major().map(|share| share.assignments).sum());
    let weight = |share: &Share<'_>| (as_f64(share.assignments) / judged).sqrt();
    let patterns = major().map(|share| tempered(&share.verdict.patterns, weight(share)));
    let algorithms = major().map(|share| tempered(&share.verdict.algorithms, weight(share)));
    let patterns = patterns.reduce(|one, other| joined(Pattern::Mixed, &one, &other));
    let algorithms = algorithms.reduce(|one, other| joined(Algorithm::Mixed, &one, &other));
    let (Some(patterns), Some(algorithms)) = (patterns, algorithms) else { return agreed };
    let mut whole = Verdict { patterns, algorithms, ..agreed };
    whole.decide();
    whole
}

/// Returns the probabilities with less weight for the evidence: that of the whole is tempered more
/// than that of a part, by the root of their numbers of events.
fn tempered<T: Copy>(list: &[Named<T>], exponent: f64) -> Vec<Named<T>> {
    let weights = list.iter().map(|named| named.probability.powf(exponent));
    let total: f64 = weights.clone().sum();
    let named = list.iter().zip(weights);
    named.map(|(named, weight)| Named { probability: weight / total, ..*named }).collect()
}

/// Returns the probabilities of the names over two parts: of one rule for both, or of a mixture.
fn joined<T: Copy + PartialEq>(mixed: T, one: &[Named<T>], other: &[Named<T>]) -> Vec<Named<T>> {
    let of = |list: &[Named<T>], name: T| {
        list.iter().find(|named| named.name == name).map_or(0.0, |named| named.probability)
    };
    let both = |name: T| of(one, name) * of(other, name);
    let pure: Vec<T> = one.iter().map(|named| named.name).filter(|name| *name != mixed).collect();
    let kinds = as_f64(pure.len() as u64);
    let same: f64 = pure.iter().map(|name| both(*name)).sum();
    let (first, second) = (of(one, mixed), of(other, mixed));
    let differs = (1.0 - first) * (1.0 - second) - same;
    let either = first * (1.0 - second) + second * (1.0 - first);
    let mixture = BOTH_MIXED * first * second
        + ONE_MIXED * either / (2.0 * kinds)
        + CHANGED * differs.max(0.0) / (kinds * (kinds - 1.0));
    let total = same + mixture;
    let named = |&Named { name, .. }: &Named<T>| Named {
        name,
        probability: if name == mixed { mixture } else { both(name) } / total,
    };
    let mut names: Vec<Named<T>> = one.iter().map(named).collect();
    names.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    names
}

/// Returns the verdict of the judge that saw all `total` assignments `together`, if there is one
/// and no part contradicts it; else the verdict that the parts `agreed` on. A part without a
/// verdict contradicts nothing.
pub(super) fn or_together(
    agreed: Verdict,
    total: u64,
    together: Option<&Verdict>,
    shares: &[Share<'_>],
) -> Verdict {
    let Some(together) = together else { return agreed };
    let says_less = together.pattern == Pattern::Undetermined
        && agreed.pattern != Pattern::Undetermined
        || together.algorithm == Algorithm::Undetermined
            && agreed.algorithm != Algorithm::Undetermined;
    let is_contradicted = match together.patterns[0].name {
        Pattern::Mixed => is_pure(total, shares),
        _ => shares.iter().any(|share| contradicts(share.verdict, together)),
    };
    if says_less || is_contradicted {
        return agreed;
    }
    let first = agreed.evidence.into_iter().take(1);
    let lines = together.evidence.iter().map(|line| format!("together: {line}"));
    Verdict { evidence: first.chain(lines).collect(), ..together.clone() }
}

/// Returns whether one pattern fits the verdicts on nearly all assignments. The parts of a mixture
/// may be pure, but not all in the same way.
fn is_pure(total: u64, shares: &[Share<'_>]) -> bool {
    let most = (1.0 - MINOR) * as_f64(total);
    Pattern::ALL.iter().filter(|pattern| **pattern != Pattern::Mixed).any(|&pattern| {
        let like = shares.iter().filter(|share| is_like(share.verdict, pattern));
        as_f64(like.map(|share| share.assignments).sum::<u64>()) > most
    })
}

/// Returns whether the verdict on a part says `pattern`, or at least its predictability.
fn is_like(part: &Verdict, pattern: Pattern) -> bool {
    let has_its_answer = match part.predictable {
        Predictable::Yes => pattern.is_of_a_counter() || pattern == Pattern::Fixed,
        Predictable::No => pattern == Pattern::Random,
        Predictable::Unknown => false,
    };
    part.pattern == pattern || part.pattern == Pattern::Undetermined && has_its_answer
}

/// Returns whether the verdict on a part is impossible if the likeliest pattern of the whole is
/// right. The part's algorithm may differ: the part that one stream sees of a shared counter looks
/// like another algorithm.
fn contradicts(part: &Verdict, whole: &Verdict) -> bool {
    let pattern = whole.patterns[0].name;
    let is_other = part.pattern != Pattern::Undetermined && part.pattern != pattern;
    let is_counter = pattern.is_of_a_counter();
    let is_other_answer = match part.predictable {
        Predictable::Yes => !is_counter && pattern != Pattern::Fixed,
        Predictable::No => is_counter,
        Predictable::Unknown => false,
    };
    is_other || is_other_answer
}

/// Returns the number of verdicts by pattern, most frequent first. Undetermined verdicts don't
/// count.
pub(super) fn counts(shares: &[Share<'_>]) -> Vec<PatternCount> {
    let mut counts: Vec<PatternCount> = Vec::new();
    for pattern in shares.iter().map(|share| share.verdict.pattern) {
        if pattern == Pattern::Undetermined {
            continue;
        }
        match counts.iter_mut().find(|count| count.pattern == pattern) {
            Some(count) => count.count += 1,
            None => counts.push(PatternCount { pattern, count: 1 }),
        }
    }
    counts.sort_by_key(|count| std::cmp::Reverse(count.count));
    counts
}

/// Returns the number of verdicts that say only that the next port can be predicted, not by which
/// pattern.
pub(super) fn only_predictable(shares: &[Share<'_>]) -> u64 {
    let is_only = |share: &&Share<'_>| {
        let Verdict { pattern, predictable, .. } = share.verdict;
        *pattern == Pattern::Undetermined && *predictable == Predictable::Yes
    };
    shares.iter().filter(is_only).count() as u64
}

fn mean<T: Copy + PartialEq>(
    names: &[T],
    total: u64,
    shares: &[Share<'_>],
    list: impl Fn(&Verdict) -> &Vec<Named<T>>,
) -> Vec<Named<T>> {
    let known: u64 = shares.iter().map(|share| share.assignments).sum();
    let total = total.max(known).max(1);
    let even = as_f64(total - known) / as_f64(total) / as_f64(names.len() as u64);
    let of = |share: &Share<'_>, name: T| {
        let named = list(share.verdict).iter().find(|one| one.name == name);
        named.map_or(0.0, |one| one.probability) * as_f64(share.assignments) / as_f64(total)
    };
    let named = |&name: &T| {
        let said: f64 = shares.iter().map(|share| of(share, name)).sum();
        Named { name, probability: said + even }
    };
    let mut means: Vec<Named<T>> = names.iter().map(named).collect();
    means.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    means
}
