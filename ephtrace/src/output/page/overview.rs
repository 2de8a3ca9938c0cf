//! The top of a page: what was traced, when, and how much of it is missing; then the run in
//! numbers. The bottom: how the recording was read.

use maud::{Markup, html};

use super::{
    scale::{Unit, count},
    text::escape_for_terminal,
    time::utc,
};
use crate::{
    analyse::{real, summary::Summary},
    model::{LeftOut, Provenance},
    output::human_duration::HumanDuration,
};

/// Stands for what the recording does not tell.
const UNKNOWN: &str = "unknown: the recording does not tell";

/// What a recording is, without its rows.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its format.
    pub format: &'a str,
    /// Host, kernel, hook and time of the recording.
    pub provenance: &'a Provenance,
    /// What was seen in it.
    pub summary: &'a Summary,
}

/// Each fact of the top, with its name.
pub(super) fn facts(source: Source<'_>) -> Vec<(&'static str, String)> {
    let Source { name, format, provenance, summary } = source;
    let hooks: Vec<Option<String>> =
        provenance.hook_names.iter().map(|name| name.map(str::to_owned)).collect();
    vec![
        ("Recording", format!("{}, {format}", escape_for_terminal(name))),
        ("Host", told(&provenance.host_names)),
        ("Kernel", told(&provenance.kernel_releases)),
        ("Hook", told(&hooks)),
        ("Time span", time_span(summary)),
        ("Lost", losses(summary, provenance.tells_losses)),
    ]
}

/// The same as a list.
pub(super) fn top(source: Source<'_>) -> Markup {
    html! {
        dl.about { @for (name, text) in facts(source) { dt { (name) } dd { (text) } } }
    }
}

/// The values that recordings tell, and that some do not.
fn told(values: &[Option<String>]) -> String {
    let known: Vec<String> =
        values.iter().flatten().map(|value| escape_for_terminal(value)).collect();
    match known.is_empty() {
        true => UNKNOWN.to_owned(),
        false if values.contains(&None) => {
            format!("{}; unknown for a part", known.join(", "))
        }
        false => known.join(", "),
    }
}

fn time_span(summary: &Summary) -> String {
    match (summary.first_ns, summary.last_ns) {
        (Some(first), Some(last)) => {
            format!("{} to {}, {}", utc(first), utc(last), HumanDuration(summary.duration_ns))
        }
        _ => "none: there is no assignment".to_owned(),
    }
}

fn losses(summary: &Summary, is_told: bool) -> String {
    let total = summary.losses.total();
    let stages = summary.losses.stages().into_iter().filter(|(_, n)| *n > 0);
    let stages: Vec<String> = stages.map(|(stage, n)| format!("{} {stage}", count(n))).collect();
    let stages =
        if stages.is_empty() { String::new() } else { format!(" ({})", stages.join(", ")) };
    match (is_told, total) {
        (true, 0) => "no event".to_owned(),
        (true, 1) => format!("1 event{stages}"),
        (true, _) => format!("{} events{stages}", count(total)),
        (false, 0) => UNKNOWN.to_owned(),
        (false, _) => format!(
            "at least {}{stages}; the recording does not tell what else",
            if total == 1 { "1 event".to_owned() } else { format!("{} events", count(total)) }
        ),
    }
}

/// The run in numbers.
pub(super) fn numbers(summary: &Summary) -> Markup {
    let Summary { assignments, failures, destinations_known, .. } = summary;
    let ns = |ns: u64| Unit::Nanoseconds.label(real(ns));
    html! {
        dl.numbers {
            div { dt { "Assignments" } dd { (count(*assignments)) } }
            div { dt { "Failed" } dd { (count(*failures)) } }
            div {
                dt { "Duration" }
                dd {
                    (HumanDuration(summary.duration_ns))
                    small { (format!("{:.1}/s", summary.per_second)) }
                }
            }
            div { dt { "Destinations" } dd { (count(*destinations_known)) } }
            @if summary.hosts.known > 1 {
                div { dt { "Hosts" } dd { (count(summary.hosts.known)) } }
            }
            @if let Some(latency) = summary.latency {
                div {
                    dt { "Port search latency" }
                    dd {
                        (ns(latency.p50_ns))
                        small { "p99 " (ns(latency.p99_ns)) ", max " (ns(latency.max_ns)) }
                    }
                }
            }
        }
    }
}

/// How it was read.
pub(super) fn reading(left_out: LeftOut, summary: &Summary) -> Markup {
    html! {
        dl.about.how {
            @if summary.explicit > 0 {
                dt { "Ports chosen by the program" }
                dd { (count(summary.explicit)) ", which get no verdict" }
            }
            @for line in left_out.lines() { dt { "Packets" } dd { (line) } }
            @if summary.retried > 0 {
                dt { "Rows not counted" }
                dd { (count(summary.retried)) ", because they repeat a connect from the same port" }
            }
            @if summary.disordered > 0 {
                dt { "Out of order" }
                dd { (count(summary.disordered)) ", too late to be sorted" }
            }
            dt { "Written by" } dd { "ephtrace " (env!("CARGO_PKG_VERSION")) }
        }
    }
}
