//! A summary in words, for people: the same for the live trace (on standard error) and for the
//! report on a recording.

use std::io::{self, Write};

use super::{overflow, plots};
use crate::output::{
    counted::counted,
    escape::printable,
    human_bytes::HumanBytes,
    human_duration::HumanDuration,
    paper::Paper,
    screen::Screen,
    table::{Head, Table},
    tables::storm::write_findings,
};
use crate::{
    analyse::{
        findings::{Finding, Rule},
        fitted_range::FittedRange,
        pattern::{Algorithm, Pattern, Predictable, Verdict, percent},
        quantities::ErrorCount,
        reuse::Reuse,
        summary::{
            BUSIEST, DestinationSummary, HostSummary, HostsSummary, ProcessSummary, Summary,
        },
    },
    model::{Origin, Protocol},
};

/// Number of listed processes.
const LISTED_PROCESSES: usize = 5;

/// Share of a destination's steps from which a step is usual. Linux has eight that are equally
/// likely.
pub(crate) const USUAL: f64 = 0.1;

/// Writes the whole summary.
pub(crate) fn write(out: &mut impl Write, summary: &Summary, paper: Paper) -> io::Result<()> {
    numbers(out, summary, paper)?;
    write_findings(out, &findings_first(summary), paper)?;
    if summary.assignments > 0 {
        verdict(out, summary)?;
        origins(out, summary)?;
        hosts(out, &summary.hosts)?;
        destinations(out, summary, paper)?;
        processes(out, summary)?;
        reuse(out, &summary.reuse)?;
        let found = &summary.self_connects;
        for (name, line) in [("self-connect", &found.explanation), ("risk", &found.risk)] {
            if let Some(line) = line {
                writeln!(out, "{name}: {line}")?;
            }
        }
    }
    cost(out, summary)?;
    lost(out, summary)?;
    overflow::write(out, summary.overflow.as_ref())
}

/// Returns the findings, except those that have their own line below.
fn findings_first(summary: &Summary) -> Vec<Finding> {
    let has_own_line = |f: &&Finding| matches!(f.rule, Rule::SelfConnect | Rule::ShortReuse);
    summary.findings.iter().filter(|f| !has_own_line(f)).cloned().collect()
}

/// Draws the ports; call [`write()`] afterwards, so that the words are nearest to the prompt.
pub(crate) fn plots(out: &mut impl Write, summary: &Summary, screen: Screen) -> io::Result<()> {
    let mut text = String::new();
    plots::draw(&summary.picture, screen.width, screen.colour, &mut text)
        .map_err(io::Error::other)?;
    writeln!(out, "{text}")
}

fn numbers(out: &mut impl Write, summary: &Summary, paper: Paper) -> io::Result<()> {
    let Summary { assignments, failures, duration_ns, per_second, .. } = summary;
    let duration = HumanDuration(*duration_ns);
    let failed = if summary.failed_only { "failed assignments" } else { "failed" };
    let failed = format!("{failures} {failed}");
    let failed = if *failures > 0 { paper.failed(failed).to_string() } else { failed };
    // A recording without times has no rate.
    let rate = match *duration_ns {
        0 => String::new(),
        _ => format!(" in {duration} ({per_second:.1}/s)"),
    };
    if summary.failed_only {
        write!(out, "{failed}{rate}")?;
    } else {
        write!(out, "{}{rate}, {failed}", counted(*assignments, "assignment"))?;
    }
    for (n, ErrorCount { errno, error, count }) in summary.errors.iter().enumerate() {
        let lead = if n == 0 { ':' } else { ',' };
        match (error, errno) {
            (Some(name), _) => write!(out, "{lead} {count} {name}")?,
            (None, Some(errno)) => write!(out, "{lead} {count} errno {errno}")?,
            (None, None) => write!(out, "{lead} {count} without errno")?,
        }
    }
    if let Some(unseen) = &summary.unseen_failures {
        write!(out, " (not seen: {unseen})")?;
    }
    if summary.failed_only {
        write!(out, "; --failed leaves out those that succeeded")?;
    }
    if summary.explicit > 0 {
        write!(out, ", {} ports chosen by the program", summary.explicit)?;
    }
    writeln!(out)?;
    if summary.retried > 0 {
        let n = summary.retried;
        writeln!(out, "{n} rows that repeat a connect from the same port are not counted")?;
    }
    if let Some(latency) = summary.latency {
        let (p50, p99, max) = (
            HumanDuration(latency.p50_ns),
            HumanDuration(latency.p99_ns),
            HumanDuration(latency.max_ns),
        );
        writeln!(out, "port search latency: p50 {p50}, p99 {p99}, max {max}")?;
    }
    Ok(())
}

