//! The rules, in the order of their worth. Sources of the numbers: `__inet_hash_connect` and
//! `inet_csk_find_open_port` (Linux 6.12), RFC 6056; the kernel's `ip-sysctl` for each remedy.

use std::fmt::Write as _;

use super::{DestinationFacts, Facts, Finding, NetnsFacts, Severity};
use crate::{analyse::real, event::ports_between};

/// A rule.
type Rule = fn(&Facts) -> Vec<Finding>;

/// All of them.
pub(super) const RULES: [Rule; 15] = [
    exhausted,
    full,
    runs_out,
    half_mark,
    retry_loop,
    storm,
    bind_zero,
    reserved_block,
    time_wait_not_reusable,
    conntrack,
    self_connect,
    short_reuse,
    listener_inside,
    equal_parity,
    other_range,
];

/// From this share of the usable ports on, few are left.
const NEARLY_FULL: f64 = 0.9;

/// An end of the ports is told so many seconds ahead: time enough to do something.
const SOON_S: f64 = 900.0;

/// A destination below this share of its range is not yet worth a word.
const HALF: f64 = 0.5;

/// More searches than this share in the other parity mean that the preferred one is used up, not
/// that a port or two was in the way.
const SECOND_PASS: f64 = 0.05;

/// As many failures a second of one process for one destination are no accident.
const RETRIES_PER_SECOND: f64 = 5.0;

/// A tracker that is fuller than this share is near its limit.
const TRACKER_FULL: f64 = 0.8;

/// A reserved block of so many ports is walked through in some microseconds.
const LONG_BLOCK: u32 = 1000;

/// The widest range that leaves well-known and most registered ports alone.
const WIDE_RANGE: &str = "sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\"";

fn exhausted(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| d.no_port > 0);
    failing.map(exhausted_one).collect()
}

fn exhausted_one(d: &DestinationFacts) -> Finding {
    let origin = d.origin.unwrap_or("connect");
    let mut evidence =
        format!("{} of {} assignments failed for want of a port", d.no_port, d.assignments);
    evidence += &used(d);
    if let Some(cpus) = d.search_cpus.filter(|&cpus| cpus >= 0.01) {
        let _ = write!(evidence, "; searching takes {:.0} % of a CPU", cpus * 100.0);
    }
    Finding {
        rule: "exhausted",
        severity: Severity::Critical,
        sentence: match &d.process {
            Some(who) => format!("{who} finds no free port ({origin}) for {d}"),
            None => format!("no port is free ({origin}) for {d}"),
        },
        evidence,
        remedies: more_ports(d),
    }
}

/// Nobody has tried yet.
fn full(facts: &Facts) -> Vec<Finding> {
    let full = facts.destinations.iter().filter(|d| d.no_port == 0 && is_full(d));
    full.map(|d| Finding {
        rule: "full",
        severity: Severity::Critical,
        sentence: format!("no port is left for {d}: the next connect fails"),
        evidence: (used(d) + &mostly(d)).trim_start_matches("; ").to_owned(),
        remedies: more_ports(d),
    })
    .collect()
}

fn is_full(d: &DestinationFacts) -> bool {
    let free = d.in_use.zip(d.usable).map(|(in_use, usable)| usable.saturating_sub(in_use));
    free == Some(0) && d.reusable.unwrap_or(0) == 0
}

fn runs_out(facts: &Facts) -> Vec<Finding> {
    let ending = facts.destinations.iter().filter_map(|d| {
        let capacity = d.capacity.filter(|_| d.no_port == 0)?;
        let seconds = capacity.full_in_s.filter(|&s| s > 0.0 && s <= SOON_S)?;
        Some((d, capacity, seconds))
    });
    ending
        .map(|(d, capacity, seconds)| {
            let growth = capacity.growth_per_second.unwrap_or(0.0);
            let mut evidence = format!("{growth:.0} ports more in use each second{}", used(d));
            if let Some(rate) = capacity.sustainable_per_second {
                let _ = write!(evidence, "; {rate:.0} assignments a second could go on for ever");
            }
            Finding {
                rule: "runs-out",
                severity: Severity::Warning,
                sentence: format!("at this rate the ports for {d} run out in about {seconds:.0} s"),
                evidence,
                remedies: more_ports(d),
            }
        })
        .collect()
}

