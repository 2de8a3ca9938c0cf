//! An answer for people and for programs.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use serde::Serialize;

use super::{
    ports::{
        held_by, left,
        words::{states, who},
    },
    storm::write_findings,
};
use crate::{
    analyse::findings::Finding,
    inventory::{
        DestinationUse,
        explain::{Answer, Attempt, Holding, Transport, Verdict},
    },
    output::{
        escape::escape_for_terminal,
        kind::{Kind, write_object},
        paper::Paper,
    },
};

/// An answer, the use of the destination, and the problems found.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Explained<'a> {
    /// The answer.
    #[serde(flatten)]
    pub(crate) answer: &'a Answer,
    /// Ports in use for the destination in question; null if there are none, or if no destination
    /// was asked about.
    #[serde(rename = "destination")]
    pub(crate) in_use: Option<&'a DestinationUse>,
    /// Problems with evidence and remedies, worst first.
    pub(crate) findings: &'a [Finding],
}

/// Writes it as one JSON object.
pub(crate) fn write_json(out: &mut impl Write, explained: &Explained<'_>) -> io::Result<()> {
    write_object(out, Kind::Explain, explained)
}

/// Writes it in words. The first line is the answer.
pub(crate) fn write(
    out: &mut impl Write,
    explained: &Explained<'_>,
    paper: Paper,
) -> io::Result<()> {
    let Explained { answer, findings, .. } = explained;
    headline(out, answer)?;
    let mut facts = Vec::new();
    write_facts(&mut facts, explained)?;
    if !facts.is_empty() {
        writeln!(out)?;
        out.write_all(&facts)?;
    }
    if !answer.sockets.is_empty() {
        writeln!(out, "\nsockets:")?;
    }
    for socket in &answer.sockets {
        holding(out, socket)?;
    }
    if answer.more_sockets > 0 {
        writeln!(out, "  and {} more", answer.more_sockets)?;
    }
    notes(out, answer)?;
    if !findings.is_empty() {
        writeln!(out)?;
        write_findings(out, findings, paper)?;
    }
    Ok(())
}

/// Writes where the question was asked, what is in use there, and each attempt, a line each.
fn write_facts(out: &mut impl Write, explained: &Explained<'_>) -> io::Result<()> {
    let Explained { answer, in_use, .. } = explained;
    if !answer.is_own_netns {
        let name = answer.netns_name.as_deref().map(escape_for_terminal);
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        writeln!(out, "{:<17} {}{name}", "netns", answer.netns)?;
    }
    if let (Some(low), Some(high)) = (answer.range_low, answer.range_high) {
        let from = answer.saddr.map(|saddr| format!(", from {saddr}")).unwrap_or_default();
        writeln!(out, "{:<17} {low}-{high}{from}", "range")?;
    }
    if let Some(one) = in_use {
        let states = states(&one.by_state);
        writeln!(out, "{:<17} {} ports{states}; {}", "in use", one.in_use, held_by(one))?;
        writeln!(out, "{:<17} {}", "left", left_for(one))?;
    }
    for attempt in &answer.attempts {
        let Attempt { way, verdict, because, candidates, .. } = attempt;
        write!(out, "{:<17} {}: {because}", way.label(), verdict.as_str())?;
        match candidates {
            Some(1) | None => writeln!(out)?,
            Some(n) => writeln!(out, "; a search tries about {n} ports")?,
        }
    }
    Ok(())
}

/// Returns the ports left for a destination, as the column LEFT of `ephtrace ports` has them, and
/// those that a connect may have besides.
fn left_for(one: &DestinationUse) -> String {
    let ports = format!("{} ports", left(one));
    let DestinationUse { time_wait_reusable, time_wait_reusable_now, .. } = one;
    match (time_wait_reusable.unwrap_or(0), time_wait_reusable_now) {
        (0, _) => ports,
        (all, Some(now)) => {
            format!("{ports}; connect can also take over {all} in TIME_WAIT, {now} of them now")
        }
        (all, None) => format!("{ports}; connect can also take over up to {all} in TIME_WAIT"),
    }
}

fn headline(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let Answer { question, verdict, attempts, elsewhere, .. } = answer;
    if !elsewhere.is_empty() {
        return match verdict {
            Verdict::NotFree => writeln!(out, "{question}: there is a port shortage here now"),
            _ => writeln!(out, "{question}: no port shortage is seen now that would explain it"),
        };
    }
    let worst = attempts.iter().find(|attempt| attempt.verdict == *verdict);
    write!(out, "{question}: {}", verdict.as_str())?;
    if let Some(error) = worst.and_then(|attempt| attempt.error) {
        write!(out, ", {error}")?;
    }
    match answer.sockets.first() {
        Some(first) => writeln!(out, ": {}", owned(first)),
        None => writeln!(out),
    }
}

/// Returns the owner of a socket: `LISTEN by nginx (181)`.
fn owned(socket: &Holding) -> String {
    let state = socket.state.ss_name();
    match (&socket.owner, socket.is_open) {
        (Some(owner), true) => format!("{state} by {}", who(owner)),
        (Some(owner), false) => format!("{state}, left by {}", who(owner)),
        (None, _) => format!("{state}, owner unknown"),
    }
}

fn holding(out: &mut impl Write, socket: &Holding) -> io::Result<()> {
    let Holding { protocol, saddr, sport, .. } = socket;
    let protocol = match protocol {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let from = SocketAddr::new(*saddr, *sport);
    write!(out, "  {protocol} {from}")?;
    if let (Some(daddr), Some(dport)) = (socket.daddr, socket.dport) {
        write!(out, " -> {}", SocketAddr::new(daddr, dport))?;
    }
    write!(out, ": {}", owned(socket))?;
    if let Some(left_ms) = socket.time_wait_left_ms {
        write!(out, ", {:.0} s left", f64::from(left_ms) / 1000.0)?;
    }
    match socket.origin {
        Some(origin) => writeln!(out, ", port by {}", origin.name()),
        None => writeln!(out),
    }
}

fn notes(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    if let Some(below) = answer.privileged_below {
        writeln!(out, "\nBinding to a port below {below} needs root or CAP_NET_BIND_SERVICE.")?;
    }
    if answer.is_ephemeral == Some(true) {
        writeln!(
            out,
            "\nThe port is ephemeral: while it is free, a connect can take it. Reserve it in \
             ip_local_reserved_ports."
        )?;
    }
    if answer.may_self_connect == Some(true) {
        writeln!(
            out,
            "\nNothing listens there, and the port is ephemeral: a connect that is assigned this \
             same port reaches itself (self-connect)."
        )?;
    }
    if !answer.elsewhere.is_empty() {
        writeln!(out, "\nother causes of {} that can't be seen here:", answer.question)?;
    }
    for cause in &answer.elsewhere {
        writeln!(out, "  {cause}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