fn verdict(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    // Without a port, nothing is judged, and nothing may look like a verdict.
    if summary.assignments == summary.failures {
        return writeln!(out, "no verdict: no port was assigned");
    }
    writeln!(out, "verdict: {}", whole(summary))?;
    for line in &summary.verdict.evidence {
        writeln!(out, "  {line}")?;
    }
    match &summary.fitted_range {
        Some(fitted) => writeln!(out, "range: {}", fitted.sentence),
        None => Ok(()),
    }
}

/// Returns the verdict on the whole in one sentence.
pub(crate) fn whole(summary: &Summary) -> String {
    let Verdict { pattern, pattern_confidence, .. } = summary.verdict;
    if summary.origins.len() > 1 && pattern == Pattern::Mixed {
        let likely = percent(pattern_confidence);
        return format!("each origin follows its own rule ({pattern}, {likely})");
    }
    if summary.hosts.known > 1 && pattern == Pattern::Undetermined {
        return over_hosts(summary.verdict.predictable).to_owned();
    }
    sentence(&summary.verdict)
}

/// Returns the remark on all hosts if no pattern fits them together.
fn over_hosts(predictable: Predictable) -> &'static str {
    match predictable {
        Predictable::Yes => {
            "predictable, but no single pattern fits all hosts; each has its own verdict"
        }
        Predictable::No | Predictable::Unknown => {
            "undetermined over all hosts; each has its own verdict"
        }
    }
}

/// Returns the word for a host; it tells if a host is only known to be predictable.
pub(crate) fn host_word(verdict: &Verdict) -> &'static str {
    match (verdict.pattern, verdict.predictable) {
        (Pattern::Undetermined, Predictable::Yes) => "predictable",
        _ => word(verdict),
    }
}

/// Returns the verdict in one sentence.
pub(crate) fn sentence(verdict: &Verdict) -> String {
    let likely = percent(verdict.pattern_confidence);
    let pattern = match verdict.pattern {
        Pattern::Sequential => "each port follows the last one assigned to any destination",
        Pattern::PerDestination => {
            "each port follows the last one assigned to the same destination"
        }
        Pattern::Random => "ports are random",
        Pattern::Mixed => "ports follow two rules in one stream",
        Pattern::Fixed => "ports are fixed, not ephemeral",
        Pattern::Undetermined => return undetermined(verdict),
    };
    let rule = match verdict.algorithm {
        Algorithm::Undetermined => "the rule is undetermined".to_owned(),
        algorithm => {
            let likely = percent(verdict.algorithm_confidence);
            format!("{} ({algorithm}, {likely})", algorithm.in_words())
        }
    };
    format!("{pattern} ({}, {likely}): {rule}", verdict.pattern)
}

fn undetermined(verdict: &Verdict) -> String {
    match verdict.patterns.first() {
        Some(best) if verdict.n > 0 => {
            let likely = percent(best.probability);
            format!("undetermined (best guess {}, {likely})", best.name)
        }
        _ => "undetermined: there are no ports to judge".to_owned(),
    }
}

/// Returns the most specific word that a verdict allows, for a column.
pub(crate) fn word(verdict: &Verdict) -> &'static str {
    match (verdict.algorithm, verdict.pattern) {
        (Algorithm::Undetermined, pattern) => pattern.as_str(),
        (algorithm, _) => algorithm.as_str(),
    }
}