fn half_mark(facts: &Facts) -> Vec<Finding> {
    let is_past = |d: &&DestinationFacts| d.no_port == 0 && is_past_half(d) && !is_full(d);
    let past = facts.destinations.iter().filter(is_past);
    past.map(|d| {
        let is_nearly_full = share(d).is_some_and(|share| share >= NEARLY_FULL);
        let mut evidence = Vec::new();
        if d.second_pass > 0 {
            let all = d.searches_known;
            evidence.push(format!("{} of {all} searches went through all ports of the preferred parity first", d.second_pass));
        }
        if let Some(tried) = d.tried_p50.filter(|&tried| tried > 1) {
            evidence.push(format!("half of them looked at {tried} candidates or more"));
        }
        if let Some(ns) = d.latency_p99_ns {
            evidence.push(format!("one in a hundred took {} us or more", ns / 1000));
        }
        let evidence = evidence.join("; ") + &used(d) + &mostly(d);
        Finding {
            rule: "half-mark",
            severity: Severity::Warning,
            sentence: if is_nearly_full {
                format!("nearly all ports for {d} are in use")
            } else {
                format!("more than half of the ports for {d} are in use: each connect searches through half of the range first")
            },
            evidence: evidence.trim_start_matches("; ").to_owned(),
            remedies: more_ports(d),
        }
    })
    .collect()
}

fn is_past_half(d: &DestinationFacts) -> bool {
    let by_use = share(d).is_some_and(|share| share >= HALF);
    let known = real(d.searches_known);
    let by_search = d.searches_known >= 20 && real(d.second_pass) > known * SECOND_PASS;
    d.to.is_some() && (by_use || by_search)
}

fn share(d: &DestinationFacts) -> Option<f64> {
    let (in_use, usable) = d.in_use.zip(d.usable.filter(|&usable| usable > 0))?;
    Some(f64::from(in_use) / f64::from(usable))
}

/// `; 9000 of 28232 ports in use (32 %)`, as far as it is known.
fn used(d: &DestinationFacts) -> String {
    let Some(share) = share(d) else {
        return d
            .range_ports()
            .map_or(String::new(), |ports| format!("; the range has {ports} ports"));
    };
    let (in_use, usable) = (d.in_use.unwrap_or(0), d.usable.unwrap_or(0));
    let wait = match d.time_wait {
        Some(count) if count > 0 => format!(", {count} of them in TIME_WAIT"),
        _ => String::new(),
    };
    format!("; {in_use} of {usable} ports in use ({:.0} %){wait}", share * 100.0)
}

/// `; mostly curl (4711)`, if it is known.
fn mostly(d: &DestinationFacts) -> String {
    d.process.as_ref().map_or_else(String::new, |who| format!("; mostly {who}"))
}

/// What gives a destination more ports.
fn more_ports(d: &DestinationFacts) -> Vec<String> {
    let mut remedies =
        vec!["keep connections and use them again: a pool, HTTP keep-alive".to_owned()];
    if d.range_ports().is_none_or(|ports| ports < 50_000) {
        remedies.push(WIDE_RANGE.to_owned());
    }
    match d.origin {
        Some("bind") => remedies.push(
            "setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) before bind(): the port is chosen in connect, and shared between destinations".to_owned(),
        ),
        Some("udp") => remedies.push("one connected socket for many datagrams".to_owned()),
        _ => remedies.push("more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT) or more destination addresses or ports".to_owned()),
    }
    remedies
}

fn retry_loop(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter_map(|d| {
        let failures = d.per_second? * (real(d.no_port) / real(d.assignments.max(1)));
        (failures >= RETRIES_PER_SECOND && 2 * d.no_port >= d.assignments).then_some((d, failures))
    });
    failing
        .map(|(d, failures)| Finding {
            rule: "retry-loop",
            severity: Severity::Warning,
            sentence: format!(
                "{} tries again without waiting after each failure",
                d.process.as_deref().unwrap_or("a process")
            ),
            evidence: format!("{failures:.0} failed attempts a second for {d}, each a search through the whole range"),
            remedies: vec!["wait longer after each failure (exponential backoff with jitter)".to_owned()],
        })
        .collect()
}

