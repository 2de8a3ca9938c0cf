//! The verdict in sentences: the few numbers that carry most of it, and what would decide an open
//! verdict.

use super::{
    counts::Counts,
    ensemble::Ensemble,
    models::NEAR,
    names::{Algorithm, Pattern, Predictable},
    posterior,
    verdict::{CONFIDENT, FEWEST_PAIRS, Verdict},
};
use crate::analyse::number::as_f64;

/// Share from which on a parity is mentioned.
const NEARLY_ALL: f64 = 0.95;

/// Reason for withholding a verdict that the ports don't show.
pub(super) const HIDDEN: &str = concat!(
    "the ports look random, but this kernel's connect does not choose them at random: ",
    "used ports or missing events hide its counter"
);

/// Returns all sentences, the weightiest first.
pub(super) fn sentences(c: &Ensemble, verdict: &Verdict) -> Vec<String> {
    let counts = &c.counts;
    if counts.events == 0 {
        return vec!["no assignments yet".into()];
    }
    let mut sentences = vec![predictable(verdict)];
    if verdict.patterns[0].name == Pattern::Fixed {
        sentences.push(fixed(c, verdict));
    } else {
        sentences.extend(numbers(c, verdict));
        sentences.extend(simple_hash(counts, verdict));
        sentences.extend(epochs(counts, verdict));
    }
    sentences.extend(undecided(counts, verdict));
    sentences.extend(kernel(c, verdict));
    sentences.extend(astray(c));
    sentences.extend(verdict.next_port_bits.map(guessing));
    sentences.extend(disorder(counts));
    sentences.extend(retries(counts));
    sentences.extend(forgotten(c.forgotten()));
    sentences
}

/// Answers whether the next port can be predicted.
fn predictable(verdict: &Verdict) -> String {
    let sure = percent(verdict.predictable_confidence);
    match (verdict.predictable, verdict.pattern) {
        (Predictable::Yes, Pattern::Fixed) => {
            format!("predictable: yes ({sure}), the program chooses the port itself")
        }
        (Predictable::Yes, Pattern::Undetermined) if verdict.patterns[0].name == Pattern::Fixed => {
            format!("predictable: yes ({sure}), the same few ports recur")
        }
        (Predictable::Yes, Pattern::Undetermined) => {
            format!(
                "predictable: yes ({sure}), the ports follow a counter, but whether it is global \
                 or per destination is unknown"
            )
        }
        (Predictable::Yes, _) => {
            format!("predictable: yes ({sure}), the ports follow a counter")
        }
        (Predictable::No, _) => format!("predictable: no ({sure}), the ports are random"),
        (Predictable::Unknown, Pattern::Mixed) => {
            "predictable: in part, some ports follow a counter and others do not".into()
        }
        (Predictable::Unknown, _) => {
            format!("predictable: unknown (the likelier answer reaches {sure})")
        }
    }
}

/// Formats a probability as a percentage that never claims certainty, nor a withheld one that would
/// have decided.
pub fn percent(probability: f64) -> String {
    let withheld = (0.8995..CONFIDENT).contains(&probability);
    match probability {
        0.9995.. => ">99.9 %".into(),
        _ if withheld => "89.9 %".into(),
        _ => format!("{:.1} %", 100.0 * probability),
    }
}

