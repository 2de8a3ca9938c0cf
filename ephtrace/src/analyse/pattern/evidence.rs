//! The verdict in sentences: the few numbers that carry nearly all, and what would decide where
//! nothing is decided.

use super::{
    counts::Counts,
    ensemble::Ensemble,
    models::NEAR,
    names::{Algorithm, Pattern},
    verdict::{CONFIDENT, FEWEST_PAIRS, Verdict},
};
use crate::analyse::real as as_f64;

/// Share from which on a parity is worth a word.
const NEARLY_ALL: f64 = 0.95;

/// All sentences, the weightiest first.
pub(super) fn sentences(c: &Ensemble, verdict: &Verdict) -> Vec<String> {
    if c.counts.events == 0 {
        return vec!["nothing seen yet".into()];
    }
    let mut sentences = Vec::new();
    sentences.extend(numbers(&c.counts, verdict, c.host.random_up.n()));
    sentences.extend(simple_hash(&c.counts, verdict));
    sentences.extend(epochs(&c.counts, verdict));
    sentences.extend(too_little(&c.counts, verdict));
    sentences.extend(undecided(verdict));
    sentences.extend(kernel(c, verdict));
    sentences.extend(astray(c));
    sentences.extend(verdict.next_port_bits.map(guessing));
    sentences.extend(forgotten(c.forgotten()));
    sentences
}

/// "212 of 215 returns to a destination moved +2 to +16 (chance 0.03 %); global steps 3 of 255;
/// 256 of 256 even: double hash with random increments, Linux 5.18 or later".
fn numbers(counts: &Counts, verdict: &Verdict, increments: f64) -> Option<String> {
    let mut parts = Vec::new();
    let sequential = verdict.patterns[0].name == Pattern::Sequential;
    if !sequential {
        parts.extend(returns(counts));
    }
    if counts.pairs > 0 {
        let steps = if verdict.algorithms[0].name == Algorithm::Alg5RandInc {
            format!("steps of 1 to about {increments:.0} from one assignment to the next")
        } else {
            format!(
                "global steps {} of {}{}",
                counts.near_pairs,
                counts.pairs,
                if sequential { chance(counts.chance_of_pair()) } else { String::new() }
            )
        };
        parts.push(steps);
    }
    if sequential {
        parts.extend(returns(counts));
    }
    parts.extend(parity(counts));
    let name = match verdict.algorithm {
        Algorithm::Undetermined => String::new(),
        algorithm => format!(": {}", algorithm.in_words()),
    };
    (!parts.is_empty()).then(|| format!("{}{name}", parts.join("; ")))
}

fn returns(counts: &Counts) -> Option<String> {
    let steps = match counts.near_steps {
        Some((low, high)) if low < high => format!("moved +{low} to +{high}"),
        Some((step, _)) => format!("moved +{step}"),
        None => format!("moved +1 to +{NEAR}"),
    };
    (counts.returns > 0).then(|| {
        let (near, all) = (counts.near_returns, counts.returns);
        format!(
            "{near} of {all} returns to a destination {steps}{}",
            chance(counts.chance_of_return())
        )
    })
}

