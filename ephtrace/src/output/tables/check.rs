//! `ephtrace check`: one line and an exit code, as monitoring plugins give them.
//!
//! Output and codes follow the Monitoring Plugins Development Guidelines: 0 OK, 1 WARNING,
//! 2 CRITICAL, 3 UNKNOWN; behind `|` the performance data `label=value[unit];warn;crit;min;max`.
//! Pure; what is looked at is wired in `run`.

use std::fmt;

use crate::{
    analyse::{
        findings::{DestinationFacts, Finding, Rule, Severity},
        storm::{Numbers, error_name},
    },
    output::{escape::shown, span::Span},
};

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// All below their thresholds.
    Ok,
    /// One is above its first threshold.
    Warning,
    /// One is above its second threshold.
    Critical,
    /// It could not be found out.
    Unknown,
}

impl State {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// Above the first it is a warning, above the second critical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Warns above.
    pub warning: f64,
    /// Critical above.
    pub critical: f64,
}

impl Thresholds {
    fn judge(self, value: f64) -> State {
        if value > self.critical {
            State::Critical
        } else if value > self.warning {
            State::Warning
        } else {
            State::Ok
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

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The fullest destination; `None` if nothing is in use.
    pub fullest: Option<DestinationFacts>,
    /// What was counted; `None` if nobody counted.
    pub counted: Option<Numbers>,
    /// What was lost, and is not in `counted`.
    pub lost: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it is.
    pub state: State,
    /// The line, without its end.
    pub line: String,
}

impl Answer {
    /// It could not be found out.
    pub fn unknown(reason: &str) -> Self {
        let line = format!("EPHTRACE UNKNOWN: {}", one_line(reason));
        Self { state: State::Unknown, line }
    }

    /// Out of what was seen.
    pub fn new(seen: &Seen, limits: &Limits) -> Self {
        let used = seen.fullest.as_ref().and_then(share).unwrap_or(0.0);
        let mut state = limits.used.judge(used);
        let mut text = vec![use_text(seen.fullest.as_ref(), used)];
        let Thresholds { warning, critical } = limits.used;
        let mut data = vec![format!("use={used:.2}%;{warning};{critical};0;100")];
        if let Some(counted) = &seen.counted {
            let failed = percent(counted.failed, counted.assignments);
            let p99_ns = as_f64(counted.latency_p99_ns.unwrap_or(0));
            state = state.max(limits.failures.judge(failed)).max(limits.p99_ns.judge(p99_ns));
            text.push(counted_text(counted));
            data.extend(counted_data(counted, failed, limits));
        }
        if seen.lost > 0 {
            text.push(format!("{} more were not seen", seen.lost));
        }
        let worst = seen.findings.iter().find(|finding| finding.severity != Severity::Note);
        text.extend(worst.filter(|_| state != State::Ok).map(|finding| finding.sentence.clone()));
        let line = format!("EPHTRACE {state}: {} | {}", one_line(&text.join("; ")), data.join(" "));
        Self { state, line }
    }
}

use crate::analyse::number::as_f64;

fn share(one: &DestinationFacts) -> Option<f64> {
    let (in_use, usable) = one.in_use.zip(one.usable)?;
    Some(percent(in_use.into(), usable.into()))
}

fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * as_f64(part) / as_f64(all) }
}

fn use_text(fullest: Option<&DestinationFacts>, used: f64) -> String {
    let Some(one) = fullest else { return "no port of the range is in use".to_owned() };
    let (in_use, usable) = (one.in_use.unwrap_or(0), one.usable.unwrap_or(0));
    let who = one.process.as_ref().map_or_else(String::new, |who| format!(", most by {who}"));
    format!("{used:.0} % of the ports in use for {one} ({in_use} of {usable}{who})")
}

fn counted_text(counted: &Numbers) -> String {
    let Numbers { assignments, failed, errors, latency_p99_ns, .. } = counted;
    if *assignments == 0 {
        return "nothing was assigned meanwhile".to_owned();
    }
    let errors: Vec<_> =
        errors.iter().map(|&(errno, n)| format!("{} {n}", error_name(errno))).collect();
    let errors =
        if errors.is_empty() { String::new() } else { format!(" ({})", errors.join(", ")) };
    let p99 = latency_p99_ns.map_or_else(|| "unknown".to_owned(), |ns| Span(ns).to_string());
    format!("{failed} of {assignments} assignments failed{errors}, search p99 {p99}")
}

