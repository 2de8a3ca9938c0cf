//! Current problems, the worst first, for as long as the view is open.

use std::cmp::Reverse;

use crate::analyse::findings::{Finding, Severity};

/// Number of alerts that are kept: more than a screen has lines for.
const MAX_ALERTS: usize = 16;

/// A problem, and the time when it was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    /// Its own, which it keeps while it is seen again.
    pub(crate) serial: u32,
    pub(crate) severity: Severity,
    /// The problem, in one sentence.
    pub(crate) sentence: String,
    /// The finding; `None` for a notice of the tracer about itself.
    pub(crate) finding: Option<Finding>,
    /// Time when it was last seen, in nanoseconds since the Unix epoch.
    pub(crate) last_ns: u64,
}

/// All alerts: the worst first, among equals the most recently seen first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    all: Vec<Alert>,
    next: u32,
}

impl Alerts {
    /// Adds a finding, or refreshes it.
    pub(crate) fn find(&mut self, finding: Finding, now_ns: u64) {
        self.put(Alert {
            serial: 0,
            severity: finding.severity,
            sentence: finding.sentence.clone(),
            finding: Some(finding),
            last_ns: now_ns,
        });
    }

    /// Adds a notice of the tracer about itself.
    pub(crate) fn tell(&mut self, sentence: String, now_ns: u64) {
        let severity = Severity::Warning;
        self.put(Alert { serial: 0, severity, sentence, finding: None, last_ns: now_ns });
    }

    /// Returns all alerts.
    pub(crate) fn all(&self) -> &[Alert] {
        &self.all
    }

    fn put(&mut self, alert: Alert) {
        let known = self.all.iter().position(|known| known.sentence == alert.sentence);
        let serial = if let Some(at) = known {
            self.all.remove(at).serial
        } else {
            self.next = self.next.wrapping_add(1);
            self.next
        };
        self.all.push(Alert { serial, ..alert });
        self.all.sort_by_key(|alert| (alert.severity, Reverse(alert.last_ns)));
        self.all.truncate(MAX_ALERTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::findings::Rule;

    fn finding(severity: Severity, sentence: &str, evidence: &str) -> Finding {
        Finding {
            rule: Rule::Full,
            severity,
            sentence: sentence.to_owned(),
            evidence: evidence.to_owned(),
            remedies: Vec::new(),
        }
    }

    #[test]
    fn the_worst_comes_first_and_news_take_the_place_of_old() {
        let mut alerts = Alerts::default();
        alerts.find(finding(Severity::Critical, "full", "1 of 2"), 1);
        alerts.tell("a hook is blind".to_owned(), 2);
        alerts.find(finding(Severity::Note, "ends", ""), 3);
        alerts.find(finding(Severity::Critical, "full", "2 of 2"), 4);
        alerts.find(finding(Severity::Critical, "none free", ""), 5);
        let sentences: Vec<&str> = alerts.all().iter().map(|one| &*one.sentence).collect();
        assert_eq!(sentences, ["none free", "full", "a hook is blind", "ends"]);
        let full = alerts.all()[1].finding.as_ref().unwrap();
        assert_eq!((&*full.evidence, alerts.all()[1].last_ns), ("2 of 2", 4));
    }

    #[test]
    fn what_is_worst_stays_when_there_is_no_room() {
        let mut alerts = Alerts::default();
        alerts.find(finding(Severity::Critical, "full", ""), 0);
        for n in 0..100 {
            alerts.find(finding(Severity::Note, &n.to_string(), ""), n);
        }
        assert_eq!(alerts.all().len(), MAX_ALERTS);
        assert_eq!((&*alerts.all()[0].sentence, &*alerts.all()[1].sentence), ("full", "99"));
    }
}
