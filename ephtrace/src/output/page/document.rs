//! A report as one page of HTML: what was traced, findings and verdict first, then charts, then
//! tables.
//!
//! ```text
//! Summary, findings ─→ overview, findings, hosts, tables ┐
//! Charts ─┬ few, last ─→ marks ────┐                     ├─→ sheet: one file
//!         ├ many ─→ density ───────┴→ scatter ─┐         │
//!         └ counts ─→ bars, failures ──────────┴→ plot ──┘
//! ```

use maud::{Markup, html};

use super::{
    bars, failures, findings, hosts,
    hues::ColorAssignment,
    overview::{self, Source},
    plot::Plot,
    scatter, sheet, tables,
    text::escape_for_terminal,
};
use crate::{
    analyse::{charts::Charts, summary::Summary},
    model::LeftOut,
};

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The recording, with the run in numbers and verdicts.
    pub source: Source<'a>,
    /// The packets that were left out.
    pub left_out: LeftOut,
    /// What charts are drawn from.
    pub charts: &'a Charts,
}

impl Page<'_> {
    /// The whole file.
    pub fn render(&self) -> String {
        let title = format!("Ephemeral ports: {}", escape_for_terminal(self.source.name));
        sheet::render(&title, &self.body(&title))
    }

    fn body(&self, title: &str) -> Markup {
        let Self { source, left_out, charts } = *self;
        let summary = source.summary;
        html! {
            a.skip href="#findings" { "Skip to the findings" }
            header {
                h1 { (title) }
                (overview::top(source))
                (overview::numbers(summary))
                (contents(summary.hosts.known > 1))
            }
            main {
                section #findings aria-labelledby="findings-title" {
                    h2 #findings-title { "Findings" }
                    (findings::list(&summary.findings))
                    (tables::reuse(summary))
                }
                section #verdict aria-labelledby="verdict-title" {
                    h2 #verdict-title { "Verdict" }
                    (tables::verdict(summary))
                    (tables::origins(summary))
                }
                (hosts::section(summary))
                (drawn(summary, charts))
                section #destinations aria-labelledby="destinations-title" {
                    h2 #destinations-title { "Destinations" }
                    (tables::destinations(summary))
                }
                section #processes aria-labelledby="processes-title" {
                    h2 #processes-title { "Processes" }
                    @if summary.processes.is_empty() { p { "The recording does not tell which \
                                                            process used the ports." } }
                    @else { (tables::processes(summary)) }
                }
                section #recording aria-labelledby="recording-title" {
                    h2 #recording-title { "Recording" }
                    (overview::reading(left_out, summary))
                }
            }
        }
    }
}

fn contents(has_hosts: bool) -> Markup {
    html! {
        nav aria-label="Contents" {
            a href="#findings" { "Findings" } a href="#verdict" { "Verdict" }
            @if has_hosts { a href="#hosts" { "Hosts" } }
            a href="#charts" { "Charts" } a href="#destinations" { "Destinations" }
            a href="#processes" { "Processes" } a href="#recording" { "Recording" }
        }
    }
}

fn drawn(summary: &Summary, charts: &Charts) -> Markup {
    let hues = ColorAssignment::of(charts);
    let charts = plots(summary, charts, &hues);
    html! {
        section #charts aria-labelledby="charts-title" {
            h2 #charts-title { "Charts" }
            // For the script to show.
            p.howto hidden { "To zoom, drag across a chart, pinch, or use Ctrl and the wheel; \
                              Shift-drag to move; double-click to reset. Keyboard: +, −, \
                              arrows, 0." }
            (hues.legend())
            div.charts { @for plot in &charts.drawn { (plot.render()) } }
            @for line in &charts.missing { p.missing { (line) } }
        }
    }
}

/// The charts of a page, and why one is not there.
struct Plots {
    drawn: Vec<Plot>,
    missing: Vec<&'static str>,
}

fn plots(summary: &Summary, charts: &Charts, hues: &ColorAssignment) -> Plots {
    let picture = &summary.picture;
    let all = [
        (scatter::by_number(charts, hues), "No ports were assigned."),
        (scatter::last(charts, hues), ""),
        (scatter::by_time(charts, hues), ""),
        (
            bars::near_steps(picture, charts),
            "There are fewer than two ports, so there are no steps.",
        ),
        (
            scatter::returns(charts, hues),
            "There are no repeat assignments to a destination, so there is no return map.",
        ),
        (bars::far_steps(picture, charts), ""),
        (bars::occupancy(charts), ""),
        (scatter::latency(charts, hues), "The recording has no port search latency."),
        (
            scatter::tried(charts, hues),
            "The recording does not tell how many candidates were tried: the hook did not see it.",
        ),
        (failures::over_time(charts), "No assignment failed."),
    ];
    let mut plots = Plots { drawn: Vec::new(), missing: Vec::new() };
    for (plot, why) in all {
        match plot {
            Some(plot) => plots.drawn.push(plot),
            None if why.is_empty() => {}
            None => plots.missing.push(why),
        }
    }
    plots
}
