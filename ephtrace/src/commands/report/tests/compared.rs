//! Two recordings side by side.

use super::*;
use crate::{
    commands::report::compare::{comparison, render},
    output::tables::comparison::write,
};

/// Returns a recording of `count` connects in ten seconds, of which those from number `port_count`
/// on find no port.
fn recorded(count: u64, port_count: u64) -> Report {
    let mut lines = String::new();
    for n in 0..count {
        let ts_ns = 1_795_000_000_000_000_000 + n * 10_000_000_000 / count;
        let found = n < port_count;
        let sport = if found { (40_000 + n).to_string() } else { "null".to_owned() };
        let errno = if found { 0 } else { 99 };
        writeln!(
            lines,
            r#"{{"ts_ns":{ts_ns},"saddr":"10.0.0.1","sport":{sport},"daddr":"10.0.0.5","dport":5432,"protocol":"tcp","netns":7,"origin":"connect","range_low":40000,"range_high":40099,"pid":{count},"comm":"app","errno":{errno}}}"#
        )
        .unwrap();
    }
    report(&lines).0.unwrap()
}

fn compared(before: &Report, after: &Report) -> String {
    let paper = Paper { columns: Some(80), colour: false };
    let mut text = Vec::new();
    write(&mut text, &comparison(before, after), paper).unwrap();
    String::from_utf8(paper.fit(&text)).unwrap()
}

#[test]
fn a_fix_that_works() {
    insta::assert_snapshot!(compared(&recorded(200, 100), &recorded(180, 200)), @"
    no more failures: 50.0 % before, 0.0 % after

                             BEFORE           AFTER
    recording                test.ndjson      test.ndjson
    duration                 10.0 s           9.9 s
    assignments              200              180
    per second               20.1             18.1
    failed                   100 (50.0 %)     0 (0.0 %)
    port range               40000-40099      40000-40099
    port search latency p50  -                -
    port search latency p99  -                -
    port search latency max  -                -
    pattern                  undetermined     undetermined
    predictable              yes (>99.9 %)    yes (>99.9 %)
    lost                     0                0

    fullest destinations, before > after:
                COUNT          FAILED          OF RANGE  DESTINATION
            200 > 180         100 > 0 100.0 % > 100.0 %  10.0.0.5:5432

    resolved findings:
    critical: app (200) finds no free port (connect) for 10.0.0.1 -> 10.0.0.5:5432
        [exhausted]
      evidence: 100 of 200 assignments failed: no free port; the range has 100 ports
    warning: app (200) keeps retrying although no port is free [retry-loop]
      evidence: 10 failed attempts per second for 10.0.0.1 -> 10.0.0.5:5432, each of
          which scans the whole range
    ");
}

#[test]
fn nothing_has_changed() {
    let (before, after) = (recorded(200, 100), recorded(201, 100));
    let text = compared(&before, &after);
    assert!(text.starts_with("no clear difference in failures: "), "{text}");
    assert!(text.contains("remaining findings:") && !text.contains("resolved"), "{text}");
}

#[test]
fn a_page_says_the_same() {
    let (before, after) = (recorded(200, 100), recorded(180, 200));
    let page = render(&comparison(&before, &after), [&before, &after]);
    for part in [
        "No more failures: 50.0 % before, 0.0 % after",
        "<h3>Resolved</h3>",
        "<td class=\"text\">100 (50.0 %)</td><td class=\"text\">0 (0.0 %)",
        "<th scope=\"row\">Port search latency, median</th><td class=\"text\">unknown</td>",
        "<th scope=\"row\">Lost</th><td class=\"text\">unknown: the recording does not tell</td>",
        "<th scope=\"row\">10.0.0.5:5432</th><td>200</td><td>180</td>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    // What is gone needs no remedy.
    assert!(!page.contains("class=\"command\"") && !page.contains("<h3>New</h3>"));
}
