//! What sinks say to people beside the events: losses, and the summary in words.

use std::{
    fmt::{self, Write as _},
    io::Write,
};

use crate::{
    analyse::summary::{DestinationSummary, Summary},
    event::hook_name,
    losses::Losses,
};

/// Lines for people, on standard error. An error there stops nothing.
pub struct Notices {
    out: Box<dyn Write>,
    quiet: bool,
    told: Losses,
}

/// One stage that lost events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// Name of the stage.
    pub(super) stage: &'static str,
    /// Lost since this was asked last.
    pub(super) lost: u64,
    /// Lost since the start.
    pub(super) total: u64,
}

impl Notices {
    /// Writes to `out`; the summary only if not `quiet`.
    pub fn new(out: impl Write + 'static, quiet: bool) -> Self {
        Self { out: Box::new(out), quiet, told: Losses::default() }
    }

    /// Says what was lost since the last call, and returns it.
    pub(super) fn losses(&mut self, losses: &Losses) -> Vec<Loss> {
        let before = self.told.stages();
        self.told = *losses;
        let grown: Vec<Loss> = losses
            .stages()
            .into_iter()
            .zip(before)
            .map(|((stage, total), (_, told))| {
                let lost = total.saturating_sub(told);
                Loss { stage, lost, total }
            })
            .filter(|loss| loss.lost > 0)
            .collect();
        for Loss { stage, lost, total } in &grown {
            let _ = writeln!(self.out, "ephtrace: lost {lost} events ({stage}, {total} so far)");
        }
        grown
    }

    /// Writes the summary in words.
    pub(super) fn summary(&mut self, summary: &Summary) {
        if !self.quiet {
            let _ = self.out.write_all(in_words(summary).as_bytes());
            let _ = self.out.flush();
        }
    }
}

/// The summary as a few lines for people.
fn in_words(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing to memory can't fail.
    let _ = assignments(&mut text, summary);
    let _ = destinations(&mut text, summary);
    let _ = cost(&mut text, summary);
    let _ = lost(&mut text, &summary.losses);
    text
}

fn assignments(text: &mut String, summary: &Summary) -> fmt::Result {
    let Summary { assignments, failures, duration_ns, per_second, .. } = summary;
    let duration = Span(*duration_ns);
    write!(text, "{assignments} assignments in {duration} ({per_second:.1}/s), {failures} failed")?;
    for (n, error) in summary.errors.iter().enumerate() {
        let lead = if n == 0 { ':' } else { ',' };
        match (error.error, error.errno) {
            (Some(name), _) => write!(text, "{lead} {} {name}", error.count)?,
            (None, Some(errno)) => write!(text, "{lead} {} errno {errno}", error.count)?,
            (None, None) => write!(text, "{lead} {} without errno", error.count)?,
        }
    }
    writeln!(text)?;
    if let Some(latency) = summary.latency_ns {
        let (p50, p99, max) = (Span(latency.p50), Span(latency.p99), Span(latency.max));
        writeln!(text, "time to choose: p50 {p50}, p99 {p99}, max {max}")?;
    }
    Ok(())
}

fn destinations(text: &mut String, summary: &Summary) -> fmt::Result {
    if summary.busiest.is_empty() {
        return Ok(());
    }
    let more = if summary.destinations_complete { "" } else { "more than " };
    writeln!(text, "busiest of {more}{} destinations:", summary.destinations)?;
    writeln!(
        text,
        "{:>9} {:>7}  {:13} {:12} DESTINATION",
        "COUNT", "FAILED", "USUAL STEP", "PORTS"
    )?;
    let netns = |busy: &DestinationSummary| busy.destination.netns;
    let several = summary.busiest.iter().any(|busy| netns(busy) != netns(&summary.busiest[0]));
    for busy in &summary.busiest {
        destination(text, busy)?;
        if several {
            write!(text, " (netns {})", netns(busy))?;
        }
        writeln!(text)?;
    }
    if summary.other_assignments > 0 {
        writeln!(text, "{:>9} to others", summary.other_assignments)?;
    }
    Ok(())
}

fn destination(text: &mut String, busy: &DestinationSummary) -> fmt::Result {
    let at_least = if busy.complete { "" } else { ">" };
    let count = format!("{at_least}{}", busy.assignments);
    let step = busy
        .usual_step
        .map_or("-".to_owned(), |usual| format!("{:+} ({:.0} %)", usual.step, usual.share * 100.0));
    let ports = match busy.range_ports {
        Some(all) => format!("{}/{all}", busy.distinct_ports),
        None => busy.distinct_ports.to_string(),
    };
    let to = std::net::SocketAddr::new(busy.destination.daddr, busy.destination.dport);
    let from = busy.destination.saddr;
    write!(text, "{count:>9} {:>7}  {step:13} {ports:12} {from} -> {to}", busy.failures)
}

fn cost(text: &mut String, summary: &Summary) -> fmt::Result {
    if let Some(hook) = summary.hook {
        write!(text, "seen by {}", hook_name(hook))?;
        if let Some(kernel) = summary.kernel {
            write!(text, ": {} searches, {} filtered", kernel.seen, kernel.filtered)?;
            write!(text, ", {} connects of bound sockets", kernel.already_bound)?;
        }
        writeln!(text)?;
    }
    if let Some(kernel_cost) = summary.kernel_cost.filter(|cost| cost.searches > 0) {
        writeln!(text, "cost in the kernel: {} a search", Span(kernel_cost.ns_per_search()))?;
    }
    if let Some(cpu) = summary.cpu {
        writeln!(
            text,
            "cost of ephtrace: {} of processor time",
            Span(cpu.user_ns + cpu.system_ns)
        )?;
    }
    Ok(())
}

fn lost(text: &mut String, losses: &Losses) -> fmt::Result {
    write!(text, "lost {} events", losses.total())?;
    let stages = losses.stages().into_iter().filter(|(_, n)| *n > 0);
    for (n, (stage, count)) in stages.enumerate() {
        write!(text, "{} {count} {stage}", if n == 0 { ':' } else { ',' })?;
    }
    writeln!(text)
}

/// A length of time in nanoseconds, written with a fitting unit.
pub(crate) struct Span(pub(crate) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..1_000 => return write!(f, "{} ns", self.0),
            1_000..1_000_000 => (1_000, "us"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit * 10 / unit)
    }
}
