//! Rules about the load: processes that ask for ports, and destinations that run short. Sources of
//! the numbers: `__inet_hash_connect` and `inet_csk_find_open_port` (Linux 6.12), RFC 6056; the
//! kernel's `ip-sysctl` for each remedy.

use std::fmt::Write as _;

use super::{
    DestinationFacts, Facts, Finding, Rule, Severity,
    asked::{binds_in_words, is_scarce},
    finding::Check,
    remedies::POOL,
};
use crate::{
    analyse::{number::as_f64, reuse::Reuse},
    model::{Origin, PortRange, human_duration::HumanDuration},
};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    exhausted,
    full,
    runs_out,
    half_mark,
    retry_loop,
    storm,
    bind_zero,
    self_connect,
    short_reuse,
];

/// Share of the usable ports in use from which on few are left.
const NEARLY_FULL: f64 = 0.9;

/// Forecast horizon of a finding, in seconds: time enough to act.
const SOON_S: f64 = 900.0;

/// Share of a destination's range below which its use is not reported.
pub(super) const HALF: f64 = 0.5;

/// Share of searches in the other parity above which the preferred parity is used up; below it, a
/// port or two was in the way.
const SECOND_PASS: f64 = 0.05;

/// Failures a second of one process for one destination from which on it retries in a loop.
const RETRIES_PER_SECOND: f64 = 5.0;

/// Minimum number of failures: fewer may be of one request each.
const MIN_RETRIES: u64 = 10;

/// Minimum time for a rate, in seconds. A second, less a margin: samples are a little early at
/// times.
const RETRIES_FOR_S: f64 = 0.95;

fn exhausted(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| d.no_port > 0 && !d.is_explicit());
    failing.map(|d| exhausted_one(facts, d)).collect()
}

fn exhausted_one(facts: &Facts, d: &DestinationFacts) -> Finding {
    let origin = d.origin.map_or("connect", Origin::name);
    let mut evidence = if facts.failed_only {
        format!("{} failed assignments: no free port", d.no_port)
    } else {
        format!("{} of {} assignments failed: no free port", d.no_port, d.assignments)
    };
    evidence += &used(d);
    if let Some(cpus) = d.search_cpus_at_most.filter(|&cpus| cpus >= 0.01) {
        let _ = write!(evidence, "; searching takes at most {:.0} % of a CPU", cpus * 100.0);
    }
    // The sentence names the process that asks.
    evidence += &d.held_by.as_ref().map_or_else(String::new, |who| format!("; {who}"));
    Finding {
        rule: Rule::Exhausted,
        severity: Severity::Critical,
        sentence: match &d.process {
            Some(who) => format!("{who} finds no free port ({origin}) for {d}"),
            None => format!("no free port ({origin}) for {d}"),
        },
        evidence,
        remedies: facts.more_ports(d),
    }
}

/// Ports are used up, but no process has tried yet.
fn full(facts: &Facts) -> Vec<Finding> {
    let full =
        facts.destinations.iter().filter(|d| d.no_port == 0 && !d.is_explicit() && is_full(d));
    full.map(|d| Finding {
        rule: Rule::Full,
        severity: Severity::Critical,
        sentence: format!("no free port for {d}: the next connect fails"),
        evidence: (used(d) + &held_by(d)).trim_start_matches("; ").to_owned(),
        remedies: facts.more_ports(d),
    })
    .collect()
}

/// Returns whether a connect would fail: also if it would have to take over a `TIME_WAIT` that is
/// too young.
fn is_full(d: &DestinationFacts) -> bool {
    let left = d.left.or_else(|| Some(d.usable?.saturating_sub(d.in_use?)));
    left == Some(0) && d.reusable_now.or(d.reusable).unwrap_or(0) == 0
}

fn runs_out(facts: &Facts) -> Vec<Finding> {
    let ending = facts.destinations.iter().filter_map(|d| {
        let capacity = d.capacity.filter(|c| d.no_port == 0 && c.in_use < c.usable)?;
        let seconds = capacity.full_in_s.filter(|&s| s <= SOON_S)?;
        Some((d, capacity, seconds))
    });
    ending
        .map(|(d, capacity, seconds)| {
            let growth = capacity.growth_per_second.unwrap_or(0.0);
            let mut evidence = format!("{growth:.0} more ports in use each second{}", used(d));
            // A higher one comes from the few ports that were released so far.
            let asked = capacity.assigned_per_second;
            let sustainable = capacity.sustainable_per_second;
            if let Some(rate) = sustainable.filter(|&rate| asked.is_some_and(|asked| rate < asked))
            {
                let _ = write!(evidence, "; {rate:.0} assignments per second are sustainable");
            }
            evidence += &held_by(d);
            Finding {
                rule: Rule::RunsOut,
                severity: Severity::Warning,
                sentence: format!(
                    "at this rate, ports for {d} run out in about {}",
                    in_words(seconds)
                ),
                evidence,
                remedies: facts.more_ports(d),
            }
        })
        .collect()
}

