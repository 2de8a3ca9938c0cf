//! Two runs side by side: did the change between them help? Pure: summaries in, numbers and
//! sentences out.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Serialize;

use super::{findings::Finding, pattern::Verdict, quantities::Latency, real, summary::Summary};
#[cfg(test)]
use crate::model::port_range::Ends;
use crate::model::{
    PortRange,
    human_share::HumanShare,
    losses::{Losses, serialize_losses},
    port_range::serialize_known_ends,
};

/// Maximum number of compared destinations: the fullest of both runs.
const DESTINATIONS: usize = 10;

/// Ratio of durations or loads above which two runs are not alike.
const ALIKE: f64 = 2.0;

/// Standard errors that two shares must differ by before one is called smaller. Failures come in
/// bursts, so that the usual two or three are too few.
const APART: f64 = 5.0;

/// Failures expected in the second run by the share of the first, below which their absence tells
/// nothing.
const EXPECTED: f64 = 10.0;

/// One of two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Side {
    /// The name of the recording.
    pub recording: String,
    /// Format of the recording.
    pub format: &'static str,
    /// Time from the first to the last assignment, in nanoseconds.
    pub duration_ns: u64,
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Assignments per second.
    pub per_second: f64,
    /// Failed assignments.
    pub failures: u64,
    /// Share of failures among all assignments, 0 to 1; null if there are no assignments, or if the
    /// format does not show failures.
    pub failure_share: Option<f64>,
    /// Lowest and highest port of the range in force last, for the busiest destination.
    #[serde(flatten, serialize_with = "serialize_known_ends")]
    #[cfg_attr(test, schemars(with = "Ends<Option<u16>>"))]
    pub range: Option<PortRange>,
    /// Port search latency; null if the recording does not have it.
    pub latency: Option<Latency>,
    /// How ports are assigned, over all.
    pub verdict: Verdict,
    /// Events that did not reach the recording.
    #[serde(serialize_with = "serialize_losses")]
    pub losses: Losses,
}

/// One destination in both runs, over all source addresses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DestinationChange {
    /// Address and port, as `10.0.0.5:5432`; an IPv6 address is in brackets.
    pub destination_name: String,
    /// In the first run; null if unknown there.
    pub destination_before: Option<DestinationSide>,
    /// In the second run; null if unknown there.
    pub destination_after: Option<DestinationSide>,
}

/// One destination in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DestinationSide {
    /// Assignments to the destination, failed ones included.
    pub assignments: u64,
    /// Failed assignments.
    pub failures: u64,
    /// Share of its range that was ever assigned, 0 to 1, for the fullest source address; null if
    /// the range is unknown.
    pub range_share: Option<f64>,
}

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// Sentence that says whether fewer assignments fail.
    pub sentence: String,
    /// Differences between the runs that limit the comparison, one sentence each.
    pub caveats: Vec<String>,
    /// The first run.
    pub before: Side,
    /// The second run.
    pub after: Side,
    /// Findings of the first run that the second does not have.
    pub findings_gone: Vec<Finding>,
    /// Findings of the second run that the first does not have.
    pub findings_new: Vec<Finding>,
    /// Findings of both runs, as worded in the second.
    pub findings_left: Vec<Finding>,
    /// The fullest destinations of both.
    pub changes: Vec<DestinationChange>,
}

/// A run, with the name and the format of its recording.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Name of the recording.
    pub recording: &'a str,
    /// Format of the recording.
    pub format: &'static str,
    /// True if the format shows failed assignments; captures have no packet of them.
    pub shows_failures: bool,
    /// Summary of the run.
    pub summary: &'a Summary,
}

/// Compares two runs.
pub fn compare(before: Run<'_>, after: Run<'_>) -> Comparison {
    let sides = [before, after].map(side);
    let caveats = caveats([before, after], &sides);
    let sentence = sentence(&sides);
    let is_in = |run: Run<'_>, finding: &Finding| {
        run.summary.findings.iter().any(|other| is_same(other, finding))
    };
    let (left, new): (Vec<_>, Vec<_>) =
        after.summary.findings.iter().cloned().partition(|finding| is_in(before, finding));
    let gone = before.summary.findings.iter().filter(|finding| !is_in(after, finding));
    let findings_gone = gone.cloned().collect();
    let changes = changes(before.summary, after.summary);
    let [before, after] = sides;
    Comparison {
        sentence,
        caveats,
        before,
        after,
        findings_gone,
        findings_new: new,
        findings_left: left,
        changes,
    }
}

fn side(run: Run<'_>) -> Side {
    let Summary { duration_ns, assignments, per_second, failures, latency, .. } = *run.summary;
    let share = (run.shows_failures && assignments > 0).then(|| real(failures) / real(assignments));
    Side {
        recording: run.recording.to_owned(),
        format: run.format,
        duration_ns,
        assignments,
        per_second,
        failures,
        failure_share: share,
        range: run.summary.destinations.iter().find_map(|one| one.range),
        latency,
        verdict: run.summary.verdict.clone(),
        losses: run.summary.losses,
    }
}

/// Returns whether both are findings of one rule about one subject. Process ids are ignored: they
/// change with a restart.
fn is_same(one: &Finding, other: &Finding) -> bool {
    one.rule == other.rule && without_pids(&one.sentence) == without_pids(&other.sentence)
}