fn origins(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    if summary.origins.len() < 2 {
        return Ok(());
    }
    writeln!(out, "\nby origin:")?;
    writeln!(out, "{:>9}  {:15} ORIGIN", "COUNT", "VERDICT")?;
    for origin in &summary.origins {
        let (n, word) = (origin.assignments, word(&origin.verdict));
        writeln!(out, "{n:>9}  {word:15} {}", origin.origin)?;
    }
    Ok(())
}

/// Writes verdicts by host, if there is more than one.
fn hosts(out: &mut impl Write, hosts: &HostsSummary) -> io::Result<()> {
    let HostsSummary { known, evicted, busiest, .. } = hosts;
    if *known < 2 {
        return Ok(());
    }
    let more = if *evicted > 0 { "more than " } else { "" };
    writeln!(out, "\nbusiest of {more}{known} hosts:")?;
    let listed = || busiest.iter().take(BUSIEST);
    let fitted = |one: &HostSummary| one.fitted_range.as_ref().and_then(FittedRange::range);
    let has_ranges = listed().any(|one| fitted(one).is_some());
    let range = |text: &str| if has_ranges { format!("{text:12} ") } else { String::new() };
    let (count, failed, head) = ("COUNT", "FAILED", range("RANGE"));
    writeln!(out, "{count:>9} {failed:>7}  {:15} {head}HOST", "VERDICT")?;
    for one in listed() {
        let count = at_least(one.assignments, one.complete);
        let failures = one.failures;
        let word = judged((one.assignments, failures), host_word(&one.verdict));
        let ports = range(&fitted(one).map_or_else(|| "-".to_owned(), |ports| ports.to_string()));
        writeln!(out, "{count:>9} {failures:>7}  {word:15} {ports}{}", one.name())?;
    }
    Ok(())
}

fn destinations(out: &mut impl Write, summary: &Summary, paper: Paper) -> io::Result<()> {
    let all = &summary.destinations;
    let Some(first) = all.first() else { return Ok(()) };
    let more = if summary.destinations_evicted > 0 { "more than " } else { "" };
    let known = counted(summary.destinations_known, "destination");
    writeln!(out, "\nbusiest of {more}{known}:")?;
    let mut table = Table::new([
        Head::right("COUNT", 9),
        Head::right("FAILED", 7),
        Head::left("USUAL STEP", 11).apart().drop(2),
        Head::left("PORTS", 11).drop(1),
        Head::left("VERDICT", 15),
        Head::left("DESTINATION", 0),
    ]);
    let several = all.iter().any(|one| one.flow.netns != first.flow.netns);
    all.iter().take(BUSIEST).for_each(|one| table.row(destination(one, several)));
    table.write(out, paper)?;
    let listed: u64 = all.iter().take(BUSIEST).map(|one| one.assignments).sum();
    let others = summary.assignments.saturating_sub(listed);
    if others > 0 {
        writeln!(out, "{others:>9} to other destinations")?;
    }
    if summary.destinations_evicted > 0 {
        let evicted = summary.destinations_evicted;
        writeln!(out, "state for {evicted} quieter destinations was evicted")?;
    }
    Ok(())
}

fn destination(one: &DestinationSummary, netns: bool) -> [String; 6] {
    let count = at_least(one.assignments, one.complete);
    let step = one
        .usual_step
        .filter(|usual| usual.share >= USUAL)
        .map_or("-".to_owned(), |usual| format!("{:+} ({:.0} %)", usual.step, usual.share * 100.0));
    let ports = match one.range_ports {
        Some(all) => format!("{}/{all}", one.distinct_ports),
        None => one.distinct_ports.to_string(),
    };
    let mut place = match one.flow.remote() {
        Some(to) => format!("{} -> {to}", one.flow.saddr),
        None => one.flow.saddr.to_string(),
    };
    let origin = one.origin.map(Origin::name);
    let protocol = one.protocol.filter(|&protocol| protocol != Protocol::Tcp).map(Protocol::name);
    let protocol = protocol.filter(|&protocol| origin != Some(protocol));
    let origin = origin.filter(|_| one.origin != Some(Origin::Connect));
    for word in protocol.into_iter().chain(origin) {
        place = format!("{place} {word}");
    }
    let word = judged((one.assignments, one.failures), word(&one.verdict));
    if netns {
        let netns = one.flow.netns.map_or_else(|| "unknown".to_owned(), |netns| netns.to_string());
        place = format!("{place} (netns {netns})");
    }
    [count, one.failures.to_string(), step, ports, word.to_owned(), place]
}

