//! `ephtrace check`: one line and an exit code, in the form of monitoring plugins.
//!
//! Output and codes follow the Monitoring Plugins Development Guidelines: 0 OK, 1 WARNING, 2
//! CRITICAL, 3 UNKNOWN; after `|`, the performance data `label=value[unit];warn;crit;min;max`.
//! Pure; `run` collects the input.

use std::{
    cmp::Reverse,
    fmt::{self, Write as _},
};

use serde::Serialize;

use crate::{
    analyse::{
        findings::{AskedFacts, DestinationFacts, Finding, Rule, Severity},
        number::as_f64,
        storm::{Numbers, Row, error_name},
    },
    model::Origin,
    output::{escape::escape_for_terminal, human_duration::HumanDuration},
};

/// Least number of searches for a quantile: with fewer, a single one decides.
const MIN_SEARCHES: u64 = 100;

/// Its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// All below their thresholds.
    Ok,
    /// At least one is above its first threshold.
    Warning,
    /// At least one is above its second threshold.
    Critical,
    /// The answer could not be found out.
    Unknown,
}

impl CheckStatus {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for CheckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// Two thresholds: above the first it is a warning, above the second critical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Threshold of a warning.
    pub warning: f64,
    /// Threshold of a critical state.
    pub critical: f64,
}

impl Thresholds {
    fn judge(self, value: f64) -> CheckStatus {
        if value > self.critical {
            CheckStatus::Critical
        } else if value > self.warning {
            CheckStatus::Warning
        } else {
            CheckStatus::Ok
        }
    }
}

/// All thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Use of the fullest destination, in percent.
    pub used: Thresholds,
    /// Failed assignments, in percent.
    pub failures: Thresholds,
    /// Latency of the search, in nanoseconds.
    pub p99_ns: Thresholds,
}

/// Input of the check.
#[derive(Clone, Debug, Default)]
pub struct CheckInput {
    /// Destinations with ports in use, each judged by itself.
    pub destinations: Vec<DestinationFacts>,
    /// Ports left for programs that ask for one without a destination.
    pub asked: Vec<AskedFacts>,
    /// Counts, all together; `None` if nothing was counted.
    pub counted: Option<Numbers>,
    /// Counts by program and destination, each judged by itself.
    pub rows: Vec<Row>,
    /// Events that were lost and are not in `counted`.
    pub lost: u64,
    /// Problems that were found.
    pub findings: Vec<Finding>,
    /// Parts that this kernel, this hook or these rights hide.
    pub unseen: Vec<String>,
    /// Names of the network namespaces by inode number, if there may be several.
    pub namespaces: Vec<(u32, String)>,
}

