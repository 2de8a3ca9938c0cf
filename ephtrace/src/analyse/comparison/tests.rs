//! Comparisons of runs, with literal numbers.

use super::*;
use crate::analyse::findings::{Rule, Severity};

fn run(assignments: u64, failures: u64, seconds: u64) -> Summary {
    let duration_ns = seconds * 1_000_000_000;
    let per_second = real(assignments) / real(seconds);
    let mut summary = crate::analyse::tally::Tally::new(None).summary(None, 0, <_>::default());
    (summary.assignments, summary.failures) = (assignments, failures);
    (summary.duration_ns, summary.per_second) = (duration_ns, per_second);
    summary
}

fn compared(before: &Summary, after: &Summary) -> Comparison {
    let run = |summary| Run { recording: "a", format: "ndjson", shows_failures: true, summary };
    compare(run(before), run(after))
}

#[test]
fn a_share_that_falls_is_told_only_where_chance_does_not_do() {
    let cases = vec![
        (run(1000, 300, 60), run(1000, 0, 60), "no more failures: 30.0 % before, 0.0 % after"),
        (run(1000, 300, 60), run(1000, 60, 60), "fewer failures: 30.0 % before, 6.0 % after"),
        (run(1000, 60, 60), run(1000, 300, 60), "more failures: 6.0 % before, 30.0 % after"),
        (run(100, 1, 60), run(100, 0, 60), "no clear difference in failures"),
        (run(1000, 20, 60), run(1000, 12, 60), "no clear difference in failures"),
        (run(1000, 300, 60), run(20, 0, 1), "no clear difference in failures"),
        (run(100, 0, 60), run(100, 0, 60), "no failures before or after"),
        (run(0, 0, 60), run(100, 0, 60), "it is unknown whether fewer assignments fail"),
    ];
    for (before, after, says) in cases {
        let sentence = compared(&before, &after).sentence;
        assert!(sentence.starts_with(says), "{says}: {sentence}");
    }
}

#[test]
fn another_load_is_told() {
    let comparison = compared(&run(6000, 3000, 60), &run(600, 0, 60));
    assert!(comparison.sentence.ends_with("at a different load"), "{}", comparison.sentence);
    insta::assert_snapshot!(comparison.caveats.join("\n"), @"the load differs (100.0 and 10.0 assignments per second): a lower load alone causes fewer failures");
    let longer = compared(&run(1000, 0, 60), &run(10_000, 0, 600)).caveats;
    insta::assert_snapshot!(longer.join("\n"), @"one run is more than twice as long as the other: compare rates");
    assert!(compared(&run(1000, 0, 60), &run(1100, 0, 61)).caveats.is_empty());
}

#[test]
fn a_format_without_failures_and_losses_are_told() {
    let (mut lossy, capture) = (run(1000, 0, 60), run(1000, 0, 60));
    lossy.losses.ring_full = 7;
    let run =
        |summary, format, shows_failures| Run { recording: "a", format, shows_failures, summary };
    let both = compare(run(&lossy, "ndjson", true), run(&capture, "pcap", false));
    assert_eq!(both.after.failure_share, None);
    insta::assert_snapshot!(both.caveats.join("\n"), @"
    before: 7 events were lost, so all counts are lower bounds
    after: a pcap recording does not show failures
    ");
    insta::assert_snapshot!(both.sentence, @"it is unknown whether fewer assignments fail");
}

#[test]
fn findings_go_and_come_whatever_the_process_id() {
    let finding = |rule, sentence: &str| Finding {
        rule,
        severity: Severity::Critical,
        sentence: sentence.to_owned(),
        evidence: String::new(),
        remedies: Vec::new(),
    };
    let (mut before, mut after) = (run(9, 9, 9), run(9, 9, 9));
    before.findings = vec![
        finding(Rule::Exhausted, "curl (17) finds no port for 10.0.0.1 (own)"),
        finding(Rule::HalfMark, "half"),
    ];
    after.findings = vec![
        finding(Rule::Exhausted, "curl (4711) finds no port for 10.0.0.1 (own)"),
        finding(Rule::Exhausted, "curl (4711) finds no port for 10.0.0.2 (own)"),
    ];
    let comparison = compared(&before, &after);
    let rules = |findings: &[Finding]| findings.iter().map(|one| one.rule).collect::<Vec<_>>();
    assert_eq!(rules(&comparison.findings_gone), [Rule::HalfMark]);
    assert_eq!(rules(&comparison.findings_left), [Rule::Exhausted]);
    assert!(comparison.findings_new[0].sentence.ends_with("10.0.0.2 (own)"));
    assert_eq!(without_pids("a (12) b () (x) (3"), "a  b () (x) (3");
}
