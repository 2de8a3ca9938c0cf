//! Known processes are named in findings.

use super::*;
use crate::{analyse::summary::Summary, model::Comm};

fn by(pid: u32, comm: &str, flow: FlowKey, sport: u16) -> Assignment {
    let container = (comm == "pool").then(|| "4f3a9c1be2d7".into());
    Assignment { pid: Some(pid), comm: Some(Comm::new(comm)), container, ..assigned(flow, sport) }
}

fn summary(assignments: &[Assignment]) -> Summary {
    let mut tally = Tally::new(None);
    for one in assignments {
        tally.observe(one);
    }
    tally.summary(None, 1, RunContext::default())
}

/// Returns the sentence and evidence of a rule's finding.
fn said(summary: &Summary, rule: Rule) -> String {
    let found = summary.findings.iter().find(|finding| finding.rule == rule).unwrap();
    format!("{}; {}", found.sentence, found.evidence)
}

#[test]
fn whose_attempts_fail_is_named_not_who_asks_most() {
    let failed = Assignment { sport: None, errno: Some(99), ..by(8, "pool", destination(1), 0) };
    let mut all: Vec<Assignment> =
        (0..9).map(|n| by(7, "web", destination(1), 40_000 + 2 * n)).collect();
    all.push(failed.clone());
    let told = said(&summary(&all), Rule::Exhausted);
    let sentence = "pool (8) in 4f3a9c1be2d7 finds no free port (connect) for ";
    assert!(told.starts_with(sentence), "{told}");
    let other = Assignment { errno: Some(13), ..failed };
    let told = said(&summary(&[other]), Rule::Failures);
    assert!(told.ends_with("1 of them by pool (8) in 4f3a9c1be2d7 for 127.0.0.1 -> 10.0.0.1:443"));
}

#[test]
fn who_binds_connects_to_itself_or_has_a_port_again_is_named() {
    let nowhere = FlowKey { daddr: None, dport: None, ..destination(1) };
    let bound = Assignment { origin: Some(Origin::Bind), ..by(7, "web", nowhere, 40_000) };
    let told = said(&summary(&[bound]), Rule::BindZero);
    assert!(told.starts_with("web (7) binds to port 0"), "{told}");
    let daddr = Some(Ipv4Addr::LOCALHOST.into());
    let own = FlowKey { daddr, dport: Some(40_001), ..destination(1) };
    let told = said(&summary(&[by(8, "pool", own, 40_001)]), Rule::SelfConnect);
    assert!(told.contains("127.0.0.1:40001, by pool (8) in 4f3a9c1be2d7)"), "{told}");
    let again = [by(7, "web", destination(1), 40_000), by(7, "web", destination(1), 40_000)];
    let told = said(&summary(&again), Rule::ShortReuse);
    assert!(told.ends_with("requested by web (7)"), "{told}");
}