impl CheckInput {
    /// Returns ` in netns blue`, or nothing if there is only one namespace.
    fn place(&self, netns: Option<u32>) -> String {
        let Some(netns) = netns.filter(|_| !self.namespaces.is_empty()) else {
            return String::new();
        };
        let known = self.namespaces.iter().find(|(one, _)| *one == netns);
        let name = known.map_or_else(|| netns.to_string(), |(_, name)| name.clone());
        format!(" in netns {name}")
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckReport {
    /// Its state.
    #[serde(rename = "status")]
    pub state: CheckStatus,
    /// The exit code: 0 ok, 1 warning, 2 critical, 3 unknown.
    pub exit_code: u8,
    /// The line for monitoring, performance data behind `|`.
    pub line: String,
    /// Problems with evidence and remedies, worst first.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Returns an answer of unknown state.
    pub fn unknown(reason: &str) -> Self {
        let line = format!("EPHTRACE UNKNOWN: {}", one_line(reason));
        Self::with(CheckStatus::Unknown, line, Vec::new())
    }

    /// Builds the answer: the worst of all states decides, and comes first.
    pub fn new(seen: &CheckInput, limits: &Limits) -> Self {
        let mut parts = uses(seen, limits);
        let mut data: Vec<String> = parts.iter().map(|part| part.data(&limits.used)).collect();
        // The sort is stable: equals keep their order.
        parts.sort_by_key(|part| Reverse(part.state));
        let mut state = parts.iter().map(|part| part.state).max().unwrap_or(CheckStatus::Ok);
        let mut text: Vec<String> = parts.into_iter().map(|part| part.text).collect();
        if let Some(counted) = &seen.counted {
            let failures = Failures::worst(counted, seen, &limits.failures);
            let p99_ns = p99_ns(counted, &seen.rows);
            let slow = limits.p99_ns.judge(as_f64(p99_ns.unwrap_or(0)));
            state = state.max(failures.state).max(slow);
            let counted_text = counted_text(counted, &failures, p99_ns);
            let at = if failures.state > CheckStatus::Ok { 0 } else { text.len() };
            text.insert(at, counted_text);
            data.extend(counted_data(counted, &failures, p99_ns, limits));
        }
        if seen.lost > 0 {
            text.push(format!("{} more were not seen", seen.lost));
        }
        let tracker = seen.findings.iter().find_map(tracker_state);
        state = state.max(tracker.unwrap_or(CheckStatus::Ok));
        // Problems without a threshold of their own come before those with one.
        let is_bad = |finding: &&Finding| finding.severity != Severity::Note;
        let is_tracker = |finding: &&Finding| tracker_state(finding) == Some(state);
        let worst = seen.findings.iter().find(is_tracker);
        let worst = worst.or_else(|| seen.findings.iter().find(is_bad));
        text.extend(
            worst.filter(|_| state != CheckStatus::Ok).map(|finding| finding.sentence.clone()),
        );
        if !seen.unseen.is_empty() {
            text.push(format!("not seen: {}", seen.unseen.join(", ")));
        }
        let line = format!("EPHTRACE {state}: {} | {}", one_line(&text.join("; ")), data.join(" "));
        Self::with(state, line, seen.findings.clone())
    }

    fn with(state: CheckStatus, line: String, findings: Vec<Finding>) -> Self {
        Self { state, exit_code: state.code(), line, findings }
    }
}

/// Returns the state of connection tracking, which refuses connections although ports are free.
fn tracker_state(finding: &Finding) -> Option<CheckStatus> {
    let is_tracker = matches!(finding.rule, Rule::Conntrack | Rule::ConntrackDrop);
    match finding.severity {
        Severity::Critical if is_tracker => Some(CheckStatus::Critical),
        Severity::Warning if is_tracker => Some(CheckStatus::Warning),
        _ => None,
    }
}

/// One way of asking for a port, and the share of the range that it finds taken.
struct Use {
    label: &'static str,
    state: CheckStatus,
    percent: f64,
    text: String,
}

impl Use {
    fn data(&self, thresholds: &Thresholds) -> String {
        let Thresholds { warning, critical } = thresholds;
        format!("{}={:.2}%;{warning};{critical};0;100", self.label, self.percent)
    }
}

/// Returns the worst destination, the worst bind, and the worst UDP socket.
fn uses(seen: &CheckInput, limits: &Limits) -> Vec<Use> {
    let by_share = |a: &&DestinationFacts, b: &&DestinationFacts| {
        let share = |d: &DestinationFacts| d.blocked_share().unwrap_or(0.0);
        share(a).total_cmp(&share(b))
    };
    // Among equals, the first has most in use.
    let worst = seen.destinations.iter().rev().max_by(by_share);
    let percent = 100.0 * worst.and_then(DestinationFacts::blocked_share).unwrap_or(0.0);
    let state = limits.used.judge(percent);
    let place = seen.place(worst.and_then(|one| one.flow.netns));
    let text = connect_text(worst, percent, &place);
    let mut uses = vec![Use { label: "use", state, percent, text }];
    for (ask, what) in [("bind", "bind() to port 0"), ("udp", "UDP")] {
        let share = |one: &AskedFacts| f64::from(one.in_use) / f64::from(one.usable.max(1));
        let all = seen.asked.iter().filter(|one| one.ask == ask).rev();
        let Some(worst) = all.max_by(|a, b| share(a).total_cmp(&share(b))) else { continue };
        let percent = 100.0 * share(worst);
        let firm = f64::from(worst.in_use.saturating_sub(worst.time_wait_reusable));
        let firm = limits.used.judge(100.0 * firm / f64::from(worst.usable.max(1)));
        // Connects continue to work, and no program is known to bind.
        let state = firm.max(limits.used.judge(percent).min(CheckStatus::Warning));
        uses.push(Use {
            label: worst.ask,
            state,
            percent,
            text: asked_text(what, worst, (state, &seen.place(Some(worst.netns)))),
        });
    }
    uses
}

fn connect_text(worst: Option<&DestinationFacts>, used: f64, place: &str) -> String {
    let Some(one) = worst else { return "no TCP connection uses a port of the range".to_owned() };
    let (in_use, usable) = (one.in_use.unwrap_or(0), one.usable.unwrap_or(0));
    let reusable = one.reusable.unwrap_or(0).min(in_use);
    let mut about = vec![format!("{} of {usable}", in_use - reusable)];
    let bound = one.left.map_or(0, |left| usable.saturating_sub(left + in_use));
    if bound > 0 {
        about.push(format!("{bound} more bound"));
    }
    if reusable > 0 {
        about.push(format!("{reusable} more in TIME_WAIT, which connect can take over"));
    }
    if let Some((unsure, left)) = one.unsure.zip(one.left).filter(|(unsure, _)| *unsure > 0) {
        about.push(format!("{} to {left} left", left - unsure));
    }
    about.extend(one.held_by.clone());
    format!("{used:.0} % of ports in use for {one}{place} ({})", about.join(", "))
}

fn asked_text(what: &str, worst: &AskedFacts, (state, place): (CheckStatus, &str)) -> String {
    let AskedFacts { in_use, usable, saddr, error, .. } = worst;
    let mut text = format!("{what}: {in_use} of {usable} ports in use on {saddr}{place}");
    if state > CheckStatus::Ok {
        text.extend(worst.held_by.as_ref().map(|who| format!(", {who}")));
    }
    if worst.time_wait_reusable > 0 && state > CheckStatus::Ok {
        let count = worst.time_wait_reusable;
        let _ = write!(text, ", {count} of them in TIME_WAIT for up to a minute");
    }
    if in_use >= usable {
        let _ = write!(text, ", the next one fails with {error}");
        if worst.may_share {
            text += " unless it can share a port through SO_REUSEADDR";
        }
    }
    text
}

fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * as_f64(part) / as_f64(all) }
}