/// Returns `text` without numbers in parentheses.
fn without_pids(text: &str) -> String {
    let mut kept = String::new();
    for (n, part) in text.split('(').enumerate() {
        let rest = part.split_once(')').filter(|(number, _)| {
            n > 0 && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        match rest {
            Some((_, rest)) => kept += rest,
            None if n == 0 => kept += part,
            None => {
                kept.push('(');
                kept += part;
            }
        }
    }
    kept
}

fn caveats(runs: [Run<'_>; 2], sides: &[Side; 2]) -> Vec<String> {
    let mut caveats = Vec::new();
    for (run, when) in runs.into_iter().zip(["before", "after"]) {
        if run.summary.assignments == 0 {
            caveats.push(format!("{when}: no assignments"));
        }
        let lost = run.summary.losses.total();
        if lost > 0 {
            caveats
                .push(format!("{when}: {lost} events were lost, so all counts are lower bounds"));
        }
        if !run.shows_failures {
            let format = run.format;
            caveats.push(format!("{when}: a {format} recording does not show failures"));
        }
        if run.summary.disordered > 0 {
            caveats.push(format!(
                "{when}: rows are out of order, so steps and verdicts are less reliable"
            ));
        }
        if run.summary.destinations_evicted > 0 {
            caveats.push(format!("{when}: quiet destinations were evicted"));
        }
    }
    let [before, after] = sides;
    if let (Some(first), Some(second)) = (runs[0].summary.hook, runs[1].summary.hook)
        && first != second
    {
        let (first, second) = (first.name(), second.name());
        caveats.push(format!(
            "the hook was {first} before and {second} after, and these time searches differently"
        ));
    }
    if before.latency.is_some() != after.latency.is_some() {
        let when = if before.latency.is_none() { "before" } else { "after" };
        caveats.push(format!("{when}: the port search latency is unknown"));
    }
    let durations = (real(before.duration_ns), real(after.duration_ns));
    if !are_alike(durations) {
        caveats.push("one run is more than twice as long as the other: compare rates".to_owned());
    }
    if !are_alike((before.per_second, after.per_second)) {
        caveats.push(format!(
            "the load differs ({:.1} and {:.1} assignments per second): a lower load alone causes \
             fewer failures",
            before.per_second, after.per_second
        ));
    }
    caveats
}

fn are_alike((one, other): (f64, f64)) -> bool {
    one <= ALIKE * other && other <= ALIKE * one
}

fn sentence([before, after]: &[Side; 2]) -> String {
    let (Some(first), Some(second)) = (before.failure_share, after.failure_share) else {
        return "it is unknown whether fewer assignments fail".to_owned();
    };
    let told = format!("{} before, {} after", percent(first), percent(second));
    if before.failures == 0 && after.failures == 0 {
        return "no failures before or after".to_owned();
    }
    let (n, m) = (real(before.assignments), real(after.assignments));
    let both = (real(before.failures) + real(after.failures)) / (n + m);
    let error = (both * (1.0 - both) * (1.0 / n + 1.0 / m)).sqrt();
    let expected = if first > second { first * m } else { second * n };
    let is_apart = (first - second).abs() > APART * error;
    if !is_apart || expected < EXPECTED {
        return format!("no clear difference in failures: {told}");
    }
    let is_alike = are_alike((before.per_second, after.per_second));
    let load = if is_alike { "" } else { ", at a different load" };
    match (first > second, after.failures) {
        (true, 0) => format!("no more failures: {told}{load}"),
        (true, _) => format!("fewer failures: {told}{load}"),
        (false, _) => format!("more failures: {told}{load}"),
    }
}

/// Formats a share in percent.
pub fn percent(share: f64) -> String {
    HumanShare(share).to_string()
}

/// Returns the fullest destinations of both runs, the fullest first.
fn changes(before: &Summary, after: &Summary) -> Vec<DestinationChange> {
    let (before, after) = (by_destination(before), by_destination(after));
    let mut names: Vec<SocketAddr> = before.keys().chain(after.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let fullness = |name: &SocketAddr| {
        let sides = [before.get(name), after.get(name)].into_iter().flatten();
        sides.fold((0, 0.0, 0), |(failures, share, all), side| {
            let of_range = side.range_share.unwrap_or(0.0);
            (failures.max(side.failures), f64::max(share, of_range), all.max(side.assignments))
        })
    };
    names.sort_by(|one, other| {
        let ((failures, share, all), (failures2, share2, all2)) = (fullness(one), fullness(other));
        (failures2 > 0)
            .cmp(&(failures > 0))
            .then(share2.total_cmp(&share))
            .then(all2.cmp(&all))
            .then(one.cmp(other))
    });
    let change = |name: SocketAddr| DestinationChange {
        destination_name: name.to_string(),
        destination_before: before.get(&name).copied(),
        destination_after: after.get(&name).copied(),
    };
    names.into_iter().take(DESTINATIONS).map(change).collect()
}

fn by_destination(summary: &Summary) -> BTreeMap<SocketAddr, DestinationSide> {
    let mut all = BTreeMap::<SocketAddr, DestinationSide>::new();
    for one in &summary.destinations {
        let Some(remote) = one.flow.remote() else { continue };
        let side = all.entry(remote).or_default();
        side.assignments += one.assignments;
        side.failures += one.failures;
        let ports = one.range_ports.filter(|ports| *ports > 0);
        let share = ports.map(|ports| f64::from(one.distinct_ports) / f64::from(ports));
        side.range_share = match (side.range_share, share) {
            (Some(known), Some(share)) => Some(f64::max(known, share)),
            (known, share) => known.or(share),
        };
    }
    all
}

#[cfg(test)]
mod tests;
