//! An answer for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::storm::write_findings;
use crate::{
    analyse::findings::Finding,
    inventory::{
        explain::{Answer, Attempt, Holding, Verdict},
        owners::Owner,
    },
    output::escape::escape_for_terminal,
};

/// An answer, and what is wrong with what it is about.
#[derive(Serialize)]
pub(crate) struct Explained<'a> {
    /// The answer.
    #[serde(flatten)]
    pub(crate) answer: &'a Answer,
    /// What is wrong, why, and what to do, worst first.
    pub(crate) findings: &'a [Finding],
}

/// Writes it as one JSON object.
pub(crate) fn write_json(out: &mut impl Write, explained: &Explained<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, explained)?;
    writeln!(out)
}

/// Writes it in words. The first line is the answer.
pub(crate) fn write(out: &mut impl Write, explained: &Explained<'_>) -> io::Result<()> {
    let Explained { answer, findings } = explained;
    headline(out, answer)?;
    writeln!(out)?;
    for attempt in &answer.attempts {
        let Attempt { way, verdict, because, candidates, .. } = attempt;
        write!(out, "{:<17} {}: {because}", way.label(), verdict.as_str())?;
        match candidates {
            Some(1) | None => writeln!(out)?,
            Some(n) => writeln!(out, "; a search looks at some {n} ports")?,
        }
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
        write_findings(out, findings)?;
    }
    Ok(())
}

fn headline(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let Answer { question, verdict, attempts, elsewhere, .. } = answer;
    if !elsewhere.is_empty() {
        return match verdict {
            Verdict::NotFree => writeln!(out, "{question}: ports run short here, now"),
            _ => writeln!(out, "{question}: no shortage of ports that explains it is seen now"),
        };
    }
    let worst = attempts.iter().find(|attempt| attempt.verdict == *verdict);
    write!(out, "{question}: {}", verdict.as_str())?;
    match worst.and_then(|attempt| attempt.error) {
        Some(error) => writeln!(out, ", {error}"),
        None => writeln!(out),
    }
}

fn holding(out: &mut impl Write, socket: &Holding) -> io::Result<()> {
    let Holding { protocol, saddr, sport, state, .. } = socket;
    let protocol = match protocol {
        crate::inventory::explain::Transport::Tcp => "tcp",
        crate::inventory::explain::Transport::Udp => "udp",
    };
    let from = std::net::SocketAddr::new(*saddr, *sport);
    write!(out, "  {protocol} {state:<10} {from}")?;
    if let (Some(daddr), Some(dport)) = (socket.daddr, socket.dport) {
        write!(out, " -> {}", std::net::SocketAddr::new(daddr, dport))?;
    }
    if let Some(left_ms) = socket.time_wait_left_ms {
        write!(out, ", {:.0} s left", f64::from(left_ms) / 1000.0)?;
    }
    match (&socket.owner, socket.is_open) {
        (Some(owner), true) => write!(out, ", {}", who(owner))?,
        (Some(owner), false) => write!(out, ", left by {}", who(owner))?,
        (None, _) => write!(out, ", whose is not known")?,
    }
    match socket.origin {
        Some(origin) => writeln!(out, ", port by {}", origin.name()),
        None => writeln!(out),
    }
}

fn who(owner: &Owner) -> String {
    let name = owner.comm.as_deref().map_or("a process".to_owned(), escape_for_terminal);
    let pid = owner.pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
    match &owner.container {
        Some(container) => format!("{name}{pid} in {}", escape_for_terminal(container)),
        None => format!("{name}{pid}"),
    }
}

fn notes(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    if let Some(below) = answer.privileged_below {
        writeln!(out, "\nA port below {below} takes root or CAP_NET_BIND_SERVICE to bind.")?;
    }
    if answer.is_ephemeral == Some(true) {
        writeln!(
            out,
            "\nThe port is an ephemeral one: a connect can take it while nobody has it. \
             ip_local_reserved_ports keeps it."
        )?;
    }
    if !answer.elsewhere.is_empty() {
        writeln!(out, "\nwhat else ends with {}, and is not to be seen here:", answer.question)?;
    }
    for cause in &answer.elsewhere {
        writeln!(out, "  {cause}")?;
    }
    Ok(())
}
