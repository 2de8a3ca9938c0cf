//! The hosts of a recording, where there is more than one.

use maud::{Markup, html};

use super::{
    scale::count,
    tables::{at_least, busiest, meter},
    text::escape_for_terminal,
};
use crate::{
    analyse::{
        pattern::percent,
        summary::{HostSummary, HostsSummary, Summary},
    },
    output::summary::words::host_word,
};

/// So many hosts have a row; the others are counted.
const HOSTS: usize = 50;

/// How many have which pattern, and each of the busiest.
pub(super) fn section(summary: &Summary) -> Markup {
    let hosts = &summary.hosts;
    html! {
        @if hosts.known > 1 {
            section #hosts aria-labelledby="hosts-title" {
                h2 #hosts-title { "Hosts" }
                p { (in_words(hosts)) }
                (table(summary))
            }
        }
    }
}

/// How many have which pattern.
fn in_words(hosts: &HostsSummary) -> String {
    let HostsSummary { known, judged, only_predictable, evicted, patterns, .. } = hosts;
    let more = if *evicted > 0 { "More than " } else { "" };
    let mut parts: Vec<String> =
        patterns.iter().map(|one| format!("{} {}", count(one.count), one.pattern)).collect();
    if *only_predictable > 0 {
        parts.push(format!("{} predictable by no single pattern", count(*only_predictable)));
    }
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!(
        "{more}{} hosts (network namespaces or source addresses), {} with a verdict{parts}.",
        count(*known),
        count(*judged)
    )
}

fn table(summary: &Summary) -> Markup {
    let HostsSummary { known, evicted, busiest: all, .. } = &summary.hosts;
    let listed = &all[..all.len().min(HOSTS)];
    let most = listed.iter().map(|one| one.assignments).max().unwrap_or(1);
    let rows: u64 = listed.iter().map(|one| one.assignments).sum();
    let others = summary.assignments.saturating_sub(rows);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of hosts" { table.wide {
            caption { (busiest(listed.len(), *known, *evicted)) }
            thead {
                tr {
                    th scope="col" { "Host" } th scope="col" { "Assignments" }
                    th scope="col" { "Failed" } th.text scope="col" { "Next port predictable" }
                    th.text scope="col" { "Verdict" }
                }
            }
            tbody { @for one in listed { (row(one, most)) } }
        } }
        @if others > 0 { p { (count(others)) " assignments of others." } }
    }
}

fn row(one: &HostSummary, most: u64) -> Markup {
    let verdict = &one.verdict;
    html! {
        tr {
            th scope="row" { (escape_for_terminal(&one.name())) }
            td.share {
                (meter(one.assignments, most)) (at_least(one.complete)) (count(one.assignments))
            }
            td.bad[one.failures > 0] { (count(one.failures)) }
            td.text {
                (verdict.predictable) " (" (percent(verdict.predictable_confidence)) ")"
            }
            td.text { code { (host_word(verdict)) } }
        }
    }
}
