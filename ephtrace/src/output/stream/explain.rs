//! Explains one assignment in a sentence: where the search began, how far it went, and why.
//!
//! The sentence says the same as the columns; nothing is derived here.

use std::io::Write as _;

use crate::model::{Assignment, Pass, RangeInForce, Search, errno_name, is_no_port};

/// Appends the sentence.
pub(super) fn explain(out: &mut Vec<u8>, assignment: &Assignment) {
    let mut parts = Vec::new();
    parts.extend(assignment.step.map(|step| moved(step, assignment.resalted)));
    parts.push(match assignment.origin.map(Search::of) {
        _ if assignment.is_failed() => failure(assignment),
        Some(Search::Random) => "chosen at random".to_owned(),
        Some(Search::Counted) => {
            "an identifier, one above the last one assigned to anyone".to_owned()
        }
        Some(Search::Named) => "chosen by the program, or bound earlier".to_owned(),
        Some(Search::Keyed) | None => search(assignment),
    });
    if assignment.is_self_connect() {
        parts.push("it equals the destination port: the socket talks to itself".to_owned());
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
    let moved = format!("{step:+} from the previous port to this destination");
    match resalted {
        Some(true) => format!("{moved}, with a new hash secret in between (every 10 s)"),
        _ => moved,
    }
}

/// Why there is no port, as far as the error and the search tell.
fn failure(assignment: &Assignment) -> String {
    let Assignment { origin, errno, first_candidate, tried, .. } = *assignment;
    let error = match (errno.and_then(errno_name), errno) {
        (Some(name), _) => name.to_owned(),
        (None, Some(errno)) => format!("errno {errno}"),
        (None, None) => "unknown error".to_owned(),
    };
    let is_named = origin.map(Search::of) == Some(Search::Named);
    let is_full = errno.is_none_or(|errno| is_no_port(origin, errno));
    match (first_candidate, tried) {
        (Some(port), _) if is_named => format!("{error} for port {port}, chosen by the program"),
        (None, _) if is_named => format!("{error} for a port chosen by the program"),
        (Some(first), Some(tried)) if is_full => {
            format!("{error}, the search began at {first}, but none of {tried} candidates was free")
        }
        (Some(first), None) if is_full => {
            format!("{error}, the search began at {first}, but no candidate was free")
        }
        (Some(first), _) => format!("{error}, the search began at {first}"),
        (None, _) if is_full && errno.is_some() => {
            format!("{error}, the search found no free port")
        }
        (None, _) => error,
    }
}

fn search(assignment: &Assignment) -> String {
    let Assignment { first_candidate, tried, pass, search_unknown, .. } = *assignment;
    let Some(first) = first_candidate else {
        return match search_unknown {
            Some(why) => format!("the start of the search is unknown: {}", why.in_words()),
            None => "the start of the search is unknown".to_owned(),
        };
    };
    let began = format!("the search began at {first}");
    match (tried, pass) {
        (Some(1), _) => format!("{began} and took it at once"),
        (Some(tried), Some(Pass::Second)) => format!(
            "{began}, found no free port of its parity and went on to the other parity: {tried} \
             candidates, the last one free"
        ),
        (Some(2), _) => format!("{began}, which was in use or reserved, and took the next"),
        (Some(tried), _) => {
            let refused = tried.saturating_sub(1);
            format!("{began} and skipped {refused} candidates in use or reserved")
        }
        (None, _) => {
            let why = search_unknown.map_or(String::new(), |why| format!(": {}", why.in_words()));
            format!("{began}; the number of candidates tried is unknown{why}")
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
    use crate::model::{Origin, Unknown};

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
        let none = Assignment {
            sport: None,
            errno: Some(99),
            pass: None,
            ..found(0, 28_232, Pass::First)
        };
        let unseen = Assignment { first_candidate: None, tried: None, ..none.clone() };
        let named = Assignment {
            errno: Some(98),
            origin: Some(Origin::Explicit),
            first_candidate: Some(8080),
            range: None,
            ..unseen.clone()
        };
        let memory = Assignment { errno: Some(12), ..unseen.clone() };
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
            unseen,
            named,
            memory,
            random_steps,
            raced,
            itself,
            Assignment { sport: Some(1), ..Assignment::default() },
        ];
        insta::assert_snapshot!(all.map(|a| told(&a)).join("\n"), @"
        40000: +8 from the previous port to this destination; the search began at 40000 and took it at once (range 32768-60999)
        40000: +8 from the previous port to this destination, with a new hash secret in between (every 10 s); the search began at 40000 and took it at once (range 32768-60999)
        40002: the search began at 40000, which was in use or reserved, and took the next (range 32768-60999)
        40008: the search began at 40000 and skipped 4 candidates in use or reserved (range 32768-60999)
        40001: the search began at 40000, found no free port of its parity and went on to the other parity: 14117 candidates, the last one free (range 32768-60999)
        no port: EADDRNOTAVAIL, the search began at 40000, but none of 28232 candidates was free (range 32768-60999)
        no port: EADDRNOTAVAIL, the search found no free port (range 32768-60999)
        no port: EADDRINUSE for port 8080, chosen by the program
        no port: ENOMEM (range 32768-60999)
        41000: the search began at 40000; the number of candidates tried is unknown: the search takes random steps (net.ipv4.ip_local_port_step_width) (range 32768-60999)
        41000: the start of the search is unknown: another search used the same perturbation word at the same time (range 32768-60999)
        40000: the search began at 40000 and took it at once; it equals the destination port: the socket talks to itself (range 32768-60999)
        1: the start of the search is unknown
        ");
    }
}
