//! The alerts: when each fires, and a sample that makes it fire, for its test.

use anyhow::Result;
use ephtrace::analyse::findings::Rule;

use super::runbook::Section;

/// Labels of the samples' target.
pub(crate) const TARGET: [(&str, &str); 2] = [("instance", "host:19435"), ("job", "ephtrace")];

/// Labels of a sample, beside those of the target.
type Labels = &'static [(&'static str, &'static str)];

/// An alert.
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) expr: String,
    /// Time for which the expression must hold.
    pub(crate) hold: &'static str,
    /// Severity, unless the series has it as a label.
    pub(crate) severity: Option<&'static str>,
    /// Labels of the alert beside those of the target.
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) says: Section,
    pub(crate) sample: Sample,
}

/// A series that makes an alert fire, and one that does not, in the notation of promtool.
pub(crate) struct Sample {
    pub(crate) metric: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) fires: &'static str,
    pub(crate) quiet: &'static str,
}

/// An alert on the state, in short.
struct OnState {
    name: &'static str,
    expr: &'static str,
    hold: &'static str,
    severity: &'static str,
    /// Labels that the alert has from its series.
    keeps: Labels,
    metric: &'static str,
    labels: Labels,
    fires: &'static str,
    quiet: &'static str,
}

const NETNS: Labels = &[("netns", "4026531833"), ("name", "blue")];
const FAILED: Labels = &[("origin", "connect"), ("family", "4"), ("error", "EADDRNOTAVAIL")];
const STAGE: Labels = &[("stage", "hook_missed")];
const CRITICAL: &str = "critical";
const WARNING: &str = "warning";

const ON_STATE: [OnState; 8] = [
    OnState {
        name: "EphtraceDown",
        expr: "up{job=~\".*ephtrace.*\"} == 0",
        hold: "5m",
        severity: CRITICAL,
        keeps: &[],
        metric: "up",
        labels: &[],
        fires: "0x30",
        quiet: "1x30",
    },
    OnState {
        name: "EphtraceNotCounting",
        expr: "ephtrace_up == 0",
        hold: "2m",
        severity: CRITICAL,
        keeps: &[],
        metric: "ephtrace_up",
        labels: &[],
        fires: "0x30",
        quiet: "1x30",
    },
    OnState {
        name: "EphtraceStale",
        expr: "time() - ephtrace_snapshot_timestamp_seconds > 300",
        hold: "2m",
        severity: CRITICAL,
        keeps: &[],
        metric: "ephtrace_snapshot_timestamp_seconds",
        labels: &[],
        fires: "0x30",
        quiet: "0+60x30",
    },
    OnState {
        name: "EphtraceLosses",
        expr: "sum by (instance, job, stage) (increase(ephtrace_lost_total[10m])) > 0",
        hold: "0m",
        severity: WARNING,
        keeps: STAGE,
        metric: "ephtrace_lost_total",
        labels: STAGE,
        fires: "0x10 7x20",
        quiet: "7x30",
    },
    OnState {
        name: "EphtraceConnectsFail",
        // A series begins with its first failures, which are no increase of it: they count for the
        // time in which the series is new, if the target itself is not.
        expr: "sum by (instance, job, origin, family, error) (\
               ephtrace_assignment_failures_total{error=\"EADDRNOTAVAIL\"} unless \
               ephtrace_assignment_failures_total{error=\"EADDRNOTAVAIL\"} offset 5m \
               and on (instance, job) ephtrace_up offset 5m or \
               increase(ephtrace_assignment_failures_total{error=\"EADDRNOTAVAIL\"}[5m])) > 0",
        hold: "1m",
        severity: CRITICAL,
        keeps: FAILED,
        metric: "ephtrace_assignment_failures_total",
        labels: FAILED,
        fires: "_x16 7x14",
        quiet: "9x30",
    },
    OnState {
        name: "EphtraceDestinationFull",
        expr: "ephtrace_destinations_full > 0",
        hold: "0m",
        severity: CRITICAL,
        keeps: NETNS,
        metric: "ephtrace_destinations_full",
        labels: NETNS,
        fires: "0x10 1x20",
        quiet: "0x30",
    },
    OnState {
        name: "EphtraceDestinationPastHalf",
        expr: "ephtrace_destinations_past_half > 0",
        hold: "5m",
        severity: WARNING,
        keeps: NETNS,
        metric: "ephtrace_destinations_past_half",
        labels: NETNS,
        fires: "0x8 2x22",
        quiet: "0x30",
    },
    OnState {
        name: "EphtracePortsRunOut",
        expr: "ephtrace_exhaustion_forecast_seconds < 1800",
        hold: "1m",
        severity: WARNING,
        keeps: &[],
        metric: "ephtrace_exhaustion_forecast_seconds",
        labels: &[],
        fires: "3000-100x30",
        quiet: "3600x30",
    },
];

/// Returns all alerts: those on the state, then one for each rule.
pub(crate) fn all() -> Result<Vec<Alert>> {
    let on_state = ON_STATE.iter().map(on_state);
    let rules = Rule::ALL.iter().filter(|rule| is_alerted(**rule));
    on_state.chain(rules.map(|rule| on_finding(*rule))).collect()
}

/// Returns whether a rule is worth an alert: not if it only notes something, or speaks of
/// recordings alone.
fn is_alerted(rule: Rule) -> bool {
    let notes = [
        Rule::ReservedBlock,
        Rule::ShortReuse,
        Rule::ListenerInside,
        Rule::EqualParity,
        Rule::OtherRange,
        Rule::NoRoom,
    ];
    ![Rule::Cut, Rule::Disorder].contains(&rule) && !notes.contains(&rule)
}

fn owned(labels: Labels) -> Vec<(&'static str, String)> {
    labels.iter().map(|&(name, value)| (name, value.to_owned())).collect()
}

fn on_state(of: &OnState) -> Result<Alert> {
    let OnState { name, expr, hold, severity, keeps, metric, labels, fires, quiet } = *of;
    Ok(Alert {
        name: name.to_owned(),
        expr: expr.to_owned(),
        hold,
        severity: Some(severity),
        labels: owned(keeps),
        says: Section::of(name)?,
        sample: Sample { metric, labels: owned(labels), fires, quiet },
    })
}

/// A finding holds for a moment at times: the last five minutes count.
fn on_finding(rule: Rule) -> Result<Alert> {
    let worst = match rule {
        Rule::Exhausted | Rule::Full | Rule::Failures | Rule::Losses => CRITICAL,
        _ => WARNING,
    };
    let name = rule.name();
    let labels = vec![("rule", name.to_owned()), ("severity", worst.to_owned())];
    let matched = format!("rule=\"{name}\", severity=~\"critical|warning\"");
    Ok(Alert {
        name: format!("EphtraceFinding{}", camel_case(name)),
        expr: format!("max_over_time(ephtrace_finding{{{matched}}}[5m]) == 1"),
        hold: if worst == CRITICAL { "0m" } else { "2m" },
        severity: None,
        labels: labels.clone(),
        says: Section::of(name)?,
        sample: Sample { metric: "ephtrace_finding", labels, fires: "_x8 1x22", quiet: "1 _x30" },
    })
}

fn camel_case(name: &str) -> String {
    let mut words = String::new();
    for word in name.split('-') {
        let (first, rest) = word.split_at(1.min(word.len()));
        words.push_str(&first.to_uppercase());
        words.push_str(rest);
    }
    words
}
