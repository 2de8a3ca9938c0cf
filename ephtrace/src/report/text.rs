//! The report for people.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use super::{DestinationReport, Report};
use crate::{
    analyse::{
        pattern::{Algorithm, Pattern, Verdict},
        reuse::Reuse,
        summary::BUSIEST,
    },
    sink::{Span, printable},
};

/// How many processes are listed.
const LISTED_PROCESSES: usize = 5;

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    numbers(report, out)?;
    writeln!(out, "{}", sentence(&report.verdict))?;
    for line in &report.verdict.evidence {
        writeln!(out, "  {line}")?;
    }
    origins(report, out)?;
    destinations(report, out)?;
    processes(report, out)?;
    reuse(&report.reuse, out)?;
    let found = &report.self_connects;
    for (name, line) in [("self-connect", &found.explanation), ("risk", &found.risk)] {
        if let Some(line) = line {
            writeln!(out, "{name}: {line}")?;
        }
    }
    losses(report, out)
}

fn numbers(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let numbers = &report.numbers;
    let mut source = Vec::new();
    printable(&mut source, &report.source);
    out.write_all(&source)?;
    let count = numbers.assignments;
    write!(out, ": {count} assignments in {}", Span(numbers.duration_ns))?;
    write!(out, ", {} failed", numbers.failures)?;
    for (n, error) in numbers.errors.iter().enumerate() {
        let lead = if n == 0 { ':' } else { ',' };
        match (error.error, error.errno) {
            (Some(name), _) => write!(out, "{lead} {} {name}", error.count)?,
            (None, Some(errno)) => write!(out, "{lead} {} errno {errno}", error.count)?,
            (None, None) => write!(out, "{lead} {} without errno", error.count)?,
        }
    }
    if report.repeated > 0 {
        write!(out, ", {} packets sent again", report.repeated)?;
    }
    if report.explicit > 0 {
        write!(out, ", {} ports named by the program", report.explicit)?;
    }
    writeln!(out)
}

/// The verdict in one sentence.
fn sentence(verdict: &Verdict) -> String {
    let likely = percent(verdict.pattern_confidence);
    let pattern = match verdict.pattern {
        Pattern::Sequential => "ports come in sequence, each after the last one given to anybody",
        Pattern::PerDestination => "ports follow the last one given to the same destination",
        Pattern::Random => "ports come at random",
        Pattern::Mixed => "ports come by two rules in one stream",
        Pattern::Undetermined => return undetermined(verdict),
    };
    let rule = match verdict.algorithm {
        Algorithm::Undetermined => "by which rule is undetermined".to_owned(),
        algorithm => {
            let likely = percent(verdict.algorithm_confidence);
            format!("{} ({algorithm}, {likely})", algorithm.in_words())
        }
    };
    format!("verdict: {pattern} ({}, {likely}): {rule}", verdict.pattern)
}

fn undetermined(verdict: &Verdict) -> String {
    match verdict.patterns.first() {
        Some(best) if verdict.n > 0 => {
            let likely = percent(best.probability);
            format!("verdict: undetermined (best guess {}, {likely})", best.name)
        }
        _ => "verdict: undetermined, for there are no ports to judge by".to_owned(),
    }
}

/// Never claims to be certain.
fn percent(probability: f64) -> String {
    if probability >= 0.9995 { ">99.9 %".into() } else { format!("{:.1} %", 100.0 * probability) }
}

fn origins(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if report.origins.len() < 2 {
        return Ok(());
    }
    writeln!(out, "\nby origin:")?;
    writeln!(out, "{:>9}  {:15} {:15} ORIGIN", "COUNT", "PATTERN", "ALGORITHM")?;
    for origin in &report.origins {
        let Verdict { n, pattern, algorithm, .. } = origin.verdict;
        writeln!(out, "{n:>9}  {pattern:15} {algorithm:15} {}", origin.origin)?;
    }
    Ok(())
}

