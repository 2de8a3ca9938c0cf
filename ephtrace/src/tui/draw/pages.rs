//! Pages that can be longer than the screen: help, one destination, plots by order.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Widget as _,
};

use super::{
    destinations::in_use,
    figures::{self, known},
    style::{CURSOR, STRONG, safe},
};
use crate::{
    analyse::{
        findings::Finding, heavy_hitters::Entry, lanes::LaneKey, picture::PlotData,
        summary::DestinationSummary,
    },
    model::{Origin, Protocol},
    output::summary::{
        plots::{self, hues::colour},
        words,
    },
    tui::{
        alerts::Alert,
        filter::{title, user},
        marks::Marks,
        rows::{InUse, Row},
        state::{Drawn, State, window},
    },
};

/// Age in seconds up to which a finding counts as current: findings are looked for every second,
/// and less often if that takes long.
const NOW_S: u64 = 10;

/// A piece of a page.
pub(super) enum Piece {
    Text(Line<'static>),
    Plot(Buffer),
}

impl Piece {
    fn height(&self) -> u16 {
        match self {
            Self::Text(_) => 1,
            Self::Plot(plot) => plot.area.height,
        }
    }
}

fn text(text: impl Into<String>) -> Piece {
    Piece::Text(Line::from(text.into()))
}

/// Draws the visible part of a page.
pub(super) fn draw(area: Rect, buffer: &mut Buffer, state: &State, page: &[Piece]) -> Drawn {
    let height = page.iter().fold(0_u16, |sum, piece| sum.saturating_add(piece.height()));
    let last = height.saturating_sub(area.height);
    let scroll = state.scroll.min(last);
    let mut at = 0_u16;
    for piece in page {
        for line in 0..piece.height() {
            let shown = at.checked_sub(scroll).filter(|line| *line < area.height);
            if let Some(y) = shown {
                row(piece, line, Rect { y: area.y + y, height: 1, ..area }, buffer);
            }
            at = at.saturating_add(1);
        }
    }
    Drawn { rows: usize::from(area.height), last }
}

fn row(piece: &Piece, line: u16, area: Rect, buffer: &mut Buffer) {
    match piece {
        Piece::Text(text) => text.render(area, buffer),
        Piece::Plot(plot) => {
            for x in 0..area.width.min(plot.area.width) {
                if let (Some(from), Some(to)) =
                    (plot.cell((x, line)), buffer.cell_mut((area.x + x, area.y)))
                {
                    *to = from.clone();
                }
            }
        }
    }
}

/// Returns the plots of the last assignments.
pub(super) fn plots(state: &State, width: u16) -> Vec<Piece> {
    match &state.seen().summary {
        Some(summary) => picture(&summary.picture, width, state),
        None => vec![text("nothing to draw yet")],
    }
}

fn picture(picture: &PlotData, width: u16, state: &State) -> Vec<Piece> {
    let rows = plots::rows(picture, width, state.about.colour, &state.seen().marked());
    if rows.is_empty() {
        return vec![text("too few assignments to draw")];
    }
    rows.into_iter().flat_map(|row| [Piece::Plot(row), text("")]).collect()
}

/// Returns all that is known of one destination.
pub(super) fn destination(state: &State, lane: &LaneKey, width: u16) -> Vec<Piece> {
    let seen = state.seen();
    let Some(entry) = seen.rows.get(lane) else {
        return vec![text("state for this destination was evicted; Esc goes back")];
    };
    let mark = seen.marks.of(entry.serial);
    let style = STRONG.fg(colour(mark));
    let mut page = vec![Piece::Text(Line::from(vec![
        Span::styled(format!("{} ", Marks::letter(mark)), style),
        Span::styled(safe(&title(lane)), STRONG),
        Span::raw(from(lane)),
    ]))];
    for sentence in [counts(entry), search(entry, &used(seen.in_use(lane)))] {
        page.extend(figures::wrap(&sentence, 0, usize::from(width)).into_iter().map(text));
    }
    let container = entry.value.container.as_ref().map(|name| format!(" in container {name}"));
    page.push(text(format!(
        "last used by {}{}",
        safe(&user(entry.value.pid, entry.value.comm.as_ref())),
        safe(&container.unwrap_or_default())
    )));
    page.push(text(""));
    if let Some(said) = &entry.value.said {
        page.extend(verdict(said, width));
    }
    page.push(text(""));
    if let Some(summary) = &seen.summary {
        page.extend(picture(&summary.picture.of_lane(lane), width, state));
    }
    page
}

fn from(lane: &LaneKey) -> String {
    let protocol = lane.protocol.map_or("", Protocol::name);
    let origin = lane.origin.map_or("", Origin::name);
    let netns = lane.flow.netns.map_or(String::new(), |netns| format!("  netns {netns}"));
    format!("  from {}  {protocol} {origin}{netns}", lane.flow.saddr)
}

fn counts(entry: &Entry<Row>) -> String {
    let Row { rate, failures, .. } = &entry.value;
    let count = words::at_least(entry.count, entry.complete);
    let ports = known(entry.value.said.as_deref(), |said| match said.range_ports {
        Some(all) => format!("{} of {all}", said.distinct_ports),
        None => said.distinct_ports.to_string(),
    });
    format!(
        "{count} assignments, {}/s now, {failures} failed; {ports} different ports so far",
        known(*rate, figures::mean)
    )
}

fn search(entry: &Entry<Row>, in_use: &str) -> String {
    let row = &entry.value;
    let latency = known(row.latency_ns, figures::micros);
    let (tried, step) =
        (known(row.tried, figures::mean), known(row.step(), |step| format!("{step:+}")));
    format!("port search latency {latency} us, tried {tried}, median step {step}; {in_use}")
}

fn used(now: Option<InUse>) -> String {
    match now {
        None => "in use now: unknown".to_owned(),
        Some(now) => {
            format!("in use now: {} of {} ports ({})", now.ports, now.of, in_use(Some(now)).text)
        }
    }
}

fn verdict(said: &DestinationSummary, width: u16) -> Vec<Piece> {
    let width = usize::from(width);
    let mut lines = figures::wrap(&words::sentence(&said.verdict), 0, width);
    for evidence in &said.verdict.evidence {
        lines.extend(figures::wrap(evidence, 2, width));
    }
    lines.into_iter().map(text).collect()
}

/// An alert with its evidence and what to do.
pub(super) fn alert(state: &State, serial: u32, width: u16) -> Vec<Piece> {
    let seen = state.seen();
    match seen.alerts.all().iter().find(|alert| alert.serial == serial) {
        Some(alert) => alert_lines(alert, seen.now_ns, width.into()),
        None => vec![text("this alert was evicted; Esc goes back")],
    }
}

/// All alerts, a line each, the worst first; below, as much of the one under the cursor as there is
/// room for.
pub(super) fn alerts(area: Rect, buffer: &mut Buffer, state: &State) -> Drawn {
    let seen = state.seen();
    let alerts = seen.alerts.all();
    if alerts.is_empty() {
        Line::from("no known problems").render(Rect { height: 1, ..area }, buffer);
        return Drawn::default();
    }
    let cursor = state.alert_cursor();
    let most = usize::from(area.height.div_ceil(2)).max(1);
    let shown = window(cursor, alerts.len(), alerts.len().min(most));
    let columns = usize::from(area.width);
    let mut y = area.y;
    for (n, alert) in alerts.iter().enumerate().take(shown.end).skip(shown.start) {
        let when = age(alert, seen.now_ns);
        let when = when.strip_prefix(", ").map(|ago| format!("{ago}: ")).unwrap_or_default();
        let line = format!("{:8} {when}{}", alert.severity, safe(&alert.sentence));
        let style = if n == cursor { CURSOR } else { Style::new() };
        let line = Line::styled(figures::cut(&line, columns), style);
        line.render(Rect { y, height: 1, ..area }, buffer);
        y += 1;
    }
    let rows = shown.len();
    let below = alert_lines(&alerts[cursor], seen.now_ns, columns);
    for (piece, y) in below.iter().zip(y + 1..area.bottom()) {
        row(piece, 0, Rect { y, height: 1, ..area }, buffer);
    }
    Drawn { rows, last: 0 }
}

/// Returns `, 12 s ago` for a problem that is not seen any more.
pub(super) fn age(alert: &Alert, now_ns: u64) -> String {
    let ago_s = now_ns.saturating_sub(alert.last_ns) / 1_000_000_000;
    if ago_s < NOW_S { String::new() } else { format!(", {ago_s} s ago") }
}

fn alert_lines(alert: &Alert, now_ns: u64, width: usize) -> Vec<Piece> {
    let when = age(alert, now_ns);
    let rule = alert.finding.as_ref().map(|one| format!(" [{}]", one.rule)).unwrap_or_default();
    let head = format!("{}{when}: {}{rule}", alert.severity, safe(&alert.sentence));
    let strong = |line| Piece::Text(Line::styled(line, STRONG));
    let mut lines: Vec<Piece> = figures::wrap(&head, 0, width).into_iter().map(strong).collect();
    if let Some(Finding { evidence, remedies, .. }) = &alert.finding {
        lines.extend(figures::wrap(&safe(evidence), 2, width).into_iter().map(text));
        for remedy in remedies {
            let remedy = format!("remedy: {}", safe(remedy));
            lines.extend(figures::wrap(&remedy, 2, width).into_iter().map(text));
        }
    }
    lines
}

/// Keys and columns, each with its meaning; without a key, a heading.
pub const HELP: &[(&str, &str)] = &[
    ("", "Keys"),
    ("q Ctrl-C", "quit and print the summary of the run"),
    ("Ctrl-Z", "suspend until the shell's `fg`"),
    ("Tab 1 2 3 4", "next list: destinations, processes, failures, plots"),
    ("j k g G", "move (also arrows, PgUp, PgDn, Home, End)"),
    ("!", "problems; Enter opens one, with evidence and remedies"),
    ("Enter", "open the selected row; for a process, its destinations"),
    ("Esc", "go back; from the list, drop the filter"),
    ("/", "filter by address, port, process name or process id"),
    ("f s S", "failures only; sort by the next column; reverse the order"),
    ("Space", "freeze or resume the display; nothing is missed meanwhile"),
    ("r", "reset all counts, also those of the final summary"),
    ("", "Columns"),
    ("a … e", "the busiest destinations; right of the plot: their last port"),
    ("RATE/s", "assignments in the last second, failed ones included"),
    ("USE", "share of the range now; ½: searches scan half of it first; !: all"),
    ("STEP", "from port to port of the same destination, median of the last 16"),
    ("TRIED", "candidates tried per search, mean of the last second"),
    ("LAT(us)", "port search latency, mean of the last second"),
    ("VERDICT", "how ports are assigned, judged by the last 64"),
    ("× –", "on the axis: a failed assignment; in a column: unknown"),
];

/// Width of the keys in the help, with the blanks behind them.
const KEYS_WIDTH: usize = 13;

/// Returns the meaning of keys and columns.
pub(super) fn help(width: u16) -> Vec<Piece> {
    let room = usize::from(width).saturating_sub(KEYS_WIDTH);
    let lines = |(key, means): &(&str, &str)| {
        if key.is_empty() && means.starts_with(char::is_uppercase) {
            return vec![Piece::Text(Line::styled((*means).to_owned(), STRONG))];
        }
        let lines = figures::wrap(means, 0, room).into_iter().enumerate().map(|(nth, means)| {
            let key = if nth == 0 { key } else { "" };
            let key = Span::styled(
                format!("{key:>11}  "),
                Style::new().add_modifier(ratatui::style::Modifier::BOLD),
            );
            Piece::Text(Line::from(vec![key, Span::raw(means)]))
        });
        lines.collect()
    };
    HELP.iter().flat_map(lines).collect()
}