fn counted_data(counted: &Numbers, failed: f64, limits: &Limits) -> [String; 3] {
    let Limits { failures, p99_ns, .. } = limits;
    let us = |ns: f64| ns / 1e3;
    // U: not known.
    let p99 = match counted.latency_p99_ns {
        None => "U".to_owned(),
        Some(ns) => format!("{}us", us(as_f64(ns))),
    };
    [
        format!("failed={failed:.2}%;{};{};0;100", failures.warning, failures.critical),
        format!("search_p99={p99};{};{};0", us(p99_ns.warning), us(p99_ns.critical)),
        format!("assigned={:.1};;;0", counted.per_second),
    ]
}

/// `|` begins the performance data, and a line ends the answer; names of processes may hold
/// anything.
fn one_line(text: &str) -> String {
    shown(&text.replace(['\n', '|'], " "))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::model::FlowKey;

    const LIMITS: Limits = Limits {
        used: Thresholds { warning: 50.0, critical: 90.0 },
        failures: Thresholds { warning: 0.0, critical: 1.0 },
        p99_ns: Thresholds { warning: 1e6, critical: 1e7 },
    };

    fn seen(in_use: u32, failed: u64, latency_p99_ns: u64) -> Seen {
        Seen {
            fullest: Some(DestinationFacts {
                flow: FlowKey {
                    netns: None,
                    saddr: [10, 0, 0, 1].into(),
                    daddr: Some([10, 0, 0, 2].into()),
                    dport: Some(443),
                },
                process: Some("curl (4711)".into()),
                in_use: Some(in_use),
                usable: Some(28_232),
                ..DestinationFacts::default()
            }),
            counted: Some(Numbers {
                assignments: 1000,
                failed,
                errors: if failed > 0 { vec![(Some(99), failed)] } else { vec![] },
                per_second: 500.0,
                latency_p99_ns: Some(latency_p99_ns),
                ..Numbers::default()
            }),
            lost: 0,
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_host_at_ease() {
        let answer = Answer::new(&seen(850, 0, 3_000), &LIMITS);
        assert_eq!(answer.state.code(), 0);
        assert_snapshot!(answer.line, @"EPHTRACE OK: 3 % of the ports in use for 10.0.0.1 -> 10.0.0.2:443 (850 of 28232, most by curl (4711)); 0 of 1000 assignments failed, search p99 3.0 us | use=3.01%;50;90;0;100 failed=0.00%;0;1;0;100 search_p99=3us;1000;10000;0 assigned=500.0;;;0");
    }

    #[test]
    fn the_worst_counts() {
        let state = |in_use, failed, p99| Answer::new(&seen(in_use, failed, p99), &LIMITS).state;
        assert_eq!(state(14_117, 0, 0), State::Warning);
        assert_eq!(state(14_116, 0, 0), State::Ok, "half is not yet more than half");
        assert_eq!(state(28_000, 0, 0), State::Critical);
        assert_eq!(state(0, 1, 0), State::Warning);
        assert_eq!(state(14_117, 11, 0), State::Critical);
        assert_eq!(state(0, 0, 1_000_001), State::Warning);
        assert_eq!(state(0, 0, 10_000_001), State::Critical);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut seen = seen(28_232, 300, 2_000_000);
        seen.lost = 4;
        seen.findings = vec![Finding {
            rule: Rule::Exhausted,
            severity: Severity::Critical,
            sentence: "curl|4711 finds no free port".into(),
            evidence: String::new(),
            remedies: Vec::new(),
        }];
        assert_snapshot!(Answer::new(&seen, &LIMITS).line, @"EPHTRACE CRITICAL: 100 % of the ports in use for 10.0.0.1 -> 10.0.0.2:443 (28232 of 28232, most by curl (4711)); 300 of 1000 assignments failed (EADDRNOTAVAIL 300), search p99 2.0 ms; 4 more were not seen; curl 4711 finds no free port | use=100.00%;50;90;0;100 failed=30.00%;0;1;0;100 search_p99=2000us;1000;10000;0 assigned=500.0;;;0");
    }

    #[test]
    fn nothing_in_use_and_nothing_counted() {
        assert_snapshot!(Answer::new(&Seen::default(), &LIMITS).line, @"EPHTRACE OK: no port of the range is in use | use=0.00%;50;90;0;100");
        assert_snapshot!(Answer::unknown("\x1b[31m no\rrights").line, @r"EPHTRACE UNKNOWN: \u{1b}[31m no\rrights");
        assert_snapshot!(Answer::unknown("no\nrights").line, @"EPHTRACE UNKNOWN: no rights");
    }
}