fn storm(facts: &Facts) -> Vec<Finding> {
    let Some(storm) = &facts.storm else { return Vec::new() };
    let who = storm.initiator.as_ref().map_or_else(String::new, |(who, share)| {
        format!("; {who} is behind {:.0} % of the rise", share * 100.0)
    });
    let sentence = match storm.ended_ns {
        Some(ended_ns) => {
            let seconds = (ended_ns.saturating_sub(storm.began_ns) + 500_000_000) / 1_000_000_000;
            format!("a connect storm ended after {seconds} s")
        }
        None => "a connect storm has begun".to_owned(),
    };
    vec![Finding {
        rule: "storm",
        severity: if storm.ended_ns.is_some() { Severity::Note } else { Severity::Warning },
        sentence,
        evidence: format!(
            "{:.0} assignments a second at its height, {:.0} before{who}",
            storm.peak, storm.before
        ),
        remedies: vec!["look at what the initiator does: a deployment, a restart, a cache that is empty, retries".to_owned()],
    }]
}

fn bind_zero(facts: &Facts) -> Vec<Finding> {
    let is_short = |d: &&DestinationFacts| d.no_port > 0 || is_past_half(d);
    let shortage = facts.destinations.iter().any(|d| is_short(&d));
    let binds = facts.destinations.iter().filter(|d| d.origin == Some("bind") && d.assignments > 0);
    binds
        .map(|d| Finding {
            rule: "bind-zero",
            severity: if shortage { Severity::Warning } else { Severity::Note },
            sentence: format!(
                "{} binds to port 0: each such port is taken for all destinations at once",
                d.process.as_deref().unwrap_or("a process")
            ),
            evidence: format!("{} bind() calls to port 0, source {d}", d.assignments),
            remedies: vec![
                "if it connects afterwards: setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) before bind() (Linux 4.2)".to_owned(),
            ],
        })
        .collect()
}

fn reserved_block(facts: &Facts) -> Vec<Finding> {
    let blocks = facts.namespaces.iter().filter_map(|n| {
        let longest = n.reserved.iter().max_by_key(|span| ports_between(**span))?;
        (ports_between(*longest) >= LONG_BLOCK).then_some((n, *longest))
    });
    blocks
        .map(|(n, (low, high))| Finding {
            rule: "reserved-block",
            severity: Severity::Note,
            sentence: format!("a block of reserved ports inside the range makes connects in {} slow now and then", n.name),
            evidence: format!(
                "{} ports from {low} to {high} are reserved: a search that begins among them walks to their end, and the port behind them is used far too often",
                ports_between((low, high))
            ),
            remedies: vec![
                format!("end the range below the block, or begin it above: sysctl -w net.ipv4.ip_local_port_range=\"{} {}\"", u32::from(high) + 1, n.range.map_or(65_535, |range| range.1)),
                "Linux 7.1 and later: sysctl -w net.ipv4.ip_local_port_step_width=64".to_owned(),
            ],
        })
        .collect()
}

fn time_wait_not_reusable(facts: &Facts) -> Vec<Finding> {
    let waiting = facts.destinations.iter().filter_map(|d| {
        let (time_wait, usable) = d.time_wait.zip(d.usable)?;
        let to = d.to?;
        let n = facts.namespaces.iter().find(|n| Some(n.netns) == d.netns)?;
        let many = f64::from(time_wait) >= f64::from(usable) * HALF / 2.0;
        let is_loopback = to.0.is_loopback() || d.saddr.is_some_and(|saddr| saddr.is_loopback());
        let off = match n.tw_reuse? {
            0 => true,
            2 => !is_loopback,
            _ => false,
        };
        (many && off).then_some((d, n, time_wait))
    });
    waiting.map(|(d, n, time_wait)| not_reusable(d, n, time_wait)).collect()
}

fn not_reusable(d: &DestinationFacts, n: &NetnsFacts, time_wait: u32) -> Finding {
    let value = n.tw_reuse.unwrap_or(0);
    let why = if value == 2 { "2 holds for loopback only" } else { "0 is off" };
    Finding {
        rule: "tw-reuse",
        severity: Severity::Warning,
        sentence: format!("ports in TIME_WAIT for {d} can't be used again for 60 seconds"),
        evidence: format!("{time_wait} ports in TIME_WAIT; net.ipv4.tcp_tw_reuse = {value} in {} ({why})", n.name),
        remedies: vec![
            "sysctl -w net.ipv4.tcp_tw_reuse=1 (needs TCP timestamps on both sides; never the old tcp_tw_recycle)".to_owned(),
            "let the other side close first".to_owned(),
        ],
    }
}

