//! Rules about ports that the program had or named, and about addresses that the host lacks: no
//! search was made, and more ports don't help. Sources: `__inet_bind`, `tcp_v4_connect` and
//! `__inet_check_established` (Linux 6.12), bind(2), connect(2), bindresvport(3), mount.nfs(8).

use super::{
    asked::binds_in_words,
    facts::{DestinationFacts, Facts, TakenBy},
    finding::{Check, Finding, Rule, Severity},
};
use crate::model::Origin;

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[tuple_taken, bind_refused, no_address, privileged];

/// Ports below this one are for privileged programs; `bindresvport` goes through the upper half of
/// them.
const PRIVILEGED: u16 = 1024;

/// Number of refused privileged ports from which on the caller is no service that names its own
/// port.
const MIN_TRIES: u64 = 10;

fn who(d: &DestinationFacts) -> &str {
    d.process.as_deref().unwrap_or("a process")
}

/// Number of failures of `bind()` to a named port, without those caused by the address.
fn port_refused(d: &DestinationFacts) -> u64 {
    if d.flow.has_destination() { 0 } else { d.refused.saturating_sub(d.no_address) }
}

/// Returns whether ports below 1024 were tried one after another.
fn tries_privileged(d: &DestinationFacts) -> bool {
    let is_below = d.refused_port.is_some_and(|port| port < PRIVILEGED);
    is_below && d.refused_ports_differ && port_refused(d) >= MIN_TRIES
}

/// A bound socket connects although another socket with the same port already has that connection.
fn tuple_taken(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| d.refused > 0 && d.flow.has_destination());
    failing
        .map(|d| Finding {
            rule: Rule::TupleTaken,
            severity: Severity::Warning,
            sentence: format!(
                "{} connects bound sockets to {d}, but the same 4-tuple already exists",
                who(d)
            ),
            evidence: format!(
                "{} connects of bound sockets failed with EADDRNOTAVAIL: the 4-tuple is in use; \
                 the range is not exhausted{}{}",
                d.refused,
                port(d),
                there_now(d)
            ),
            remedies: vec![
                "bind to another source port, or to port 0 with IP_BIND_ADDRESS_NO_PORT; \
                 SO_REUSEADDR and SO_REUSEPORT allow the bind() but do not free the 4-tuple"
                    .to_owned(),
                "if it is in TIME_WAIT: let the peer close first, or set net.ipv4.tcp_tw_reuse=1 \
                 with TCP timestamps on both sides"
                    .to_owned(),
            ],
        })
        .collect()
}

/// Returns `; port 33445, now in TIME-WAIT`, as far as it is known.
fn port(d: &DestinationFacts) -> String {
    let Some(port) = d.refused_port else { return String::new() };
    let which = if d.refused_ports_differ { "several ports, last" } else { "port" };
    let now = match &d.taken_by {
        Some(TakenBy { state, who: Some(who) }) => format!(", held by {who} in {state}"),
        Some(TakenBy { state, who: None }) => {
            format!(", in {state}, not known to be open in any process")
        }
        None => String::new(),
    };
    format!("; {which} {port}{now}")
}

/// Describes existing connections to the destination, as far as they are known.
fn there_now(d: &DestinationFacts) -> String {
    let Some(in_use) = d.in_use else { return String::new() };
    let waiting = d.time_wait.unwrap_or(0);
    let held = d.held_by.as_ref().map_or_else(String::new, |who| format!(", {who}"));
    format!("; now {in_use} connections to this destination, {waiting} of them in TIME_WAIT{held}")
}

/// A service asks for a port that another socket has.
fn bind_refused(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| port_refused(d) > 0);
    failing
        .filter(|d| !tries_privileged(d))
        .map(|d| Finding {
            rule: Rule::BindRefused,
            severity: Severity::Warning,
            sentence: format!("{} binds to a port that is already in use on {d}", who(d)),
            evidence: format!(
                "{} failed with EADDRINUSE: another socket has the port{}",
                binds_in_words(port_refused(d)),
                port(d)
            ),
            remedies: vec![
                format!("find the owner: {}", facts.inside(d, "ss -tanp")),
                "if the kernel assigned it: reserve it in net.ipv4.ip_local_reserved_ports"
                    .to_owned(),
            ],
        })
        .collect()
}

/// The address is the cause, not the ports.
fn no_address(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| d.no_address > 0);
    failing
        .map(|d| Finding {
            rule: Rule::NoAddress,
            severity: Severity::Warning,
            sentence: format!(
                "{} binds to {}, which is not an address of this network namespace: the address \
                 is the problem, not the ports",
                who(d),
                d.flow.saddr
            ),
            evidence: format!(
                "{} failed with EADDRNOTAVAIL before any port search",
                binds_in_words(d.no_address)
            ),
            remedies: vec![
                facts.inside(d, &format!("ip address show to {}", d.flow.saddr)),
                match (d.flow.saddr.is_ipv4(), d.origin) {
                    (true, Some(Origin::Explicit)) => {
                        "for a service on a floating address: net.ipv4.ip_nonlocal_bind=1"
                            .to_owned()
                    }
                    _ => "bind to an existing address, or to none".to_owned(),
                },
            ],
        })
        .collect()
}

/// NFS and rsh ask for a port below 1024 by naming one after another.
fn privileged(facts: &Facts) -> Vec<Finding> {
    let failing = facts.destinations.iter().filter(|d| tries_privileged(d));
    failing
        .map(|d| Finding {
            rule: Rule::PrivilegedTaken,
            severity: Severity::Warning,
            sentence: format!(
                "{} tries one port below {PRIVILEGED} after another, as bindresvport does for NFS \
                 and rsh, and finds many in use on {d}",
                who(d)
            ),
            evidence: format!(
                "{} bind() calls failed with EADDRINUSE{}; at most 512 such ports exist, \
                 regardless of the ephemeral range",
                port_refused(d),
                port(d)
            ),
            remedies: vec![
                "NFS: mount with noresvport if the server allows it (export option `insecure`)"
                    .to_owned(),
                "list these ports with `ss -tan 'sport < 1024'`; short connections leave many in \
                 TIME-WAIT"
                    .to_owned(),
            ],
        })
        .collect()
}