fn destinations(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let all = &report.destinations;
    let Some(first) = all.first() else { return Ok(()) };
    let more = if report.destinations_evicted > 0 { "more than " } else { "" };
    writeln!(out, "\nbusiest of {more}{} destinations:", all.len())?;
    let head = ("COUNT", "FAILED", "PATTERN", "ALGORITHM");
    writeln!(out, "{:>9} {:>7}  {:15} {:15} DESTINATION", head.0, head.1, head.2, head.3)?;
    let several = all.iter().any(|one| one.netns != first.netns);
    for one in all.iter().take(BUSIEST) {
        destination(one, several, out)?;
    }
    let others: u64 = all.iter().skip(BUSIEST).map(|one| one.assignments).sum();
    if others > 0 {
        writeln!(out, "{others:>9} to others")?;
    }
    if report.destinations_evicted > 0 {
        let evicted = report.destinations_evicted;
        writeln!(out, "{evicted} quieter destinations were left out for lack of room")?;
    }
    Ok(())
}

fn destination(one: &DestinationReport, netns: bool, out: &mut impl Write) -> io::Result<()> {
    let at_least = if one.complete { "" } else { ">" };
    let count = format!("{at_least}{}", one.assignments);
    let Verdict { pattern, algorithm, .. } = one.verdict;
    write!(out, "{count:>9} {:>7}  {pattern:15} {algorithm:15} ", one.failures)?;
    write!(out, "{} -> {}", one.saddr, SocketAddr::new(one.daddr, one.dport))?;
    let origin = one.origin.filter(|&origin| origin != "connect");
    for word in one.protocol.filter(|&protocol| protocol != "tcp").into_iter().chain(origin) {
        write!(out, " {word}")?;
    }
    if netns {
        match one.netns {
            Some(netns) => write!(out, " (netns {netns})")?,
            None => write!(out, " (netns unknown)")?,
        }
    }
    writeln!(out)
}

fn processes(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if report.processes.len() < 2 && report.processes_evicted == 0 {
        return Ok(());
    }
    let more = if report.processes_evicted > 0 { "more than " } else { "" };
    writeln!(out, "\nbusiest of {more}{} processes:", report.processes.len())?;
    let head = ("COUNT", "FAILED", "PATTERN", "ALGORITHM", "PID");
    let (count, failed, pattern, algorithm, pid) = head;
    writeln!(out, "{count:>9} {failed:>7}  {pattern:15} {algorithm:15} {pid:>7} COMM")?;
    for one in report.processes.iter().take(LISTED_PROCESSES) {
        let at_least = if one.complete { "" } else { ">" };
        let count = format!("{at_least}{}", one.assignments);
        let Verdict { pattern, algorithm, .. } = one.verdict;
        let mut name = Vec::new();
        printable(&mut name, one.comm.as_deref().unwrap_or("-"));
        let name = String::from_utf8_lossy(&name);
        let (failures, pid) = (one.failures, one.pid);
        writeln!(out, "{count:>9} {failures:>7}  {pattern:15} {algorithm:15} {pid:>7} {name}")?;
    }
    Ok(())
}

fn reuse(reuse: &Reuse, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    let Some(assignments) = reuse.assignments else {
        return writeln!(out, "reuse: no port came back to the same destination");
    };
    let (min, median) = (assignments.min, assignments.median);
    write!(out, "reuse: {} times a port came back to the same destination, ", reuse.reuses)?;
    write!(out, "at the soonest after {min} assignments (median {median})")?;
    if let Some(time) = reuse.time_ns {
        write!(out, " and after {} (median {})", Span(time.min), Span(time.median))?;
    }
    writeln!(out)?;
    match &reuse.warning {
        Some(warning) => writeln!(out, "warning: {warning}"),
        None => Ok(()),
    }
}

fn losses(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let losses = report.numbers.losses;
    write!(out, "lost {} events", losses.total())?;
    let stages = losses.stages().into_iter().filter(|(_, n)| *n > 0);
    for (n, (stage, count)) in stages.enumerate() {
        write!(out, "{} {count} {stage}", if n == 0 { ':' } else { ',' })?;
    }
    writeln!(out)
}
