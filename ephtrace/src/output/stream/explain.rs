//! Explains one assignment in a sentence: where the search began, how far it went, and why.
//!
//! The sentence says the same as the columns; nothing is derived here.

use std::io::Write as _;

use crate::model::{Assignment, Pass, RangeInForce, Search};

/// Appends the sentence.
pub(super) fn explain(out: &mut Vec<u8>, assignment: &Assignment) {
    let mut parts = Vec::new();
    parts.extend(assignment.step.map(|step| moved(step, assignment.resalted)));
    parts.push(match assignment.origin.map(Search::of) {
        Some(Search::Random) => {
            format!("{} at random", if assignment.is_failed() { "sought" } else { "chosen" })
        }
        Some(Search::Counted) => {
            "an identifier, counted up from the last one of anybody".to_owned()
        }
        Some(Search::Named) => {
            let port = assignment.first_candidate.map_or(String::new(), |port| format!("{port} "));
            format!("{port}named by the program, or its own from before")
        }
        Some(Search::Keyed) | None => search(assignment),
    });
    if assignment.is_self_connect() {
        parts.push("it is the very port connected to: the socket talks to itself".to_owned());
    }
    // Writing to memory can't fail.
    let _ = match assignment.sport {
        Some(port) => write!(out, "{port}: "),
        None => write!(out, "no port: "),
    };
    let _ = write!(out, "{}", parts.join("; "));
    if let Some(range) = assignment.range {
        let _ = write!(out, " ({})", within(range));
    }
}

fn moved(step: i32, resalted: Option<bool>) -> String {
    let moved = format!("{step:+} from the port before to this destination");
    match resalted {
        Some(true) => format!("{moved}, with a new hash secret in between (every 10 s)"),
        _ => moved,
    }
}

fn search(assignment: &Assignment) -> String {
    let Assignment { first_candidate, tried, pass, search_unknown, .. } = *assignment;
    let Some(first) = first_candidate else {
        return match search_unknown {
            Some(why) => format!("where the search began is not known, for {}", why.in_words()),
            None => "where the search began is not known".to_owned(),
        };
    };
    let began = format!("the search began at {first}");
    match (assignment.is_failed(), tried, pass) {
        (true, Some(tried), _) => format!("{began} and found none of {tried} candidates free"),
        (true, None, _) => format!("{began} and found none free"),
        (false, Some(1), _) => format!("{began} and took it at once"),
        (false, Some(tried), Some(Pass::Second)) => format!(
            "{began}, found no port of its parity free and went on to the others: {tried} \
             candidates, the last one free"
        ),
        (false, Some(2), _) => format!("{began}, which was taken or reserved, and took the next"),
        (false, Some(tried), _) => {
            let refused = tried.saturating_sub(1);
            format!("{began} and passed {refused} candidates that were taken or reserved")
        }
        (false, None, _) => {
            let why =
                search_unknown.map_or(String::new(), |why| format!(", for {}", why.in_words()));
            format!("{began}, how many candidates it looked at is not known{why}")
        }
    }
}

fn within(range: RangeInForce) -> String {
    let whose = if range.is_by_socket() { ", set by the socket" } else { "" };
    format!("range {}{whose}", range.ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unknown;

    fn told(assignment: &Assignment) -> String {
        let mut out = Vec::new();
        explain(&mut out, assignment);
        String::from_utf8(out).unwrap()
    }

    fn found(port: u16, tried: u32, pass: Pass) -> Assignment {
        Assignment {
            sport: Some(port),
            first_candidate: Some(40_000),
            tried: Some(tried),
            pass: Some(pass),
            range: Some(RangeInForce::of_netns(32_768, 60_999)),
            ..Assignment::default()
        }
    }

    #[test]
    fn every_end_has_its_words() {
        let at_once = Assignment { step: Some(8), ..found(40_000, 1, Pass::First) };
        let none = Assignment { sport: None, pass: None, ..found(0, 28_232, Pass::First) };
        let mut random_steps = Assignment { tried: None, ..found(41_000, 0, Pass::First) };
        random_steps.search_unknown = Some(Unknown::RandomSteps);
        let mut raced = Assignment { first_candidate: None, ..found(41_000, 0, Pass::First) };
        raced.search_unknown = Some(Unknown::Raced);
        let mut itself = found(40_000, 1, Pass::First);
        (itself.flow.daddr, itself.flow.dport) = (Some(itself.flow.saddr), Some(40_000));
        let resalted = Assignment { resalted: Some(true), ..at_once.clone() };
        let all = [
            at_once,
            resalted,
            found(40_002, 2, Pass::First),
            found(40_008, 5, Pass::First),
            found(40_001, 14_117, Pass::Second),
            none,
            random_steps,
            raced,
            itself,
            Assignment { sport: Some(1), ..Assignment::default() },
        ];
        insta::assert_snapshot!(all.map(|a| told(&a)).join("\n"), @r##"
        40000: +8 from the port before to this destination; the search began at 40000 and took it at once (range 32768-60999)
        40000: +8 from the port before to this destination, with a new hash secret in between (every 10 s); the search began at 40000 and took it at once (range 32768-60999)
        40002: the search began at 40000, which was taken or reserved, and took the next (range 32768-60999)
        40008: the search began at 40000 and passed 4 candidates that were taken or reserved (range 32768-60999)
        40001: the search began at 40000, found no port of its parity free and went on to the others: 14117 candidates, the last one free (range 32768-60999)
        no port: the search began at 40000 and found none of 28232 candidates free (range 32768-60999)
        41000: the search began at 40000, how many candidates it looked at is not known, for with net.ipv4.ip_local_port_step_width the search takes random steps (range 32768-60999)
        41000: where the search began is not known, for another search used the same perturbation word at the same time (range 32768-60999)
        40000: the search began at 40000 and took it at once; it is the very port connected to: the socket talks to itself (range 32768-60999)
        1: where the search began is not known
        "##);
    }
}