fn conntrack(facts: &Facts) -> Vec<Finding> {
    let Some((count, max)) = facts.conntrack.filter(|&(_, max)| max > 0) else { return Vec::new() };
    let share = real(count) / real(max);
    if share < TRACKER_FULL {
        return Vec::new();
    }
    vec![Finding {
        rule: "conntrack",
        severity: if share >= 1.0 { Severity::Critical } else { Severity::Warning },
        sentence:
            "the connection tracker is nearly full: beyond its limit new connections are dropped"
                .to_owned(),
        evidence: format!("{count} of {max} entries ({:.0} %)", share * 100.0),
        remedies: vec![
            format!("sysctl -w net.netfilter.nf_conntrack_max={}", max * 2),
            "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=30".to_owned(),
        ],
    }]
}

fn self_connect(facts: &Facts) -> Vec<Finding> {
    let Some(found) = facts.self_connects.as_ref() else { return Vec::new() };
    let sentence = found.explanation.clone().or_else(|| found.risk.clone());
    let Some(sentence) = sentence else { return Vec::new() };
    vec![Finding {
        rule: "self-connect",
        severity: if found.count > 0 { Severity::Warning } else { Severity::Note },
        sentence,
        evidence: format!("{} sockets connected to themselves", found.count),
        remedies: vec!["reserve the ports of local services: sysctl -w net.ipv4.ip_local_reserved_ports=PORT,…".to_owned()],
    }]
}

fn short_reuse(facts: &Facts) -> Vec<Finding> {
    let Some(reuse) = facts.reuse.as_ref() else { return Vec::new() };
    let Some(warning) = &reuse.warning else { return Vec::new() };
    let evidence = match reuse.time_ns {
        Some(time) => {
            format!("soonest after {:.1} s, {} times in all", real(time.min) / 1e9, reuse.reuses)
        }
        None => format!("{} times", reuse.reuses),
    };
    vec![Finding {
        rule: "short-reuse",
        severity: Severity::Note,
        sentence: warning.clone(),
        evidence,
        remedies: vec![WIDE_RANGE.to_owned()],
    }]
}

fn listener_inside(facts: &Facts) -> Vec<Finding> {
    let namespaces = facts.namespaces.iter().filter(|n| !n.listeners.is_empty());
    namespaces
        .map(|n| {
            let named = n.listeners.iter().map(|listener| match &listener.process {
                Some(process) => format!("{} ({process})", listener.port),
                None => listener.port.to_string(),
            });
            let ports: Vec<_> = n.listeners.iter().map(|listener| listener.port.to_string()).collect();
            Finding {
                rule: "listener-inside",
                severity: Severity::Note,
                sentence: format!("services in {} listen inside the range: after a restart their port may be taken by a connection", n.name),
                evidence: format!("listening and not reserved: {}", named.collect::<Vec<_>>().join(", ")),
                remedies: vec![format!("sysctl -w net.ipv4.ip_local_reserved_ports={}", ports.join(","))],
            }
        })
        .collect()
}

fn equal_parity(facts: &Facts) -> Vec<Finding> {
    let equal = facts.namespaces.iter().filter_map(|n| Some((n, n.range?)));
    equal
        .filter(|(_, (low, high))| low < high && low % 2 == high % 2)
        .map(|(n, (low, high))| Finding {
            rule: "equal-parity",
            severity: Severity::Note,
            sentence: format!("the range of {} has ends of equal parity: each connect leaves one port of it out of its search", n.name),
            evidence: format!("net.ipv4.ip_local_port_range = {low} {high}: an odd number of ports, of which the search takes an even one"),
            remedies: vec![format!("sysctl -w net.ipv4.ip_local_port_range=\"{low} {}\"", high.checked_add(1).unwrap_or(high - 1))],
        })
        .collect()
}

fn other_range(facts: &Facts) -> Vec<Finding> {
    let host = facts.namespaces.iter().find(|n| n.is_host).and_then(|n| n.range);
    let Some(host) = host else { return Vec::new() };
    let others = facts.namespaces.iter().filter(|n| !n.is_host);
    let others = others.filter_map(|n| Some((n, n.range.filter(|&range| range != host)?)));
    others
        .map(|(n, (low, high))| Finding {
            rule: "other-range",
            severity: Severity::Note,
            sentence: format!("{} has another range than the host: sysctl on the host does not reach it", n.name),
            evidence: format!("{low} to {high} there, {} to {} on the host", host.0, host.1),
            remedies: vec!["set it where the namespace is made (for a container: --sysctl net.ipv4.ip_local_port_range=…)".to_owned()],
        })
        .collect()
}