fn half_mark(facts: &Facts) -> Vec<Finding> {
    let is_past = |d: &&DestinationFacts| {
        d.no_port == 0 && !d.is_explicit() && is_past_half(d) && !is_full(d)
    };
    let past = facts.destinations.iter().filter(is_past);
    past.map(|d| {
        let is_nearly_full = d.blocked_share().is_some_and(|share| share >= NEARLY_FULL);
        let mut evidence = Vec::new();
        if d.second_pass > 0 {
            let all = d.searches_known;
            evidence.push(format!(
                "{} of {all} searches first scanned all ports of the preferred parity",
                d.second_pass
            ));
        }
        if let Some(tried) = d.tried_p50.filter(|&tried| tried > 1) {
            evidence.push(format!("half of all searches tried {tried} candidates or more"));
        }
        if let Some(ns) = d.latency_p99_ns {
            evidence.push(format!("port search latency p99 {}", HumanDuration(ns)));
        }
        let evidence = evidence.join("; ") + &used(d) + &held_by(d);
        Finding {
            rule: Rule::HalfMark,
            severity: Severity::Warning,
            sentence: if is_nearly_full {
                format!("nearly all ports for {d} are in use")
            } else {
                format!(
                    "more than half of the ports for {d} are in use: each connect first scans \
                     half of the range"
                )
            },
            evidence: evidence.trim_start_matches("; ").to_owned(),
            remedies: facts.more_ports(d),
        }
    })
    .collect()
}

fn is_past_half(d: &DestinationFacts) -> bool {
    let by_use = d.blocked_share().is_some_and(|share| share >= HALF);
    let known = as_f64(d.searches_known);
    let by_search = d.searches_known >= 20 && as_f64(d.second_pass) > known * SECOND_PASS;
    d.flow.has_destination() && (by_use || by_search)
}

/// Returns `; 9000 of 28232 ports in use (32 %)`, as far as it is known.
fn used(d: &DestinationFacts) -> String {
    let Some((in_use, usable)) = d.in_use.zip(d.usable.filter(|&usable| usable > 0)) else {
        return range(d);
    };
    let share = 100.0 * f64::from(in_use) / f64::from(usable);
    // The attempts failed when there were more.
    let now = if d.no_port > 0 && in_use < usable { "now " } else { "" };
    let mut text = format!("; {now}{in_use} of {usable} ports in use ({share:.0} %)");
    if let Some(count) = d.time_wait.filter(|&count| count > 0) {
        let _ = write!(text, ", {count} of them in TIME_WAIT");
    }
    let bound = d.left.map_or(0, |left| usable.saturating_sub(left + in_use));
    if bound > 0 {
        let _ = write!(text, ", {bound} more bound, so unavailable for every destination");
    }
    text
}

/// Returns `; the range has 28232 ports`, if it is known.
fn range(d: &DestinationFacts) -> String {
    let Some(ports) = d.range_ports() else { return String::new() };
    match d.failed_range {
        Some(PortRange { low, high }) => format!(
            "; the range had {} ports ({low} to {high}) when they failed, and has {ports} now",
            PortRange { low, high }.len()
        ),
        None => format!("; the range has {ports} ports"),
    }
}

