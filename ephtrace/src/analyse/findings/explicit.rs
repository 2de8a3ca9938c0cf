//! Rules about ports that the program had, or named: no search was made, and more ports are no
//! help. Sources: `tcp_v4_connect` and `__inet_check_established` (Linux 6.12), bind(2),
//! connect(2).

use super::{
    facts::{DestinationFacts, Facts},
    finding::{Check, Finding, Rule, Severity},
};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[tuple_taken, bind_refused];

fn failing(facts: &Facts) -> impl Iterator<Item = &DestinationFacts> {
    facts.destinations.iter().filter(|d| d.refused > 0)
}

fn who(d: &DestinationFacts) -> &str {
    d.process.as_deref().unwrap_or("a process")
}

/// A bound socket connects where another with the same port has a connection already.
fn tuple_taken(facts: &Facts) -> Vec<Finding> {
    let failing = failing(facts).filter(|d| d.flow.has_destination());
    failing
        .map(|d| Finding {
            rule: Rule::TupleTaken,
            severity: Severity::Warning,
            sentence: format!(
                "{} connects bound sockets to {d}, and the port of each has such a connection \
                 already",
                who(d)
            ),
            evidence: format!(
                "{} connects of bound sockets failed with EADDRNOTAVAIL: the 4-tuple is taken, \
                 not the range{}",
                d.refused,
                taken_by(d)
            ),
            remedies: vec![
                "another source port, or none: IP_BIND_ADDRESS_NO_PORT (SO_REUSEADDR and \
                 SO_REUSEPORT let it bind, and do not free the 4-tuple)"
                    .to_owned(),
                "where it is in TIME_WAIT: let the other side close first, or \
                 net.ipv4.tcp_tw_reuse=1 with TCP timestamps on both sides"
                    .to_owned(),
            ],
        })
        .collect()
}

/// What has the 4-tuples, as far as it is known.
fn taken_by(d: &DestinationFacts) -> String {
    let Some(in_use) = d.in_use else { return String::new() };
    let waiting = d.time_wait.unwrap_or(0);
    let held = d.held_by.as_ref().map_or_else(String::new, |who| format!(", {who}"));
    format!("; {in_use} connections to it there now, {waiting} of them in TIME_WAIT{held}")
}

/// A service wants a port that another has.
fn bind_refused(facts: &Facts) -> Vec<Finding> {
    let failing = failing(facts).filter(|d| !d.flow.has_destination());
    failing
        .map(|d| Finding {
            rule: Rule::BindRefused,
            severity: Severity::Warning,
            sentence: format!("{} can't have the port that it names in bind() on {d}", who(d)),
            evidence: format!(
                "{} of {} such calls failed: another socket has the port (EADDRINUSE), or the \
                 address is not there (EADDRNOTAVAIL)",
                d.refused, d.assignments
            ),
            remedies: vec![
                "`ss -tanp` tells who has a port; keep it out of the range: \
             net.ipv4.ip_local_reserved_ports"
                    .to_owned(),
            ],
        })
        .collect()
}
