//! Two runs side by side, in words.

use std::io::{self, Write};

use crate::{
    analyse::{
        comparison::{Comparison, DestinationChange, DestinationSide, Side, percent},
        findings::Finding,
        pattern::percent as sure,
    },
    output::{
        escape::escape_for_terminal,
        human_duration::HumanDuration,
        paper::Paper,
        summary::words::word,
        table::{Head, Table},
        tables::storm::write_findings,
    },
};

/// Sign for an unknown value.
const UNKNOWN: &str = "-";

/// Writes the whole comparison: the answer, its limits, numbers, destinations, findings.
pub(crate) fn write(out: &mut impl Write, both: &Comparison, paper: Paper) -> io::Result<()> {
    writeln!(out, "{}", both.sentence)?;
    for caveat in &both.caveats {
        writeln!(out, "but: {caveat}")?;
    }
    writeln!(out)?;
    numbers(out, both, paper)?;
    destinations(out, &both.changes, paper)?;
    // A problem that is gone needs no remedy.
    let gone = both.findings_gone.iter().cloned();
    let gone: Vec<Finding> =
        gone.map(|finding| Finding { remedies: Vec::new(), ..finding }).collect();
    findings(out, "resolved findings", &gone, paper)?;
    findings(out, "new findings", &both.findings_new, paper)?;
    findings(out, "remaining findings", &both.findings_left, paper)
}

fn numbers(out: &mut impl Write, both: &Comparison, paper: Paper) -> io::Result<()> {
    let mut table =
        Table::new([Head::left("", 0), Head::left("BEFORE", 16).apart(), Head::left("AFTER", 0)]);
    let sides = [&both.before, &both.after];
    let mut row = |name: &str, text: &dyn Fn(&Side) -> String| {
        let [before, after] = sides.map(text);
        table.row([name.to_owned(), before, after]);
    };
    row("recording", &|side| escape_for_terminal(&side.recording));
    row("duration", &|side| HumanDuration(side.duration_ns).to_string());
    row("assignments", &|side| side.assignments.to_string());
    row("per second", &|side| format!("{:.1}", side.per_second));
    row("failed", &|side| match side.failure_share {
        Some(share) => format!("{} ({})", side.failures, percent(share)),
        None => UNKNOWN.to_owned(),
    });
    row("port range", &|side| {
        side.range.map_or_else(|| UNKNOWN.to_owned(), |range| range.to_string())
    });
    row("port search latency p50", &|side| latency(side, |latency| latency.p50_ns));
    row("port search latency p99", &|side| latency(side, |latency| latency.p99_ns));
    row("port search latency max", &|side| latency(side, |latency| latency.max_ns));
    row("pattern", &|side| word(&side.verdict).to_owned());
    row("predictable", &|side| {
        let verdict = &side.verdict;
        format!("{} ({})", verdict.predictable, sure(verdict.predictable_confidence))
    });
    row("lost", &|side| side.losses.total().to_string());
    table.write(out, paper)
}

fn latency(side: &Side, of: impl Fn(crate::analyse::quantities::Latency) -> u64) -> String {
    let text = |latency| HumanDuration(of(latency)).to_string();
    side.latency.map_or_else(|| UNKNOWN.to_owned(), text)
}

fn destinations(
    out: &mut impl Write,
    changes: &[DestinationChange],
    paper: Paper,
) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nfullest destinations, before > after:")?;
    let mut table = Table::new([
        Head::right("COUNT", 17).drop(1),
        Head::right("FAILED", 15),
        Head::right("OF RANGE", 17),
        Head::left("DESTINATION", 0).apart(),
    ]);
    for change in changes {
        let of = |text: &dyn Fn(&DestinationSide) -> String| {
            let sides = [&change.destination_before, &change.destination_after];
            let [before, after] =
                sides.map(|side| side.as_ref().map_or_else(|| UNKNOWN.to_owned(), text));
            format!("{before} > {after}")
        };
        table.row([
            of(&|side| side.assignments.to_string()),
            of(&|side| side.failures.to_string()),
            of(&|side| side.range_share.map_or_else(|| UNKNOWN.to_owned(), percent)),
            change.destination_name.clone(),
        ]);
    }
    table.write(out, paper)
}

fn findings(
    out: &mut impl Write,
    name: &str,
    findings: &[Finding],
    paper: Paper,
) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{name}:")?;
    write_findings(out, findings, paper)
}
