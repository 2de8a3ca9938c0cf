//! The first lines: what is traced, the losses, the rate, and the verdict.

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget as _,
};

use super::{
    figures,
    style::{ALARM, CURSOR, QUIET, STRONG, safe},
};
use crate::{
    analyse::pattern::{Algorithm, Pattern, Verdict, percent},
    model::errno_name,
    output::human_duration::HumanDuration,
    tui::{
        state::State,
        view_model::{Counts, ViewModel},
    },
};

/// Number of seconds that the bars show.
const BARS: u64 = 10;

/// Least width with bars.
const WITH_BARS: u16 = 80;

/// Draws the header, and returns the first line below it.
pub(super) fn draw(area: Rect, buffer: &mut Buffer, state: &State) -> u16 {
    let seen = state.seen();
    // The verdict is more important, and the latency is also in a column.
    let has_room = verdict(seen).width() + latency(seen).width() < usize::from(area.width);
    let latency = if has_room { latency(seen) } else { Line::default() };
    let standing = standing(state, seen);
    let room = usize::from(area.width).saturating_sub(standing.width() + 1);
    let lines = [
        (fitting(source(state, seen), room), standing),
        (numbers(seen, area.width >= WITH_BARS), Line::default()),
        (verdict(seen), latency),
    ];
    let mut y = area.y;
    for (left, right) in lines {
        let row = Rect { y, height: 1, ..area };
        let room = area.width.saturating_sub(u16::try_from(right.width()).unwrap_or(u16::MAX));
        left.render(Rect { width: room.saturating_sub(1), ..row }, buffer);
        right.right_aligned().render(row, buffer);
        y += 1;
    }
    y
}

/// Returns the line without its last parts, if it is wider than `room`: half a word says nothing.
fn fitting(mut line: Line<'static>, room: usize) -> Line<'static> {
    while line.width() > room && line.spans.len() > 2 {
        line.spans.pop();
    }
    line
}

fn source(state: &State, seen: &ViewModel) -> Line<'static> {
    let mut line = Line::from(vec![
        Span::styled("ephtrace top", STRONG),
        Span::raw(format!("  {}", safe(&state.about.source))),
    ]);
    if let Some(host) = &state.about.host {
        line.push_span(Span::raw(format!("  {}", safe(host))));
    }
    if let Some(cost) = seen.own_cost {
        line.push_span(Span::styled(format!("  own cost {:.1} %", cost * 100.0), QUIET));
    }
    line
}

/// Returns the line of warnings that must not be overlooked, and of the time.
fn standing(state: &State, seen: &ViewModel) -> Line<'static> {
    let mut line = Line::default();
    let mut flag = |text: &str| {
        line.push_span(Span::styled(format!(" {text} "), CURSOR));
        line.push_span(Span::raw("  "));
    };
    if state.is_frozen() {
        flag("FROZEN");
    }
    if state.ended {
        flag("END");
    }
    let lost = seen.losses.total();
    let style = if lost > 0 { ALARM } else { QUIET };
    line.push_span(Span::styled(format!("{} lost", figures::count(lost)), style));
    let since_ns = seen.started_ns.map_or(0, |started_ns| seen.now_ns.saturating_sub(started_ns));
    let since = figures::clock(since_ns / 1_000_000_000);
    let seconds = i64::try_from(seen.now_ns / 1_000_000_000).unwrap_or(0);
    let now = Timestamp::from_second(seconds).unwrap_or_default();
    let now = now.to_zoned(state.about.zone.clone()).strftime("%H:%M:%S").to_string();
    line.push_span(Span::raw(format!("  {since}  {now}")));
    line
}

fn numbers(seen: &ViewModel, has_bars: bool) -> Line<'static> {
    let rate = figures::count(seen.timeline.rate(seen.now_ns));
    let bars = figures::bars(&seen.timeline.rates(seen.now_ns, BARS));
    let mut line = Line::from(vec![
        Span::styled(format!("{rate:>6}/s"), STRONG),
        Span::raw(if has_bars { format!(" {bars}  ") } else { "  ".to_owned() }),
    ]);
    if seen.summary.is_none() {
        return line;
    }
    let assignments = figures::count(seen.counts.assignments);
    line.push_span(Span::raw(format!("{assignments} assignments, ")));
    line.push_span(failed(seen));
    line
}

/// Returns the failures and their most frequent error; before a snapshot has it, the last one.
fn failed(seen: &ViewModel) -> Span<'static> {
    let Counts { failures, last_errno, .. } = seen.counts;
    let failed = format!("{} failed", figures::count(failures));
    if failures == 0 {
        return Span::raw(failed);
    }
    let errors = seen.summary.as_ref().map_or(&[][..], |summary| &summary.errors);
    let name = match errors.first() {
        Some(most) => most.error,
        None => last_errno.and_then(errno_name),
    };
    let name = name.unwrap_or("without a known error");
    let more = if errors.len() > 1 { ", …" } else { "" };
    Span::styled(format!("{failed}: {name}{more}"), ALARM)
}

fn latency(seen: &ViewModel) -> Line<'static> {
    let latency = seen.summary.as_ref().and_then(|summary| summary.latency);
    let text = latency.map_or(String::new(), |ns| {
        format!("p50 {}, p99 {}", HumanDuration(ns.p50_ns), HumanDuration(ns.p99_ns))
    });
    Line::from(text)
}

/// Returns the verdict; nothing if no port was assigned at all.
fn verdict(seen: &ViewModel) -> Line<'static> {
    let text = match &seen.summary {
        Some(summary) if summary.assignments > 0 && summary.assignments == summary.failures => {
            return Line::default();
        }
        Some(summary) if summary.assignments > 0 => in_short(&summary.verdict),
        _ if seen.counts.assignments > 0 => "not judged yet".to_owned(),
        _ => "waiting for the first assignment".to_owned(),
    };
    Line::from(vec![Span::styled("verdict ", QUIET), Span::raw(text)])
}

/// Returns pattern and algorithm with their confidence.
fn in_short(verdict: &Verdict) -> String {
    let Verdict { pattern, pattern_confidence, algorithm, algorithm_confidence, .. } = verdict;
    let sure = |confidence: f64| percent(confidence);
    match (pattern, algorithm, verdict.patterns.first()) {
        (Pattern::Undetermined, Algorithm::Undetermined, Some(likeliest)) if verdict.n > 0 => {
            format!("undetermined, best guess {} {}", likeliest.name, sure(likeliest.probability))
        }
        (_, Algorithm::Undetermined, _) => format!("{pattern} {}", sure(*pattern_confidence)),
        _ if pattern.as_str() == algorithm.as_str() => {
            format!("{pattern} {}", sure(*pattern_confidence))
        }
        _ => format!(
            "{pattern}, {algorithm} {}",
            sure(pattern_confidence.min(*algorithm_confidence))
        ),
    }
}
