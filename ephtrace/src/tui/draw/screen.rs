//! The view, drawn: reads a [`State`] and changes nothing.
//!
//! ```text
//! header      name, source, losses, clock / rate, counts, latency / verdict, filter, own cost
//! alerts      if there are any
//! plots       ports of the last minute; from 110 columns on, port by the one before
//! tabs        which list is below
//! list        destinations, processes or failures; or, in place of plots and list, a page
//! footer      keys
//!
//! In less than 80 columns or 24 lines: lists without plots, and fewer columns
//! ```
//!
//! Uses only colours of the terminal's own palette, and none that is invisible on black, on white
//! or with Solarized; a letter or a word says the same as each colour.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::Color,
    text::{Line, Span},
    widgets::Widget as _,
};

use super::{
    ascii, destinations, failures, figures, grid, header, pages, plots, processes,
    style::{ALARM, CURSOR, QUIET, STRONG, safe},
};
use crate::tui::state::{Drawn, Page, Panel, State};

/// Least number of columns in which the table of destinations is useful.
pub const MIN_WIDTH: u16 = 40;

/// Least number of lines: three of the header, tabs, headings, a row, keys, and an alert.
pub const MIN_HEIGHT: u16 = 8;

/// Least number of lines of the body in which both plot and list are useful.
const WITH_PLOT: u16 = 14;

/// Number of lines from which alerts take two of them, instead of one.
const WITH_ALERTS: u16 = 20;

/// Lines that are neither dots nor rows: title and axis of the plot, tabs, headings.
const AROUND: u16 = 5;

/// Least number of rows that the list has room for.
const FEWEST_ROWS: u16 = 5;

/// Maximum number of lines of the area of the dots.
const MAX_GRAPH: u16 = 24;

/// Least width at which the keys in the footer have gaps.
const WITH_GAPS: u16 = 90;

/// Number of characters of the filter that are shown beside the tabs.
const FILTER: usize = 12;

/// Number of alerts that are shown beside everything else.
const ALERTS: u16 = 2;

/// Draws the view, and returns how much room there was.
pub fn draw(frame: &mut Frame<'_>, state: &State) -> Drawn {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        too_small(area, buffer);
        return Drawn::default();
    }
    let drawn = all(area, buffer, state);
    if !state.about.colour {
        for cell in &mut buffer.content {
            (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
        }
    }
    if !state.about.utf8 {
        ascii::only(buffer);
    }
    drawn
}

fn all(area: Rect, buffer: &mut Buffer, state: &State) -> Drawn {
    let mut top = header::draw(area, buffer, state);
    top += alerts(Rect { y: top, ..area }, buffer, state);
    let bottom = Rect { y: area.bottom() - 1, height: 1, ..area };
    let body = Rect { y: top, height: area.bottom() - 1 - top, ..area };
    let drawn = match (state.page, state.panel) {
        (Some(Page::Help), _) => pages::draw(body, buffer, state, &pages::help(body.width)),
        (Some(Page::Alerts), _) => pages::alerts(body, buffer, state),
        (Some(Page::Alert(serial)), _) => {
            pages::draw(body, buffer, state, &pages::alert(state, serial, body.width))
        }
        (Some(Page::Destination(lane)), _) => {
            pages::draw(body, buffer, state, &pages::destination(state, &lane, body.width))
        }
        (None, Panel::Plots) => {
            tabs(body, buffer, state);
            let rest = Rect { y: body.y + 1, height: body.height - 1, ..body };
            pages::draw(rest, buffer, state, &pages::plots(state, rest.width))
        }
        (None, panel) => list(body, buffer, state, panel),
    };
    let below = drawn.last.saturating_sub(state.scroll);
    let more = if below > 0 && state.typing.is_none() {
        let lines = if below == 1 { "line" } else { "lines" };
        Line::styled(format!(" {below} more {lines} below"), STRONG)
    } else {
        Line::default()
    };
    let room = usize::from(area.width).saturating_sub(more.width());
    footer(bottom, buffer, state, room);
    more.right_aligned().render(bottom, buffer);
    drawn
}

fn list(body: Rect, buffer: &mut Buffer, state: &State, panel: Panel) -> Drawn {
    // Half of the room for each, unless the list needs less. All lists have the same room.
    let rows = state.destinations();
    let room = if body.height < WITH_PLOT { 0 } else { body.height - AROUND };
    let known = u16::try_from(state.seen().rows.len()).unwrap_or(u16::MAX);
    let mut plot = Rect { height: 0, ..body };
    if room > 0 {
        let graph = (room - known.clamp(FEWEST_ROWS, room.div_ceil(2))).min(MAX_GRAPH);
        plot.height = graph + 3;
        plots::draw(plot, buffer, state, &rows);
    }
    tabs(Rect { y: plot.bottom(), height: 1, ..body }, buffer, state);
    let top = plot.bottom() + 1;
    let table = Rect { y: top, height: body.bottom() - top, ..body };
    match panel {
        Panel::Processes => processes::draw(table, buffer, state),
        Panel::Failures => failures::draw(table, buffer, state),
        Panel::Destinations | Panel::Plots => destinations::draw(table, buffer, state, &rows),
    }
    Drawn { rows: usize::from(table.height.saturating_sub(1)), last: 0 }
}