/// Returns "21 assignments to 21 destinations have 1 port: …".
fn fixed(c: &Ensemble, verdict: &Verdict) -> String {
    let (counts, ports) = (&c.counts, c.random.fixed.distinct());
    let name = match verdict.algorithm {
        Algorithm::Undetermined => String::new(),
        algorithm => format!(": {}", algorithm.in_words()),
    };
    format!(
        "{} assignments to {} used {}{name}",
        counts.events,
        plural(counts.destinations, "destination"),
        plural(ports.into(), "port")
    )
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Returns "212 of 215 repeat assignments to a destination landed 2 to 16 ports above the previous
/// one (0.03 % expected by chance); small steps ignoring destination: 3 of 255; 256 of 256 even:
/// double hash with random increments, Linux 5.18 or later".
fn numbers(c: &Ensemble, verdict: &Verdict) -> Option<String> {
    let counts = &c.counts;
    let mut parts = Vec::new();
    let sequential = verdict.patterns[0].name == Pattern::Sequential;
    if !sequential {
        parts.extend(returns(counts));
    }
    if counts.pairs > 0 {
        let steps = if verdict.algorithms[0].name == Algorithm::Alg5RandInc {
            format!("steps of 1 to about {:.0}, ignoring destination", c.host.random_up.n())
        } else {
            let chance = if sequential { chance(counts.chance_of_pair()) } else { String::new() };
            format!(
                "small steps ignoring destination: {} of {}{chance}",
                counts.near_pairs, counts.pairs
            )
        };
        parts.push(steps);
    }
    if sequential {
        parts.extend(several(counts));
        parts.extend(returns(counts));
    }
    parts.extend(parity(counts));
    let name = match verdict.algorithm {
        Algorithm::Undetermined => String::new(),
        algorithm => format!(": {}", algorithm.in_words()),
    };
    (!parts.is_empty()).then(|| format!("{}{name}", parts.join("; ")))
}

/// Reports counters that take turns: hardly a port follows the last one, but most follow one of
/// several.
fn several(counts: &Counts) -> Option<String> {
    let (near, all) = (counts.near_switches, counts.switches);
    (4 * counts.near_pairs < counts.pairs && 2 * near > all).then(|| {
        format!(
            "in {near} of {all} switches between destinations, the port follows one of several \
             counters"
        )
    })
}

fn returns(counts: &Counts) -> Option<String> {
    let steps = match counts.near_steps {
        Some((low, high)) if low < high => format!("{low} to {high} ports"),
        Some((1, _)) => "1 port".into(),
        Some((step, _)) => format!("{step} ports"),
        None => format!("1 to {NEAR} ports"),
    };
    (counts.returns > 0).then(|| {
        let (near, all) = (counts.near_returns, counts.returns);
        format!(
            "{near} of {all} {} landed {steps} above the previous one{}",
            repeats(counts),
            chance(counts.chance_of_return())
        )
    })
}

/// Assignments to a destination after the first, as a sentence names them.
fn repeats(counts: &Counts) -> &'static str {
    if counts.connects == counts.events {
        "repeat connects"
    } else {
        "repeat assignments to a destination"
    }
}

/// Two digits of a small share: they matter there.
fn chance(share: f64) -> String {
    let digits = if share < 0.01 { 2 } else { 1 };
    format!(" ({:.digits$} % expected by chance)", 100.0 * share)
}

fn parity(counts: &Counts) -> Option<String> {
    let (low, all) = (counts.low_parity, counts.events);
    let names = if counts.odd_low_ends * 2 > all { ("odd", "even") } else { ("even", "odd") };
    if all < FEWEST_PAIRS {
        None
    } else if as_f64(low) >= NEARLY_ALL * as_f64(all) {
        Some(format!("{low} of {all} {}", names.0))
    } else if as_f64(all - low) >= NEARLY_ALL * as_f64(all) {
        Some(format!("{} of {all} {}", all - low, names.1))
    } else {
        None
    }
}

/// Reports how well one counter behind all hashes predicts the returns to a destination.
fn simple_hash(counts: &Counts, verdict: &Verdict) -> Option<String> {
    let predicted = match verdict.algorithms[0].name {
        Algorithm::Alg3Hash => counts.predicted[0],
        Algorithm::LinuxHintEven => counts.predicted[1],
        _ => return None,
    };
    (counts.interleaved > 0).then(|| {
        format!(
            "{predicted} of {} repeats with other assignments in between landed exactly where a \
             single counter behind all hashes predicts",
            counts.interleaved
        )
    })
}

/// Reports the steps across changes of the hash secret.
fn epochs(counts: &Counts, verdict: &Verdict) -> Option<String> {
    let salted =
        matches!(verdict.algorithms[0].name, Algorithm::LinuxDhash64k | Algorithm::LinuxLpr);
    (salted && counts.resalted > 0).then(|| across_epochs(counts.resalted_far, counts.resalted))
}

/// Says how many of `all` steps across a boundary of ten seconds are long. Few are, where a kernel
/// keeps its hash secret: that is no contradiction to the verdict.
fn across_epochs(far: u64, all: u64) -> String {
    if 2 * far >= all {
        return format!(
            "{far} of {all} repeats after a change of the hash secret (every 10 s) started \
             elsewhere"
        );
    }
    format!(
        "{} of {all} repeats across a 10-second boundary went on from the previous port: this \
         kernel kept its hash secret",
        all - far
    )
}

/// Explains why a verdict is withheld, and what would decide.
fn undecided(counts: &Counts, verdict: &Verdict) -> Option<String> {
    if verdict.algorithm != Algorithm::Undetermined && verdict.pattern != Pattern::Undetermined {
        return None;
    }
    if verdict.informative_pairs < FEWEST_PAIRS {
        return Some(format!(
            "too few informative pairs ({}): {}",
            verdict.informative_pairs,
            if counts.events < 2 + FEWEST_PAIRS {
                "a few more assignments would decide"
            } else {
                "repeat connects to one destination within ten seconds would decide"
            }
        ));
    }
    // If the pattern is decided, only the rule within it is open.
    if verdict.predictable == Predictable::Yes && verdict.pattern == Pattern::Undetermined {
        if counts.switches == 0 {
            return Some(one_destination(counts));
        }
        if posterior::is_untold(counts) && counts.near_switches * 2 < counts.switches {
            return Some(
                "only one address was seen, and ports in between are missing: the same counter \
                 may have given them to other addresses; assignments to other addresses would \
                 decide"
                    .into(),
            );
        }
    }
    Some(candidates(verdict))
}

