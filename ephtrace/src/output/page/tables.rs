//! What a page says in words and tables: verdicts, destinations, processes.

use maud::{Markup, html};

use super::{
    scale::{Unit, count},
    text::{capital, escape_for_terminal},
};
use crate::{
    analyse::{
        pattern::{Verdict, percent},
        real,
        summary::{DestinationSummary, ProcessSummary, Summary},
    },
    model::{Origin, Protocol, errno_name},
    output::{
        human_duration::HumanDuration,
        summary::words::{USUAL, word},
    },
};

/// So many destinations have a row; the others are counted.
const DESTINATIONS: usize = 30;

/// Likewise processes.
const PROCESSES: usize = 20;

/// The name of an error.
pub(super) fn errno(errno: Option<u16>) -> String {
    match errno {
        None => "without errno".to_owned(),
        Some(errno) => errno_name(errno).map_or_else(|| format!("errno {errno}"), str::to_owned),
    }
}

/// A verdict with its evidence and the ranking behind it.
pub(super) fn verdict(summary: &Summary) -> Markup {
    let Verdict { evidence, algorithms, .. } = &summary.verdict;
    html! {
        p.verdict { (capital(&crate::output::summary::words::whole(summary))) }
        @if !evidence.is_empty() {
            ul.evidence { @for line in evidence { li { (escape_for_terminal(line)) } } }
        }
        @if let Some(fitted) = &summary.fitted_range { p.range { "Range: " (fitted.sentence) } }
        @if summary.verdict.n > 0 {
            details {
                summary { "Alternatives" }
                div.scroll tabindex="0" role="region" aria-label="Table of rules" { table {
                    thead { tr { th scope="col" { "Rule" } th scope="col" { "Probability" } } }
                    tbody {
                        @for one in algorithms {
                            tr {
                                th scope="row" { code { (one.name) } " " (one.name.in_words()) }
                                td { (percent(one.probability)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// Verdicts by origin, if there is more than one.
pub(super) fn origins(summary: &Summary) -> Markup {
    html! {
        @if summary.origins.len() > 1 {
            div.scroll tabindex="0" role="region" aria-label="Verdicts by origin" { table {
                caption { "By origin" }
                thead {
                    tr {
                        th scope="col" { "Origin" } th scope="col" { "Judged by" }
                        th.text scope="col" { "Verdict" }
                    }
                }
                tbody {
                    @for one in &summary.origins {
                        tr {
                            th scope="row" { (one.origin) } td { (count(one.verdict.n)) }
                            td.text { code { (word(&one.verdict)) } }
                        }
                    }
                }
            } }
        }
    }
}

/// The busiest destinations.
pub(super) fn destinations(summary: &Summary) -> Markup {
    let listed = &summary.destinations[..summary.destinations.len().min(DESTINATIONS)];
    let most = listed.iter().map(|one| one.assignments).max().unwrap_or(1);
    let several =
        listed.iter().any(|one| Some(one.flow.netns) != listed.first().map(|one| one.flow.netns));
    let rows: u64 = listed.iter().map(|one| one.assignments).sum();
    let others = summary.assignments.saturating_sub(rows);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of destinations" { table.wide {
            caption {
                (busiest(listed.len(), summary.destinations_known, summary.destinations_evicted))
            }
            thead { tr {
                th scope="col" { "Destination" } th scope="col" { "Assignments" }
                th scope="col" { "Failed" }
                th scope="col" { "Usual step" } th scope="col" { "Ports of range" }
                th.text scope="col" { "Verdict" }
            } }
            tbody {
                @for one in listed {
                    tr {
                        th scope="row" { (destination(one, several)) }
                        td.share {
                            (meter(one.assignments, most)) (at_least(one.complete))
                            (count(one.assignments))
                        }
                        td.bad[one.failures > 0] { (count(one.failures)) }
                        td { (usual_step(one)) }
                        td {
                            (count(one.distinct_ports.into()))
                            @if let Some(all) = one.range_ports { " of " (count(all.into())) }
                        }
                        td.text { code { (word(&one.verdict)) } }
                    }
                }
            }
        } }
        @if others > 0 { p { (count(others)) " assignments to other destinations." } }
    }
}

/// How many of how many are listed.
pub(super) fn busiest(listed: usize, known: u64, evicted: u64) -> String {
    let listed = listed as u64;
    if listed == known && evicted == 0 {
        return format!("All {}, busiest first", count(known));
    }
    let more = if evicted > 0 { "more than " } else { "" };
    format!("The {} busiest of {more}{}", count(listed), count(known))
}

fn destination(one: &DestinationSummary, netns: bool) -> Markup {
    let origin = one.origin.map(Origin::name);
    let protocol = one.protocol.filter(|&protocol| protocol != Protocol::Tcp).map(Protocol::name);
    let protocol = protocol.filter(|&protocol| origin != Some(protocol));
    let origin = origin.filter(|_| one.origin != Some(Origin::Connect));
    html! {
        (one.flow.saddr)
        @if let Some(to) = one.flow.remote() { " → " (to) }
        @for word in protocol.into_iter().chain(origin) { " " (word) }
        @if netns {
            @match one.flow.netns {
                Some(netns) => { " (netns " (netns) ")" } None => { " (netns unknown)" }
            }
        }
    }
}

fn usual_step(one: &DestinationSummary) -> String {
    let usual = one.usual_step.filter(|usual| usual.share >= USUAL);
    usual.map_or("–".to_owned(), |usual| {
        format!("{} ({:.0} %)", Unit::Step.label(f64::from(usual.step)), usual.share * 100.0)
    })
}

/// The busiest processes.
pub(super) fn processes(summary: &Summary) -> Markup {
    let all = &summary.processes;
    let listed = &all[..all.len().min(PROCESSES)];
    let most = listed.iter().map(|one| one.assignments).max().unwrap_or(1);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of processes" { table.wide {
            caption {
                (busiest(listed.len(), all.len() as u64, summary.processes_evicted))
            }
            thead { tr {
                th scope="col" { "Process" } th scope="col" { "Pid" }
                th scope="col" { "Assignments" }
                th scope="col" { "Failed" } th.text scope="col" { "Verdict" }
            } }
            tbody {
                @for process in listed {
                    @let ProcessSummary { pid, comm, assignments, complete, .. } = process;
                    @let ProcessSummary { failures, verdict, .. } =
                        process;
                    tr {
                        th scope="row" {
                            (comm.as_deref().map_or("–".to_owned(), escape_for_terminal))
                        }
                        td { (pid.map_or("–".to_owned(), |pid| pid.to_string())) }
                        td.share {
                            (meter(*assignments, most)) (at_least(*complete)) (count(*assignments))
                        }
                        td.bad[*failures > 0] { (count(*failures)) }
                        td.text { code { (word(verdict)) } }
                    }
                }
            }
        } }
    }
}

pub(super) fn at_least(complete: bool) -> &'static str {
    if complete { "" } else { ">" }
}

/// A bar behind a number, for the eye alone: the number says the same.
pub(super) fn meter(part: u64, most: u64) -> Markup {
    let share = real(part) / real(most.max(1)) * 100.0;
    html! { i aria-hidden="true" style=(format!("width:{share:.1}%")) {} }
}

/// When a port came back.
pub(super) fn reuse(summary: &Summary) -> Markup {
    let reuse = &summary.reuse;
    html! {
        p {
            @match reuse.assignments {
                None => "No 4-tuple was reused.",
                Some(after) => {
                    (count(reuse.reuses)) " reuses of a 4-tuple, the soonest after "
                    (count(after.min)) " assignments (median " (count(after.median)) ")"
                    @if let Some(time) = reuse.time_ns {
                        " and after " (HumanDuration(time.min))
                        " (median " (HumanDuration(time.median)) ")"
                    }
                    "."
                }
            }
            @if reuse.forgotten > 0 {
                " " (count(reuse.forgotten)) " uses were evicted, so up to that many reuses may \
                                              be missing."
            }
        }
    }
}