/// The worst failures of one program and destination.
struct Failures {
    state: CheckStatus,
    percent: f64,
    /// Program and destination, unless they cover everything that was counted.
    who: Option<String>,
}

impl Failures {
    /// Returns the worst row: each is judged by itself, because one destination in trouble drowns
    /// among the attempts for others.
    fn worst(all: &Numbers, seen: &CheckInput, thresholds: &Thresholds) -> Self {
        let judged = seen.rows.iter().filter(|row| row.numbers.failed > 0).map(|row| {
            let percent = percent(row.numbers.failed, row.numbers.assignments);
            let state = thresholds.judge(percent);
            // A conflict over a port that a program names is no shortage.
            let is_named = row.origin == Some(Origin::Explicit) && row.flow.daddr.is_none();
            (if is_named { state.min(CheckStatus::Warning) } else { state }, row)
        });
        let worst = judged.max_by_key(|(state, row)| (*state, row.numbers.failed));
        let percent_of_all = percent(all.failed, all.assignments);
        match worst {
            None => {
                Self { state: thresholds.judge(percent_of_all), percent: percent_of_all, who: None }
            }
            Some((state, row)) => {
                let Numbers { failed, assignments, .. } = row.numbers;
                let place = DestinationFacts::of_row(row);
                Self {
                    state,
                    percent: percent(failed, assignments),
                    who: (assignments < all.assignments).then(|| {
                        let netns = seen.place(row.flow.netns);
                        let who = row.process();
                        format!("{failed} of {assignments} attempts by {who} for {place}{netns}")
                    }),
                }
            }
        }
    }
}

/// Returns the highest 99th percentile of the search time, of one destination or of all.
fn p99_ns(all: &Numbers, rows: &[Row]) -> Option<u64> {
    let many = rows.iter().map(|row| &row.numbers).filter(|one| one.assignments >= MIN_SEARCHES);
    many.chain([all]).filter_map(|one| Some(one.latency?.p99_ns)).max()
}

fn counted_text(counted: &Numbers, failures: &Failures, p99_ns: Option<u64>) -> String {
    let Numbers { assignments, failed, errors, .. } = counted;
    if *assignments == 0 {
        return "no program asked for a port meanwhile".to_owned();
    }
    let assigned = assignments - failed;
    let errors: Vec<_> =
        errors.iter().map(|&(errno, n)| format!("{n} {}", error_name(errno))).collect();
    let errors = if errors.is_empty() { String::new() } else { format!(": {}", errors.join(", ")) };
    let worst = failures.who.as_ref().map_or_else(String::new, |who| format!("; worst: {who}"));
    let p99 = p99_ns.map_or_else(|| "unknown".to_owned(), |ns| HumanDuration(ns).to_string());
    format!(
        "{assignments} attempts: {assigned} assigned, {failed} failed{errors}{worst}; port search \
         latency p99 {p99} (wall time)"
    )
}

fn counted_data(
    counted: &Numbers,
    worst: &Failures,
    p99_ns: Option<u64>,
    limits: &Limits,
) -> [String; 4] {
    let attempts = counted.per_second;
    let succeeded = percent(counted.assignments - counted.failed, counted.assignments) / 100.0;
    let Limits { failures, p99_ns: p99_limits, .. } = limits;
    let us = |ns: f64| ns / 1e3;
    // U stands for unknown.
    let p99 = match p99_ns {
        None => "U".to_owned(),
        Some(ns) => format!("{}us", us(as_f64(ns))),
    };
    [
        format!("failed={:.2}%;{};{};0;100", worst.percent, failures.warning, failures.critical),
        format!("search_p99={p99};{};{};0", us(p99_limits.warning), us(p99_limits.critical)),
        format!("attempts={attempts:.1};;;0"),
        format!("assigned={:.1};;;0", attempts * succeeded),
    ]
}

/// Returns text for the one line: `|` would begin the performance data, and a line feed would end
/// the answer; names of processes may contain anything.
fn one_line(text: &str) -> String {
    escape_for_terminal(&text.replace(['\n', '|'], " "))
}

#[cfg(test)]
mod tests;