fn one_destination(counts: &Counts) -> String {
    let seen = if counts.destinations <= 1 {
        "only one destination was seen"
    } else {
        "no namespace was seen to switch between destinations"
    };
    format!(
        "{seen}: a global counter and a counter per destination look the same; an assignment to \
         an earlier destination after other ones would decide"
    )
}

/// Names the two candidates of a withheld verdict, and what would decide.
fn candidates(verdict: &Verdict) -> String {
    let (one, two) = (verdict.algorithms[0], verdict.algorithms[1]);
    format!(
        "undecided between {} ({:.0} %) and {} ({:.0} %): {} would decide",
        one.name,
        100.0 * one.probability,
        two.name,
        100.0 * two.probability,
        decider(one.name, two.name)
    )
}

fn decider(one: Algorithm, two: Algorithm) -> &'static str {
    use Algorithm as A;
    let either = |test: fn(A) -> bool| test(one) || test(two);
    if either(|a| a == A::Mixed) {
        "the origin of each assignment (connect, bind), or more of them,"
    } else if either(|a| a == A::Alg5RandInc) {
        "more assignments, or some to other addresses,"
    } else if either(|a| matches!(a, A::RandomUniform | A::RandomOdd)) {
        "more repeats to one destination within ten seconds"
    } else if either(|a| matches!(a, A::Other | A::Fixed)) {
        "more assignments"
    } else if either(|a| matches!(a, A::LinuxDhash64k)) {
        "at least 8 more repeats to one destination, or one across a ten-second boundary,"
    } else {
        "an assignment to an earlier destination after other ones"
    }
}

/// Reports whether the kernel's own search agrees, if it was seen.
fn kernel(c: &Ensemble, verdict: &Verdict) -> Option<String> {
    let truth = c.kernel.algorithm()?;
    let checked = c.kernel.checked();
    Some(match verdict.confirmed_by_kernel {
        Some(true) => {
            format!("confirmed by the kernel's own state in {checked} searches")
        }
        Some(false) => format!(
            "the kernel's own state disagrees: the perturbation word in {checked} searches shows \
             {truth} ({})",
            truth.in_words()
        ),
        None => format!("the kernel's own state in {checked} searches shows {truth}"),
    })
}

/// Reports ports that are not on the way of the kernel's search: a port must be its first candidate
/// or a later one.
fn astray(c: &Ensemble) -> Option<String> {
    let (seen, fits) = (c.kernel.candidates, c.kernel.on_the_way);
    let wrong = seen.checked_sub(fits).filter(|wrong| *wrong > 0)?;
    Some(format!("{wrong} of {seen} ports are not on the path of the kernel's own search"))
}

/// Entropy in bits below which nothing is left to guess.
const CERTAIN: f64 = 0.05;

fn guessing(bits: f64) -> String {
    if bits < CERTAIN {
        return "an attacker who knows the last port knows the next one".into();
    }
    format!(
        "an attacker who knows the last port needs about {:.0} guesses for the next one ({bits:.1} \
         bits)",
        bits.exp2()
    )
}

fn disorder(counts: &Counts) -> Option<String> {
    (counts.backwards > 0).then(|| {
        format!(
            "{} of {} assignments have timestamps out of order, which lowers the confidence",
            counts.backwards,
            counts.events + counts.retries
        )
    })
}

fn retries(counts: &Counts) -> Option<String> {
    (counts.retries > 0).then(|| {
        let (retry, are) =
            if counts.retries == 1 { ("is a retry", "is") } else { ("are retries", "are") };
        format!(
            "{} {retry} of a connect from the same port and {are} not judged",
            plural(counts.retries, "assignment")
        )
    })
}

fn forgotten(destinations: u64) -> Option<String> {
    (destinations > 0).then(|| {
        format!("state for {} was evicted and started over", plural(destinations, "destination"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_stays_does_not_contradict_the_verdict() {
        let kept = "8 of 8 repeats across a 10-second boundary went on from the previous port: \
                    this kernel kept its hash secret";
        assert_eq!(across_epochs(0, 8), kept);
        assert!(across_epochs(7, 8).starts_with("7 of 8 repeats after a change"));
    }
}
