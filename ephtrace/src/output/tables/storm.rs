//! Totals of a storm as tables or as data: one look after the other, then the whole.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write},
};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::output::{
    escape::escape_for_terminal,
    human_duration::HumanDuration,
    kind::{Kind, write_typed},
    paper::Paper,
    table::{Head, Table},
};
use crate::{
    analyse::{
        capacity::Capacity,
        findings::{Finding, Severity},
        quantities::Latency,
        storm::{Interval, Numbers, Row, error_name},
    },
    model::{
        Hook, Origin,
        grouping::By,
        losses::{Losses, serialize_losses},
    },
};

/// [`IntervalReport::kind`] of one look.
pub const LOOK: &str = Kind::Storm.name();
/// [`IntervalReport::kind`] of the whole time.
pub const WHOLE: &str = "storm_total";

/// One look, with its findings and losses.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IntervalReport<'a> {
    /// `storm`, or `storm_total` for the whole time.
    #[serde(skip)]
    pub kind: &'static str,
    /// End of the look, RFC 3339.
    pub ts: String,
    /// Hook that sees the assignments.
    pub hook: &'static str,
    /// Failing attempts that this hook does not see, in words; null if it sees all of them.
    pub unseen_failures: Option<String>,
    /// The counts.
    #[serde(flatten)]
    pub interval: &'a Interval,
    /// Problems that were found.
    pub findings: &'a [Finding],
    /// Assignments missing from the numbers, by the stage that lost them, since the start.
    #[serde(serialize_with = "serialize_losses")]
    pub losses: Losses,
}

impl<'a> IntervalReport<'a> {
    /// Creates the report on one interval, or on all of them.
    pub fn new(
        kind: &'static str,
        (hook, unseen_failures): (Hook, Option<String>),
        interval: &'a Interval,
        findings: &'a [Finding],
        losses: Losses,
    ) -> Self {
        let ts = timestamp(interval.end_ns).map_or_else(String::new, |ts| format!("{ts:.9}"));
        Self { kind, ts, hook: hook.name(), unseen_failures, interval, findings, losses }
    }

    fn is_whole(&self) -> bool {
        self.kind == WHOLE
    }

    /// Writes one JSON object on a line of its own.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write_typed(out, self.kind, self)
    }

    /// Writes the counts as a table of at most `limit` rows; findings are written separately.
    pub fn write_text(
        &self,
        out: &mut impl Write,
        limit: Option<usize>,
        paper: Paper,
    ) -> io::Result<()> {
        let Interval { end_ns, all, rows, other, duration_ns, by } = self.interval;
        let count = if self.is_whole() { Count::Sum } else { Count::PerSecond };
        let head = match count {
            Count::PerSecond => clock(*end_ns),
            Count::Sum => format!("total, {}", HumanDuration(*duration_ns)),
        };
        // A look does not repeat what was announced.
        let unseen = self.unseen_failures.as_deref().filter(|_| self.is_whole());
        headline(out, &head, all, count, (unseen, paper))?;
        if rows.is_empty() && other.is_none() {
            return Ok(());
        }
        let shown = limit.unwrap_or(rows.len()).min(rows.len());
        let mut table = Table::new(heads(count, *by));
        for row in &rows[..shown] {
            table.row(cells(&row.numbers, count, (row.capacity, place_by(row, *by))));
        }
        if let Some(other) = other {
            let place = "others (the kernel's map was full)".to_owned();
            table.row(cells(other, count, (None, place)));
        }
        table.write(out, paper)?;
        match rows.get(shown..).filter(|rest| !rest.is_empty()) {
            Some(rest) => {
                let left = count.sum(rest);
                writeln!(out, "{left:>9} to {} others (all with -n 0)", rest.len())
            }
            None => Ok(()),
        }
    }
}

/// Writes findings in words: the problem, the evidence, the remedies, each of these once. They name
/// processes and namespaces, whose names may contain anything.
pub fn write_findings(out: &mut impl Write, findings: &[Finding], paper: Paper) -> io::Result<()> {
    let mut told = BTreeSet::new();
    for Finding { rule, severity, sentence, evidence, remedies } in findings {
        let severity = styled(*severity, paper);
        writeln!(out, "{severity}: {} [{rule}]", escape_for_terminal(sentence))?;
        writeln!(out, "  evidence: {}", escape_for_terminal(evidence))?;
        for remedy in remedies.iter().filter(|remedy| told.insert(*remedy)) {
            writeln!(out, "  remedy:   {}", escape_for_terminal(remedy))?;
        }
    }
    Ok(())
}

/// Writes the sentences alone of problems that were written whole before, and still hold.
pub fn write_held(out: &mut impl Write, findings: &[Finding], paper: Paper) -> io::Result<()> {
    for Finding { rule, severity, sentence, .. } in findings {
        if *severity != Severity::Note {
            let severity = styled(*severity, paper);
            writeln!(out, "{severity}: {} [{rule}]", escape_for_terminal(sentence))?;
        }
    }
    Ok(())
}

/// Returns the word for a severity, in its colour.
pub(crate) fn styled(severity: Severity, paper: Paper) -> String {
    match severity {
        Severity::Critical => paper.alarm(severity).to_string(),
        Severity::Warning => paper.warning(severity).to_string(),
        Severity::Note => severity.to_string(),
    }
}