/// Returns the word of a verdict, or `-` where no port was assigned: then nothing was judged.
fn judged((assignments, failures): (u64, u64), word: &'static str) -> &'static str {
    if assignments == failures { "-" } else { word }
}

pub(crate) fn at_least(count: u64, complete: bool) -> String {
    format!("{}{count}", if complete { "" } else { ">" })
}

fn processes(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let all = &summary.processes;
    if all.len() < 2 && summary.processes_evicted == 0 {
        return Ok(());
    }
    let more = if summary.processes_evicted > 0 { "more than " } else { "" };
    writeln!(out, "\nbusiest of {more}{} processes:", all.len())?;
    let (count, failed, verdict, pid) = ("COUNT", "FAILED", "VERDICT", "PID");
    writeln!(out, "{count:>9} {failed:>7}  {verdict:15} {pid:>7} COMM")?;
    for one in all.iter().take(LISTED_PROCESSES) {
        let ProcessSummary { pid, assignments, complete, failures, .. } = one;
        let count = at_least(*assignments, *complete);
        let mut name = Vec::new();
        printable(&mut name, one.comm.as_deref().unwrap_or("-"));
        let word = judged((*assignments, *failures), word(&one.verdict));
        let name = String::from_utf8_lossy(&name);
        let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        writeln!(out, "{count:>9} {failures:>7}  {word:15} {pid:>7} {name}")?;
    }
    Ok(())
}

fn reuse(out: &mut impl Write, reuse: &Reuse) -> io::Result<()> {
    writeln!(out)?;
    let Some(assignments) = reuse.assignments else {
        return writeln!(out, "reuse: no 4-tuple was reused");
    };
    let (min, median) = (assignments.min, assignments.median);
    let times =
        if reuse.reuses == 1 { "once".to_owned() } else { format!("{} times", reuse.reuses) };
    write!(out, "reuse: 4-tuples were reused {times}, ")?;
    write!(out, "soonest after {min} assignments (median {median})")?;
    if let Some(time) = reuse.time_ns {
        write!(
            out,
            " and after {} (median {})",
            HumanDuration(time.min),
            HumanDuration(time.median)
        )?;
    }
    writeln!(out)?;
    match &reuse.warning {
        Some(warning) => writeln!(out, "warning: {warning}"),
        None => Ok(()),
    }
}

fn cost(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    if let Some(hook) = summary.hook {
        write!(out, "hook {}", hook.name())?;
        if let Some(kernel) = summary.kernel {
            write!(out, ": {} searches, {} filtered", kernel.seen, kernel.filtered)?;
            write!(out, ", {} connects of bound sockets", kernel.already_bound)?;
        }
        writeln!(out)?;
    }
    if let Some(kernel_cost) = summary.kernel_cost.filter(|cost| cost.searches > 0) {
        writeln!(out, "kernel cost: {} per search", HumanDuration(kernel_cost.ns_per_search()))?;
    }
    if let Some(kernel) = summary.kernel.filter(|kernel| kernel.map_bytes > 0) {
        writeln!(out, "kernel memory: {}", HumanBytes(kernel.map_bytes))?;
    }
    if let Some(cpu) = summary.cpu {
        let total = HumanDuration(cpu.user_ns + cpu.system_ns);
        writeln!(out, "ephtrace's own cost: {total} of CPU time")?;
    }
    Ok(())
}

fn lost(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let losses = &summary.losses;
    if summary.lanes_evicted > 0 {
        let lanes = summary.lanes_evicted;
        writeln!(out, "state for {lanes} flows was evicted: up to that many steps may be missing")?;
    }
    write!(out, "lost {} events", losses.total())?;
    let stages = losses.stages().into_iter().filter(|(_, n)| *n > 0);
    for (n, (stage, count)) in stages.enumerate() {
        write!(out, "{} {count} {stage}", if n == 0 { ':' } else { ',' })?;
    }
    writeln!(out)
}