fn chance(share: f64) -> String {
    format!(" (chance {:.2} %)", 100.0 * share)
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

/// How well one counter for everybody predicts the returns to a destination.
fn simple_hash(counts: &Counts, verdict: &Verdict) -> Option<String> {
    let predicted = match verdict.algorithms[0].name {
        Algorithm::Alg3Hash => counts.predicted[0],
        Algorithm::LinuxHintEven => counts.predicted[1],
        _ => return None,
    };
    (counts.interleaved > 0).then(|| {
        format!(
            "{predicted} of {} returns with others in between are exactly where one counter for \
             everybody puts them",
            counts.interleaved
        )
    })
}

/// What happened across the changes of the hash secret.
fn epochs(counts: &Counts, verdict: &Verdict) -> Option<String> {
    let salted =
        matches!(verdict.algorithms[0].name, Algorithm::LinuxDhash64k | Algorithm::LinuxLpr);
    (salted && counts.resalted > 0).then(|| {
        format!(
            "{} of {} returns after a change of the hash secret (every 10 s) started elsewhere",
            counts.resalted_far, counts.resalted
        )
    })
}

fn too_little(counts: &Counts, verdict: &Verdict) -> Option<String> {
    if verdict.informative_pairs < FEWEST_PAIRS {
        return Some(format!(
            "too few informative pairs ({}): {}",
            verdict.informative_pairs,
            if counts.events < 2 + FEWEST_PAIRS {
                "a few more assignments would decide"
            } else {
                "returns to a destination within ten seconds would decide"
            }
        ));
    }
    let alike = matches!(
        verdict.algorithms[0].name,
        Algorithm::SeqGlobal
            | Algorithm::Alg5RandInc
            | Algorithm::Alg3Hash
            | Algorithm::Alg4Dhash
            | Algorithm::LinuxHintEven
            | Algorithm::LinuxDhash256
            | Algorithm::LinuxLpr
    );
    (alike && counts.single_destination()).then(|| {
        let seen = if counts.destinations <= 1 {
            "only one destination"
        } else {
            "only one destination at a time"
        };
        format!(
            "{seen} seen: a counter for everybody and one for each destination are the same thing \
             here; a return to an earlier destination after others were used would tell them apart"
        )
    })
}

/// The two candidates of a verdict that is withheld, and what would decide.
fn undecided(verdict: &Verdict) -> Option<String> {
    if verdict.algorithm != Algorithm::Undetermined || verdict.algorithm_confidence >= CONFIDENT {
        return None;
    }
    let (one, two) = (verdict.algorithms[0], verdict.algorithms[1]);
    Some(format!(
        "undecided between {} ({:.0} %) and {} ({:.0} %): {} would decide",
        one.name,
        100.0 * one.probability,
        two.name,
        100.0 * two.probability,
        decider(one.name, two.name)
    ))
}

fn decider(one: Algorithm, two: Algorithm) -> &'static str {
    use Algorithm as A;
    let either = |test: fn(A) -> bool| test(one) || test(two);
    if either(|a| a == A::Mixed) {
        "the origin of each assignment (connect, bind), or more of them,"
    } else if either(|a| matches!(a, A::RandomUniform | A::RandomOdd)) {
        "more returns to a destination within ten seconds"
    } else if either(|a| a == A::Other) {
        "more assignments"
    } else if either(|a| matches!(a, A::LinuxDhash64k)) {
        "at least 8 more returns to a destination, or one across a ten-second boundary,"
    } else {
        "a return to an earlier destination after others were used"
    }
}

/// Where the kernel's own search was seen: does it agree?
fn kernel(c: &Ensemble, verdict: &Verdict) -> Option<String> {
    let truth = c.kernel.algorithm()?;
    let checked = c.kernel.checked();
    Some(match verdict.confirmed_by_kernel {
        Some(true) => {
            format!("confirmed by the kernel's own state in {checked} searches")
        }
        Some(false) => format!(
            "the kernel's own state disagrees: by the perturbation word of {checked} searches it \
             is {truth} ({})",
            truth.in_words()
        ),
        None => format!("by the kernel's own state in {checked} searches it is {truth}"),
    })
}

/// Where the kernel's search began: the port must be there or further on its way.
fn astray(c: &Ensemble) -> Option<String> {
    let (seen, fits) = (c.kernel.candidates, c.kernel.on_the_way);
    let wrong = seen.checked_sub(fits).filter(|wrong| *wrong > 0)?;
    Some(format!("{wrong} of {seen} ports are not on the way of the kernel's own search"))
}

/// Less than this is no guess at all.
const CERTAIN: f64 = 0.05;

fn guessing(bits: f64) -> String {
    if bits < CERTAIN {
        return "the next port of a destination is certain once its last one is known".into();
    }
    format!(
        "the next port of a destination whose last one is known is {bits:.1} bits from certain: \
         one guess in {:.0} hits",
        bits.exp2()
    )
}

fn forgotten(destinations: u64) -> Option<String> {
    (destinations > 0).then(|| {
        format!("{destinations} destinations were forgotten for lack of room and began anew")
    })
}