fn headline(
    out: &mut impl Write,
    head: &str,
    all: &Numbers,
    count: Count,
    (unseen, paper): (Option<&str>, Paper),
) -> io::Result<()> {
    let rate = all.per_second - all.failed_per_second;
    let mut line = format!("{head}  {} assigned", count.of(all.assignments - all.failed, rate));
    let failed = format!("{} failed", count.of(all.failed, all.failed_per_second));
    let failed = if all.failed > 0 { paper.failed(failed).to_string() } else { failed };
    let _ = write!(line, ", {failed}");
    if !all.errors.is_empty() {
        let errors: Vec<_> =
            all.errors.iter().map(|&(errno, n)| format!("{} {n}", error_name(errno))).collect();
        let _ = write!(line, " ({})", errors.join(", "));
    }
    if let Some(unseen) = unseen {
        let _ = write!(line, " (not seen: {unseen})");
    }
    if let Some(Latency { p50_ns, p99_ns, max_ns }) = all.latency {
        let _ = write!(
            line,
            ", port searches use at most {:.1} % of a CPU",
            all.search_cpus_at_most * 100.0
        );
        let (p50, p99, max) = (HumanDuration(p50_ns), HumanDuration(p99_ns), HumanDuration(max_ns));
        let _ = write!(line, ", port search latency (wall time) p50 {p50} p99 {p99} max {max}");
    } else if all.assignments > 0 {
        let _ = write!(line, ", port search latency unknown");
    }
    writeln!(out, "{line}")
}

/// Returns the heads of the columns. At 80, a row has room for a destination once the first three
/// are dropped.
fn heads(count: Count, by: By) -> [Head; 8] {
    let what = match by {
        By::Process => "ORIGIN  PROCESS and DESTINATION",
        By::Container => "ORIGIN  CONTAINER and DESTINATION",
        By::Pod => "ORIGIN  POD and DESTINATION",
        By::Unit => "ORIGIN  UNIT and DESTINATION",
    };
    let rate = if count == Count::Sum { "COUNT" } else { "RATE" };
    [
        Head::right(rate, 9),
        Head::right("FAILED", 9),
        Head::right("P50(us)", 8).drop(2),
        Head::right("P99(us)", 8),
        Head::right("TRIED", 6).drop(1),
        Head::right("<CPU%", 6).drop(3),
        Head::right("USE%", 5),
        Head::left(what, 0).apart(),
    ]
}

fn cells(
    numbers: &Numbers,
    count: Count,
    (capacity, place): (Option<Capacity>, String),
) -> [String; 8] {
    let used = capacity.map_or_else(|| "-".to_owned(), |c| format!("{:.0}", c.share * 100.0));
    let tried = numbers.tried_p99.map_or_else(|| "-".to_owned(), |tried| tried.to_string());
    [
        count.of(numbers.assignments, numbers.per_second),
        count.of(numbers.failed, numbers.failed_per_second),
        micros(numbers.latency.map(|latency| latency.p50_ns)),
        micros(numbers.latency.map(|latency| latency.p99_ns)),
        tried,
        format!("{:.1}", numbers.search_cpus_at_most * 100.0),
        used,
        place,
    ]
}

/// Returns the place of a row: `connect curl (4711) 10.0.0.1 -> 10.0.0.2:443`.
pub(crate) fn place(row: &Row) -> String {
    let mut text = format!(
        "{:7} {}",
        row.origin.map_or("-", Origin::name),
        escape_for_terminal(&row.process())
    );
    let _ = write!(text, "  {}", row.flow.saddr);
    if let Some(to) = row.flow.remote() {
        let _ = write!(text, " -> {to}");
    }
    text
}

/// Returns the same, with a word for processes that are in no group.
fn place_by(row: &Row, by: By) -> String {
    let place = place(row);
    if by == By::Process || row.group.is_some() {
        return place;
    }
    format!("{place}  {}", by.nowhere())
}

/// Unit of counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    PerSecond,
    Sum,
}

impl Count {
    fn of(self, count: u64, rate: f64) -> String {
        match self {
            Self::PerSecond => per_second(rate),
            Self::Sum => count.to_string(),
        }
    }

    fn sum(self, rows: &[Row]) -> String {
        let assignments = rows.iter().map(|row| row.numbers.assignments).sum();
        self.of(assignments, rows.iter().map(|row| row.numbers.per_second).sum())
    }
}

fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 100.0 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

fn micros(ns: Option<u64>) -> String {
    let Some(ns) = ns else { return "-".to_owned() };
    let tenths = (ns + 50) / 100;
    if tenths < 1000 {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        ((ns + 500) / 1000).to_string()
    }
}

fn timestamp(unix_ns: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(unix_ns.into()).ok()
}

/// Returns the wall-clock time to the second.
fn clock(unix_ns: u64) -> String {
    let zoned = timestamp(unix_ns).map(|ts| ts.to_zoned(TimeZone::system()));
    zoned.map_or_else(|| "-".to_owned(), |zoned| zoned.strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::findings::Rule;

    #[test]
    fn names_can_not_steer_a_terminal() {
        let evil = "\x1b[31mcurl\n";
        let finding = Finding {
            rule: Rule::Exhausted,
            severity: Severity::Critical,
            sentence: format!("{evil} finds no free port"),
            evidence: evil.to_owned(),
            remedies: vec![evil.to_owned()],
        };
        let mut out = Vec::new();
        let note = Finding { severity: Severity::Note, ..finding.clone() };
        write_findings(&mut out, std::slice::from_ref(&finding), Paper::default()).unwrap();
        write_held(&mut out, &[finding, note], Paper::default()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}
