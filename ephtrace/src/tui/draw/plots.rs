//! The ports of the last minute, and each port against the previous one of the same destination.

use std::collections::HashSet;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget as _,
};
use rustc_hash::FxBuildHasher;

use super::style::{ALARM, QUIET, STRONG};
use crate::{
    analyse::{heavy_hitters::Entry, lanes::LaneKey},
    model::PortRange,
    output::summary::plots::{
        hues::{PALETTE, colour},
        ports::Ports,
        scatter::{LABELS, Scatter},
    },
    tui::{
        marks::Marks,
        rows::Row,
        state::State,
        timeline::{Dot, SECONDS},
        view_model::ViewModel,
    },
};

/// Least width at which the plot against the previous port fits beside.
const SIDE_BY_SIDE: u16 = 110;

/// Columns on the right for the letters of the destinations.
const GUTTER: u16 = 2;

/// Lines of title and x axis.
const AROUND: u16 = 3;

/// Choices for the number of plotted seconds: the least one that holds the whole run, else a
/// minute.
const SPANS: [u64; 4] = [10, 20, 30, SECONDS];

/// Columns between the two plots.
const GAP: u16 = 2;

const SECOND_NS: u64 = 1_000_000_000;

type Serials = HashSet<u32, FxBuildHasher>;

/// Plotted assignments: those of the shown rows, unless these are all.
struct Plotted<'a> {
    seen: &'a ViewModel,
    shown: Option<Serials>,
}

impl Plotted<'_> {
    fn has(&self, serial: u32) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.contains(&serial))
    }

    /// Returns the ranges in force.
    fn ranges(&self) -> impl Iterator<Item = PortRange> {
        let rows = self.seen.rows.iter().filter(|(_, entry)| self.has(entry.serial));
        rows.filter_map(|(_, entry)| entry.value.range)
    }
}

/// Draws the plots in `area`; `rows` are those that the filter keeps.
pub(super) fn draw(
    area: Rect,
    buffer: &mut Buffer,
    state: &State,
    rows: &[(&LaneKey, &Entry<Row>)],
) {
    let seen = state.seen();
    let is_all = rows.len() == seen.rows.len();
    let shown = (!is_all).then(|| rows.iter().map(|(_, entry)| entry.serial).collect());
    let plotted = Plotted { seen, shown };
    if area.width < SIDE_BY_SIDE {
        return by_time(area, buffer, &plotted);
    }
    let right = Rect { x: area.right() - area.width / 3, width: area.width / 3, ..area };
    by_time(Rect { width: area.width - right.width - GAP, ..area }, buffer, &plotted);
    by_port_before(right, buffer, &plotted);
}

fn by_time(area: Rect, buffer: &mut Buffer, plotted: &Plotted<'_>) {
    let seen = plotted.seen;
    let dots: Vec<&Dot> =
        seen.timeline.dots(seen.now_ns).filter(|dot| plotted.has(dot.serial)).collect();
    if dots.is_empty() {
        title(area, buffer, "port by time", "");
        let from_ns = seen.now_ns.saturating_sub(SECONDS * SECOND_NS);
        let failed = seen.timeline.failures().filter(|&at_ns| at_ns >= from_ns).count();
        let nothing = match failed {
            0 => format!("no assignments in the last {SECONDS} s"),
            1 => format!("no port was assigned in the last {SECONDS} s: 1 attempt failed"),
            some => format!("no port was assigned in the last {SECONDS} s: {some} attempts failed"),
        };
        let y = area.y + area.height / 2;
        return Line::styled(nothing, QUIET)
            .centered()
            .render(Rect { y, height: 1, ..area }, buffer);
    }
    let ports: Vec<u16> = dots.iter().map(|dot| dot.port).collect();
    let axis = Ports::over(&ports, plotted.ranges());
    let span = span(seen);
    let mut scatter = Scatter::new([[-seconds(span * SECOND_NS), 0.0], axis.ends()]);
    scatter.graph = area.height.saturating_sub(AROUND);
    scatter.x_labels = vec![format!("-{span} s"), format!("-{} s", span / 2), "now".to_owned()];
    scatter.y_labels = axis.labels(LABELS);
    let mut last = [None; PALETTE.len()];
    for dot in &dots {
        let mark = seen.marks.of(dot.serial);
        let place = axis.place(dot.port);
        let ago = seconds(seen.now_ns.saturating_sub(dot.ts_ns));
        scatter.dot(mark, -ago, f64::from(place));
        if let Some(last) = mark.and_then(|mark| last.get_mut(mark)) {
            *last = Some(place);
        }
    }
    let chart = Rect { y: area.y + 1, width: area.width - GUTTER, height: area.height - 1, ..area };
    scatter.render(chart, buffer);
    let stride = seen.timeline.stride();
    let thinned = if stride > 1 { format!("one of {stride} drawn") } else { String::new() };
    let passed = axis.passed_end().unwrap_or_default();
    let hint = [thinned, passed].into_iter().filter(|hint| !hint.is_empty());
    title(area, buffer, "port by time", &hint.collect::<Vec<_>>().join("; "));
    letters(area, buffer, &last, axis.shown());
    crosses(chart, buffer, seen, &scatter.y_labels);
}

