//! Whether the ports follow the rule that the kernel that ran is known to have.

use super::{
    kernel_rules::KernelRules,
    names::{Algorithm, Pattern},
    stream::Stream,
    verdict::Verdict,
};

/// An answer, and the reason for it.
type Answer = (&'static str, String);

/// `expected for this kernel: yes, because …` out of the final verdict on each origin; `None` where
/// the kernel that ran is not known.
///
/// A `no` takes a stream that is whole: what is missing or out of order makes ports look otherwise.
pub fn expectation(
    origins: &[(&str, &Verdict)],
    rules: KernelRules,
    is_whole: bool,
) -> Option<String> {
    if !rules.is_traced() || origins.is_empty() {
        return None;
    }
    let answers = origins.iter().map(|(origin, verdict)| {
        let (answer, why) = answer(origin, verdict, rules, is_whole);
        match origins {
            [_] => format!("{answer}, because {why}"),
            _ => format!("{origin} {answer}, because {why}"),
        }
    });
    let answers: Vec<String> = answers.collect();
    Some(format!("expected for this kernel: {}", answers.join("; ")))
}

fn answer(origin: &str, verdict: &Verdict, rules: KernelRules, is_whole: bool) -> Answer {
    let stream = Stream::ALL.into_iter().find(|stream| stream.as_str() == origin);
    let Some(expected) = stream.and_then(|stream| rules.of(stream)) else {
        return ("unknown", format!("its rule for {origin} ports is unknown"));
    };
    if verdict.contradicts_kernel() {
        return if is_whole {
            ("no", format!("it assigns {origin} ports by {expected}, and these contradict it"))
        } else {
            ("unknown", "assignments are missing or out of order".to_owned())
        };
    }
    if verdict.pattern == Pattern::Fixed {
        return ("unknown", "fixed ports do not show its rule".to_owned());
    }
    match verdict.algorithm {
        algorithm if algorithm == expected && !verdict.is_known_from_kernel() => {
            ("yes", format!("it assigns {origin} ports by {expected}"))
        }
        algorithm if algorithm == expected => {
            ("unknown", format!("these ports fit its rule, {expected}, but do not prove it"))
        }
        Algorithm::Undetermined => {
            ("unknown", "these ports do not show by which rule they were assigned".to_owned())
        }
        other => ("unknown", format!("its rule is {expected}, and the verdict is {other}")),
    }
}