/// Returns `45 s`, `15 min`.
fn in_words(seconds: f64) -> String {
    const LONG_S: f64 = 120.0;
    if seconds < LONG_S { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// Returns `; mostly curl (4711)` for the holder of the ports, or `; asked for by curl (4711)`, if
/// known.
fn held_by(d: &DestinationFacts) -> String {
    let asked = || d.process.as_ref().map(|who| format!("requested by {who}"));
    d.held_by.clone().or_else(asked).map_or_else(String::new, |who| format!("; {who}"))
}

fn retry_loop(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| !d.is_explicit());
    let failing = failing.filter_map(|d| {
        let per_second = d.per_second.filter(|_| d.assignments > 0)?;
        let failures = per_second * (as_f64(d.no_port) / as_f64(d.assignments));
        let is_long = as_f64(d.assignments) >= per_second * RETRIES_FOR_S;
        let is_most = d.no_port >= MIN_RETRIES && 2 * d.no_port >= d.assignments;
        (failures >= RETRIES_PER_SECOND && is_most && is_long).then_some((d, failures))
    });
    failing
        .map(|(d, failures)| Finding {
            rule: Rule::RetryLoop,
            severity: Severity::Warning,
            sentence: format!(
                "{} keeps retrying although no port is free",
                d.process.as_deref().unwrap_or("a process")
            ),
            evidence: format!(
                "{failures:.0} failed attempts per second for {d}, each of which scans the whole \
                 range"
            ),
            remedies: vec!["back off exponentially after each failure, with jitter".to_owned()],
        })
        .collect()
}

fn storm(facts: &Facts) -> Vec<Finding> {
    let Some(storm) = &facts.storm else { return Vec::new() };
    let who = storm.initiator.as_ref().map_or_else(String::new, |(who, share)| {
        format!("; {who} causes {:.0} % of the rise", share * 100.0)
    });
    let sentence = match storm.ended_ns {
        Some(ended_ns) => {
            let seconds = (ended_ns.saturating_sub(storm.began_ns) + 500_000_000) / 1_000_000_000;
            format!("a connect storm ended after {seconds} s")
        }
        None => "a connect storm has begun".to_owned(),
    };
    vec![Finding {
        rule: Rule::Storm,
        severity: if storm.ended_ns.is_some() { Severity::Note } else { Severity::Warning },
        sentence,
        evidence: format!(
            "{:.0} assignments per second at its peak, {:.0} before{who}",
            storm.peak, storm.before
        ),
        remedies: vec![
            "look at what the initiator does: a deployment, a restart, an empty cache, retries"
                .to_owned(),
        ],
    }]
}

fn bind_zero(facts: &Facts) -> Vec<Finding> {
    let is_short = |netns: Option<u32>| {
        let mut here = facts.destinations.iter().filter(|one| one.flow.netns == netns);
        let mut asked = facts.asked.iter().filter(|one| Some(one.netns) == netns);
        here.any(|one| one.no_port > 0 || is_past_half(one)) || asked.any(is_scarce)
    };
    let took = |d: &&DestinationFacts| d.assignments > d.failures;
    let binds = facts.destinations.iter().filter(|d| d.origin == Some(Origin::Bind)).filter(took);
    binds
        .map(|d| Finding {
            rule: Rule::BindZero,
            severity: if is_short(d.flow.netns) { Severity::Warning } else { Severity::Note },
            sentence: format!(
                "{} binds to port 0: each such port is taken for all destinations",
                d.process.as_deref().unwrap_or("a process")
            ),
            evidence: format!("{} to port 0 on {d}", binds_in_words(d.assignments)),
            remedies: vec![
                "if it connects afterwards: setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) \
                 before bind() (Linux 4.2 or later)"
                    .to_owned(),
            ],
        })
        .collect()
}

fn self_connect(facts: &Facts) -> Vec<Finding> {
    let Some(found) = facts.self_connects.as_ref() else { return Vec::new() };
    let sentence = found.explanation.clone().or_else(|| found.risk.clone());
    let Some(sentence) = sentence else { return Vec::new() };
    vec![Finding {
        rule: Rule::SelfConnect,
        severity: if found.count > 0 { Severity::Warning } else { Severity::Note },
        sentence,
        evidence: match found.count {
            0 => "none seen so far".to_owned(),
            1 => "1 socket connected to itself".to_owned(),
            count => format!("{count} sockets connected to themselves"),
        },
        remedies: vec![
            "reserve the ports of local services: sysctl -w \
             net.ipv4.ip_local_reserved_ports=PORT,… (this replaces the list, so include the \
             ports already reserved)"
                .to_owned(),
        ],
    }]
}

fn short_reuse(facts: &Facts) -> Vec<Finding> {
    let Some(reuse) = facts.reuse.as_ref() else { return Vec::new() };
    let Some(warning) = &reuse.warning else { return Vec::new() };
    let times = if reuse.reuses == 1 { "once".into() } else { format!("{} times", reuse.reuses) };
    let evidence = match reuse.time_ns {
        Some(time) => format!("soonest after {}; reused {times}", HumanDuration(time.min)),
        None => format!("reused {times}"),
    };
    let asker = reuse.soonest.and_then(|flow| facts.destinations.iter().find(|d| d.flow == flow));
    let evidence = evidence + &asker.map_or_else(String::new, held_by);
    vec![Finding {
        rule: Rule::ShortReuse,
        severity: Severity::Note,
        sentence: warning.clone(),
        evidence,
        remedies: vec![longer_until_reuse(facts, reuse).unwrap_or_else(|| POOL.to_owned())],
    }]
}

/// Returns how to get more ports for the destination whose port was reused soonest.
fn longer_until_reuse(facts: &Facts, reuse: &Reuse) -> Option<String> {
    let flow = reuse.soonest?;
    let d = facts.destinations.iter().find(|d| d.flow == flow);
    let unknown = || DestinationFacts { flow, ..DestinationFacts::default() };
    facts.wider(&d.cloned().unwrap_or_else(unknown))
}
