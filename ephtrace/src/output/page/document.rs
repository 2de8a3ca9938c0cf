//! A report as one page of HTML: verdict and findings first, then charts, then tables.
//!
//! ```text
//! Summary, findings ─→ tables ───────────────────────────┐
//! Charts ─┬ few, last ─→ marks ────┐                     ├─→ one file
//!         ├ many ─→ density ───────┴→ scatter ─┐         │
//!         └ counts ─→ bars, failures ──────────┴→ plot ──┘
//! ```
//!
//! The page loads nothing, and its policy (`Content-Security-Policy`) forbids it to. Charts are SVG
//! drawn here; the script only zooms and shows tooltips, and everything is there without it. `maud`
//! escapes every text.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    bars, failures, hues::ColorAssignment, plot::Plot, scatter, tables, text::escape_for_terminal,
};
use crate::{
    analyse::{charts::Charts, findings::Finding, summary::Summary},
    model::LeftOut,
};

const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("script.js");

/// SHA-256 of [`SCRIPT`], in base 64: the policy allows this script and no other. A test says what
/// it has to be.
pub(super) const SCRIPT_HASH: &str = "zy3rK2B6Jrpn+eU+Dk5HON1eMriK39BJYQX9JOOdLg0=";

/// What a page is made of.
pub struct Page<'a> {
    /// What the recording is called.
    pub source: &'a str,
    /// Its format.
    pub format: &'a str,
    /// The packets that were left out.
    pub left_out: LeftOut,
    /// The run in numbers and verdicts.
    pub summary: &'a Summary,
    /// What charts are drawn from.
    pub charts: &'a Charts,
}

impl Page<'_> {
    /// The whole file.
    pub fn render(&self) -> String {
        let title = format!("Ephemeral ports: {}", escape_for_terminal(self.source));
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&title))
                body { (self.body(&title)) }
            }
        }
        .into_string()
    }

    fn body(&self, title: &str) -> Markup {
        let Self { source, format, left_out, summary, charts } = *self;
        let hues = ColorAssignment::of(charts);
        let charts = plots(summary, charts, &hues);
        html! {
            a.skip href="#verdict" { "Skip to the verdict" }
            header {
                h1 { (title) }
                nav aria-label="Contents" {
                    a href="#verdict" { "Verdict" } a href="#findings" { "Findings" }
                    a href="#charts" { "Charts" } a href="#destinations" { "Destinations" }
                    a href="#processes" { "Processes" } a href="#recording" { "Recording" }
                }
            }
            main {
                section #verdict aria-labelledby="verdict-title" {
                    h2 #verdict-title { "Verdict" }
                    (tables::verdict(summary))
                    (tables::numbers(summary))
                    (tables::origins(summary))
                    (tables::hosts(summary))
                }
                section #findings aria-labelledby="findings-title" {
                    h2 #findings-title { "Findings" }
                    (list(&summary.findings))
                    (tables::reuse(summary))
                }
                section #charts aria-labelledby="charts-title" {
                    h2 #charts-title { "Charts" }
                    // For the script to show.
                    p.howto hidden { "To zoom, drag across a chart, pinch, or use Ctrl and the \
                                      wheel; Shift-drag to move; double-click to reset. Keyboard: \
                                      +, −, arrows, 0." }
                    (hues.legend())
                    div.charts { @for plot in &charts.drawn { (plot.render()) } }
                    @for line in &charts.missing { p.missing { (line) } }
                }
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
                    (tables::origin_of(source, format, left_out, summary))
                }
            }
            script { (PreEscaped(SCRIPT)) }
        }
    }
}

fn head(title: &str) -> Markup {
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src \
         'sha256-{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
    );
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // An empty one, or browsers ask the server for it.
            link rel="icon" href="data:,";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn list(findings: &[Finding]) -> Markup {
    html! {
        @if findings.is_empty() { p { "Nothing stands out." } }
        @else {
            ul.findings {
                @for Finding { severity, sentence, evidence, remedies, .. } in findings {
                    // As it is: it may begin with the name of a process.
                    li class=(severity) {
                        strong { (severity) } " " (escape_for_terminal(sentence))
                        @if !evidence.is_empty() { p { (escape_for_terminal(evidence)) } }
                        @for remedy in remedies { p.remedy { (escape_for_terminal(remedy)) } }
                    }
                }
            }
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