fn span(seen: &ViewModel) -> u64 {
    let since_ns = seen.started_ns.map_or(0, |started_ns| seen.now_ns.saturating_sub(started_ns));
    SPANS.into_iter().find(|span| span * SECOND_NS >= since_ns).unwrap_or(SECONDS)
}

fn title(area: Rect, buffer: &mut Buffer, title: &str, hint: &str) {
    let line = Line::from(vec![
        Span::styled(title.to_owned(), STRONG),
        Span::styled(format!("  {hint}"), QUIET),
    ]);
    line.render(Rect { height: 1, ..area }, buffer);
}

/// Draws the letter of each destination at its last port, so that it can be recognised without
/// colours.
fn letters(area: Rect, buffer: &mut Buffer, last: &[Option<u32>], shown: u32) {
    let lines = u32::from(area.height.saturating_sub(AROUND));
    for (mark, place) in last.iter().enumerate() {
        let Some(place) = place else { continue };
        let from_below =
            (place * lines.saturating_sub(1) + shown / 2) / shown.saturating_sub(1).max(1);
        let wanted = lines.saturating_sub(1).saturating_sub(from_below);
        let line = |at: u32| area.y + 1 + u16::try_from(at).unwrap_or(0);
        let is_free = |at: &u32| {
            buffer.cell((area.right() - 1, line(*at))).is_some_and(|c| c.symbol() == " ")
        };
        let near = (0..lines).flat_map(|off| [wanted.saturating_sub(off), wanted + off]);
        let Some(at) = near.filter(|at| *at < lines).find(is_free) else { continue };
        let letter = Marks::letter(Some(mark)).to_string();
        buffer.set_string(area.right() - 1, line(at), letter, STRONG.fg(colour(Some(mark))));
    }
}

/// Draws a cross on the axis wherever an assignment failed.
fn crosses(chart: Rect, buffer: &mut Buffer, seen: &ViewModel, labels: &[String]) {
    let labels = labels.iter().map(String::len).max().unwrap_or(0);
    let left = chart.x + u16::try_from(labels).unwrap_or(0) + 1;
    let width = u64::from(chart.right().saturating_sub(left)).max(1);
    let span_ns = span(seen) * SECOND_NS;
    let from_ns = seen.now_ns.saturating_sub(span_ns);
    for at_ns in seen.timeline.failures() {
        let Some(since_ns) = at_ns.checked_sub(from_ns) else { continue };
        let column = (since_ns * (width - 1) / span_ns).min(width - 1);
        let x = left + u16::try_from(column).unwrap_or(0);
        buffer.set_string(x, chart.bottom().saturating_sub(2), "×", ALARM);
    }
}

fn by_port_before(area: Rect, buffer: &mut Buffer, plotted: &Plotted<'_>) {
    let seen = plotted.seen;
    let Some(summary) = &seen.summary else { return };
    let picture = &summary.picture;
    let before = picture.before();
    let serial = |lane: &LaneKey| seen.rows.get(lane).map(|entry| entry.serial);
    let pairs: Vec<_> = picture
        .points()
        .zip(before)
        .filter_map(|(point, before)| Some((serial(&point.lane)?, before?, point)))
        .filter(|(serial, ..)| plotted.has(*serial))
        .collect();
    if pairs.is_empty() {
        return;
    }
    let ports: Vec<u16> =
        pairs.iter().flat_map(|(_, before, point)| [*before, point.port]).collect();
    let axis = Ports::over(&ports, pairs.iter().filter_map(|(.., point)| point.range));
    let mut scatter = Scatter::new([axis.ends(); 2]);
    scatter.graph = area.height.saturating_sub(AROUND);
    scatter.x_labels = axis.labels(2);
    scatter.y_labels = axis.labels(LABELS);
    for (serial, before, point) in pairs {
        let [x, y] = [before, point.port].map(|port| f64::from(axis.place(port)));
        scatter.dot(seen.marks.of(serial), x, y);
    }
    scatter.render(Rect { y: area.y + 1, height: area.height - 1, ..area }, buffer);
    title(area, buffer, "port by previous port", "a line: counter");
}

#[expect(clippy::cast_precision_loss, reason = "a plot needs no 16th digit")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