fn too_small(area: Rect, buffer: &mut Buffer) {
    let text = format!(
        "ephtrace top needs {MIN_WIDTH} columns and {MIN_HEIGHT} lines; this one has {} and {}. \
         Make the window larger, or press q.",
        area.width, area.height
    );
    let lines = figures::wrap(&text, 0, area.width.into());
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        Line::from(line).render(Rect { y, height: 1, ..area }, buffer);
    }
}

/// Draws the alerts, and returns the number of lines that they take.
fn alerts(area: Rect, buffer: &mut Buffer, state: &State) -> u16 {
    let alerts = state.seen().alerts.all();
    let most = if buffer.area.height < WITH_ALERTS { 1 } else { ALERTS };
    let shown = alerts.len().min(usize::from(most));
    for (n, alert) in alerts.iter().take(shown).enumerate() {
        // A problem that has passed must not contradict the rows.
        let age = pages::age(alert, state.seen().now_ns);
        let more = match alerts.len() - shown {
            _ if n + 1 < shown => age,
            0 => format!("{age} (! says more)"),
            more => format!("{age} (! has {more} more)"),
        };
        let room = usize::from(area.width).saturating_sub(2 + more.len());
        let line = Line::from(vec![
            Span::styled("! ", ALARM),
            Span::styled(figures::cut(&safe(&alert.sentence), room) + &more, STRONG),
        ]);
        let y = area.y + u16::try_from(n).unwrap_or(0);
        line.render(Rect { y, height: 1, ..area }, buffer);
    }
    u16::try_from(shown).unwrap_or(0)
}

/// Draws the lists with their lengths, and the sort order of the current one.
fn tabs(area: Rect, buffer: &mut Buffer, state: &State) {
    let seen = state.seen();
    let processes = seen.summary.as_ref().map_or(0, |summary| summary.processes.len());
    let mut line = Line::default();
    for (panel, name) in Panel::ALL.into_iter().zip([
        format!("destinations {}", seen.rows.len()),
        format!("processes {processes}"),
        format!("failures {}", seen.counts.failures),
        "plots".to_owned(),
    ]) {
        if panel == state.panel {
            line.push_span(Span::styled(format!("[{name}]"), STRONG));
        } else {
            line.push_span(Span::styled(format!(" {name} "), QUIET));
        }
    }
    let tabs_width = line.width();
    line.render(Rect { height: 1, ..area }, buffer);
    let sorted = match state.panel {
        Panel::Destinations => grid::sorted(
            destinations::title(state.by_destination.by),
            state.by_destination.reversed,
        ),
        Panel::Processes => {
            grid::sorted(processes::title(state.by_process.by), state.by_process.reversed)
        }
        Panel::Failures => "newest first".to_owned(),
        Panel::Plots => "by order of assignment".to_owned(),
    };
    let mut right = Line::default();
    if !state.filter.is_empty() {
        let filter = figures::cut(&safe(&state.filter.text), FILTER);
        right.push_span(Span::styled(format!("/{filter} "), STRONG));
    }
    if state.failed_only {
        right.push_span(Span::styled("failed ", STRONG));
    }
    if tabs_width + right.width() + sorted.len() < usize::from(area.width) {
        right.push_span(Span::styled(sorted, QUIET));
    }
    right.right_aligned().render(Rect { height: 1, ..area }, buffer);
}

/// Draws the keys, as many as fit into `room`, the most useful ones first.
fn footer(area: Rect, buffer: &mut Buffer, state: &State, room: usize) {
    if state.typing.is_some() {
        let line = Line::from(vec![
            Span::styled("filter: ", STRONG),
            Span::raw(safe(&state.filter.text)),
            Span::styled(" ", CURSOR),
            Span::styled("  Enter keep  Esc drop", QUIET),
        ]);
        return line.render(area, buffer);
    }
    let keys: &[(&str, &str)] = match state.page {
        Some(Page::Alerts) => {
            &[("q", "quit"), ("Esc", "back"), ("j k", "move"), ("Enter", "open"), ("?", "help")]
        }
        Some(_) => {
            &[("q", "quit"), ("Esc", "back"), ("j k", "scroll"), ("Space", "freeze"), ("?", "help")]
        }
        None => &[
            ("q", "quit"),
            ("?", "help"),
            ("/", "filter"),
            ("f", "failed"),
            ("s", "sort"),
            ("Tab", "list"),
            ("Enter", "open"),
            ("Space", "freeze"),
            ("r", "reset"),
        ],
    };
    let mut line = Line::default();
    let gap = if area.width < WITH_GAPS { " " } else { "  " };
    for (n, (key, does)) in keys.iter().enumerate() {
        let gap = if n == 0 { "" } else { gap };
        if line.width() + gap.len() + key.len() + 1 + does.len() > room {
            break;
        }
        line.push_span(Span::styled(format!("{gap}{key}"), STRONG));
        line.push_span(Span::styled(format!(" {does}"), QUIET));
    }
    line.render(area, buffer);
}
