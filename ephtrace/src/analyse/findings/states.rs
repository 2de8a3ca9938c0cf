//! Rules about connections that hold their ports for a reason of their own: nobody answers, the
//! program does not close, the peer does not. Sources: `tcp(7)`, RFC 9293 section 3.3.2 for the
//! event that a state waits for, the kernel's `ip-sysctl` for each remedy.

use super::{
    facts::{DestinationFacts, Facts, StateFacts},
    finding::{Check, Finding, Rule, Severity},
};
use crate::analyse::number::as_f64;

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[syn_sent, close_wait, fin_wait2];

/// Minimum number of sockets in a state: fewer may be there for a moment only.
const MIN_SOCKETS: u64 = 10;

/// Share of the usable ports from which on a state takes ports that other sockets need.
const MANY_PORTS: f64 = 0.1;

/// Reason why most of a destination's ports stay in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The destination does not answer.
    Unanswered,
    /// The program does not close.
    NotClosed,
    /// The peer does not close, or has vanished.
    PeerNotClosed,
}

pub(super) const CONNECT_TIMEOUT: &str = "set a connect timeout in the program (the kernel gives \
                                          up only after two minutes: net.ipv4.tcp_syn_retries), \
                                          and wait longer between attempts";
pub(super) const CLOSE: &str = "close() in the program when read() returns 0: the peer has \
                                closed, and the kernel never times out CLOSE_WAIT";
pub(super) const KEEPALIVE: &str = "if the program holds them: close() instead of shutdown() \
                                    alone, or a read timeout; SO_KEEPALIVE detects a dead peer";
pub(super) const FIN_TIMEOUT: &str = "if no program holds them: lower net.ipv4.tcp_fin_timeout \
                                      (seconds in FIN_WAIT2) and net.ipv4.tcp_orphan_retries";

/// Returns the reason why most of the ports of `d` stay in use, if it is one of these.
pub(super) fn cause(d: &DestinationFacts) -> Option<Cause> {
    let states = d.states?;
    let is_most =
        |count: u64| count >= MIN_SOCKETS.min(states.all.max(1)) && 2 * count > states.all;
    if is_most(states.syn_sent) {
        Some(Cause::Unanswered)
    } else if is_most(states.close_wait) {
        Some(Cause::NotClosed)
    } else if is_most(states.fin_wait2) || is_most(states.orphans) {
        Some(Cause::PeerNotClosed)
    } else {
        None
    }
}

/// Returns whether this many sockets in a state are worth a finding.
fn is_notable(d: &DestinationFacts, states: &StateFacts, count: u64) -> bool {
    let usable = f64::from(d.usable.unwrap_or(0));
    let is_many = usable > 0.0 && as_f64(count) >= MANY_PORTS * usable;
    count >= MIN_SOCKETS && (is_many || 2 * count > states.all)
}

fn each(
    facts: &Facts,
    finding: impl Fn(&DestinationFacts, &StateFacts) -> Option<Finding>,
) -> Vec<Finding> {
    // Rows of several programs may share a destination.
    let mut seen: Vec<&DestinationFacts> = Vec::new();
    let mut found = Vec::new();
    for d in &facts.destinations {
        let Some(states) = d.states.filter(|_| !seen.iter().any(|other| other.is_same(d))) else {
            continue;
        };
        seen.push(d);
        found.extend(finding(d, &states));
    }
    found
}

fn held_by(d: &DestinationFacts) -> String {
    d.held_by.as_ref().map_or_else(String::new, |who| format!("; {who}"))
}

fn syn_sent(facts: &Facts) -> Vec<Finding> {
    each(facts, |d, states| {
        // A SYN that was sent once may be answered in a moment.
        let count = states.syn_resent;
        is_notable(d, states, count).then(|| Finding {
            rule: Rule::SynSent,
            severity: Severity::Warning,
            sentence: format!("{} does not answer: waiting connects keep their ports", d.peer()),
            evidence: format!(
                "{} of {} sockets for {d} in SYN_SENT, {count} of which have retransmitted their \
                 SYN{}",
                states.syn_sent,
                states.all,
                held_by(d)
            ),
            remedies: vec![
                "find out why it does not answer: the host, its route, a firewall that drops \
                 packets"
                    .to_owned(),
                CONNECT_TIMEOUT.to_owned(),
            ],
        })
    })
}

fn close_wait(facts: &Facts) -> Vec<Finding> {
    each(facts, |d, states| {
        let count = states.close_wait;
        is_notable(d, states, count).then(|| Finding {
            rule: Rule::CloseWait,
            severity: Severity::Warning,
            sentence: format!(
                "the program does not close connections that {} has closed",
                d.peer()
            ),
            evidence: format!(
                "{count} of {} sockets for {d} in CLOSE_WAIT{}",
                states.all,
                held_by(d)
            ),
            remedies: vec![CLOSE.to_owned()],
        })
    })
}

fn fin_wait2(facts: &Facts) -> Vec<Finding> {
    each(facts, |d, states| {
        let StateFacts { fin_wait2, orphans, all, .. } = *states;
        let count = fin_wait2.max(orphans);
        is_notable(d, states, count).then(|| Finding {
            rule: Rule::FinWait,
            severity: Severity::Warning,
            sentence: format!("{} does not close connections that this side has closed", d.peer()),
            evidence: format!(
                "{fin_wait2} of {all} sockets for {d} in FIN_WAIT2; {orphans} of the {all} were \
                 closed by their program and wait for the peer{}",
                held_by(d)
            ),
            remedies: vec![KEEPALIVE.to_owned(), FIN_TIMEOUT.to_owned()],
        })
    })
}
