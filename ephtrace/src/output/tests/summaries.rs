//! Summaries of runs in which no port was assigned.

use super::*;

fn words(assignments: &[Assignment], around: RunContext) -> String {
    let mut tally = Tally::new(Some(START));
    for assignment in assignments {
        tally.observe(assignment);
    }
    let summary = tally.summary(Some(START + 2_000_000_000), 10, around);
    let said = Said::default();
    let view = View { plot: Plot::Never, ..View::default() };
    let mut sink = build(Format::Text, (&view, Paper::default()), START, Vec::new(), said.clone());
    sink.summary(START, &summary).unwrap();
    said.text()
}

#[test]
fn without_a_port_there_is_no_verdict() {
    let text = words(&[failure(), failure()], RunContext::default());
    assert!(
        text.starts_with("2 assignments in 2.0 s (1.0/s), 2 failed: 2 EADDRNOTAVAIL\n"),
        "{text}"
    );
    assert!(text.contains("evidence: 2 of 2 assignments failed"), "{text}");
    assert!(text.contains("\nno verdict: no port was assigned\n"), "{text}");
    assert!(!text.contains("undetermined"), "{text}");
}

/// With `--failed`, the others are unknown: a share would say that all fail.
#[test]
fn failed_ones_alone_are_not_said_to_be_all() {
    let around = RunContext { failed_only: true, ..RunContext::default() };
    let text = words(&[failure(), failure()], around);
    assert!(
        text.starts_with(
            "2 failed assignments in 2.0 s (1.0/s): 2 EADDRNOTAVAIL; --failed leaves out those \
             that succeeded\n"
        ),
        "{text}"
    );
    assert!(text.contains("evidence: 2 failed assignments: no free port"), "{text}");
    assert!(!text.contains("2 of 2"), "{text}");
}
