//! Two recordings side by side as one page of HTML.

use maud::{Markup, html};

use super::{
    findings,
    overview::{self, Source},
    scale::{Unit, count},
    sheet,
    text::{capital, escape_for_terminal},
};
use crate::{
    analyse::{
        comparison::{Comparison, DestinationChange, DestinationSide, Side, percent},
        findings::Finding,
        pattern::percent as sure,
        quantities::Latency,
        real,
    },
    output::{human_duration::HumanDuration, summary::words::word},
};

/// Stands for what is not known.
const UNKNOWN: &str = "unknown";

/// What the page of a comparison is made of.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonPage<'a> {
    /// Both runs side by side.
    pub both: &'a Comparison,
    /// The recording of each.
    pub sources: [Source<'a>; 2],
}

impl ComparisonPage<'_> {
    /// The whole file.
    pub fn render(&self) -> String {
        let names = self.sources.map(|source| escape_for_terminal(source.name));
        let title = format!("Ephemeral ports: {} and {}", names[0], names[1]);
        sheet::render(&title, &self.body(&title))
    }

    fn body(&self, title: &str) -> Markup {
        let Self { both, sources } = *self;
        html! {
            a.skip href="#answer" { "Skip to the answer" }
            header {
                h1 { (title) }
                nav aria-label="Contents" {
                    a href="#answer" { "Answer" } a href="#findings" { "Findings" }
                    a href="#numbers" { "Numbers" } a href="#destinations" { "Destinations" }
                    a href="#recordings" { "Recordings" }
                }
            }
            main {
                section #answer aria-labelledby="answer-title" {
                    h2 #answer-title { "Did it help?" }
                    p.verdict { (capital(&both.sentence)) }
                    @if !both.caveats.is_empty() {
                        ul.evidence {
                            @for caveat in &both.caveats {
                                li { (capital(&escape_for_terminal(caveat))) }
                            }
                        }
                    }
                }
                section #findings aria-labelledby="findings-title" {
                    h2 #findings-title { "Findings" }
                    (all_findings(both))
                }
                section #numbers aria-labelledby="numbers-title" {
                    h2 #numbers-title { "Numbers" }
                    (numbers(both))
                }
                section #destinations aria-labelledby="destinations-title" {
                    h2 #destinations-title { "Fullest destinations" }
                    (destinations(&both.changes))
                }
                section #recordings aria-labelledby="recordings-title" {
                    h2 #recordings-title { "Recordings" }
                    (table(sources.map(overview::facts)))
                }
            }
        }
    }
}

fn all_findings(both: &Comparison) -> Markup {
    // What is gone needs no remedy.
    let gone = both.findings_gone.iter().cloned();
    let gone: Vec<Finding> =
        gone.map(|finding| Finding { remedies: Vec::new(), ..finding }).collect();
    let parts =
        [("New", &both.findings_new), ("Remaining", &both.findings_left), ("Resolved", &gone)];
    html! {
        @if parts.iter().all(|(_, findings)| findings.is_empty()) {
            p { "Nothing stands out, before or after." }
        }
        @for (name, findings) in parts {
            @if !findings.is_empty() { h3 { (name) } (findings::list(findings)) }
        }
    }
}

/// Both in numbers.
fn numbers(both: &Comparison) -> Markup {
    table([&both.before, &both.after].map(side))
}

fn side(side: &Side) -> Vec<(&'static str, String)> {
    let Side { assignments, failures, failure_share, verdict, .. } = side;
    let failed = failure_share.map(|share| format!("{} ({})", count(*failures), percent(share)));
    let predictable = format!("{} ({})", verdict.predictable, sure(verdict.predictable_confidence));
    let search = |of: fn(Latency) -> u64| {
        let text = |latency| Unit::Nanoseconds.label(real(of(latency)));
        side.latency.map_or_else(|| UNKNOWN.to_owned(), text)
    };
    vec![
        ("Duration", HumanDuration(side.duration_ns).to_string()),
        ("Assignments", count(*assignments)),
        ("Assignments per second", format!("{:.1}", side.per_second)),
        ("Failed", failed.unwrap_or_else(|| UNKNOWN.to_owned())),
        ("Port range", side.range.map_or_else(|| UNKNOWN.to_owned(), |range| range.to_string())),
        ("Port search latency, median", search(|latency| latency.p50_ns)),
        ("Port search latency, p99", search(|latency| latency.p99_ns)),
        ("Port search latency, longest", search(|latency| latency.max_ns)),
        ("Verdict", word(verdict).to_owned()),
        ("Next port predictable", predictable),
    ]
}

/// Facts of the same names, side by side.
fn table([before, after]: [Vec<(&'static str, String)>; 2]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Both runs" { table.sides {
            thead { tr {
                td {} th.text scope="col" { "Before" } th.text scope="col" { "After" }
            } }
            tbody {
                @for ((name, first), (_, second)) in before.iter().zip(&after) {
                    tr {
                        th scope="row" { (name) }
                        td.text { (first) } td.text { (second) }
                    }
                }
            }
        } }
    }
}

fn destinations(changes: &[DestinationChange]) -> Markup {
    html! {
        @if changes.is_empty() { p { "There is no destination." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Table of destinations" { table.wide {
                thead {
                    tr {
                        th rowspan="2" scope="col" { "Destination" }
                        @for name in ["Assignments", "Failed", "Of range handed out"] {
                            th colspan="2" scope="colgroup" { (name) }
                        }
                    }
                    tr { @for _ in 0..3 { th scope="col" { "before" } th scope="col" { "after" } } }
                }
                tbody { @for change in changes { (destination(change)) } }
            } }
        }
    }
}

fn destination(change: &DestinationChange) -> Markup {
    let sides = [&change.destination_before, &change.destination_after];
    let text = |of: &dyn Fn(&DestinationSide) -> String| {
        sides.map(|side| side.as_ref().map_or_else(|| "–".to_owned(), of))
    };
    let share = |side: &DestinationSide| side.range_share.map_or("–".to_owned(), percent);
    let failed = sides.map(|side| side.as_ref().is_some_and(|side| side.failures > 0));
    html! {
        tr {
            th scope="row" { (change.destination_name) }
            @for text in text(&|side| count(side.assignments)) { td { (text) } }
            @for (text, failed) in text(&|side| count(side.failures)).iter().zip(failed) {
                td.bad[failed] { (text) }
            }
            @for text in text(&share) { td { (text) } }
        }
    }
}
