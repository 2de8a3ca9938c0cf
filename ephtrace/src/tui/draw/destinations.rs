//! The table of destinations.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget as _};

use super::{
    figures::{self, UNKNOWN, cut_middle, known},
    grid::{CONTAINER, CONTAINER_WIDTH, Cell, Column, POD, POD_WIDTH, heading, line, shown},
    style::{ALARM, CURSOR, STRONG, safe},
};
use crate::{
    analyse::{heavy_hitters::Entry, lanes::LaneKey},
    output::summary::{plots::hues::colour, words},
    tui::{
        filter::{title as name, user},
        marks::Marks,
        rows::{InUse, Mark, Row},
        sort::ByDestination,
        state::{State, window},
    },
};

/// Width of number and name of a process.
const PROCESS: u16 = 18;

/// Returns the heading of a column.
pub(super) fn title(by: ByDestination) -> &'static str {
    match by {
        ByDestination::Name => "DESTINATION",
        ByDestination::Rate => "RATE/s",
        ByDestination::Failed => "FAILED",
        ByDestination::Use => "USE",
        ByDestination::Step => "STEP",
        ByDestination::Tried => "TRIED",
        ByDestination::Latency => "LAT(us)",
        ByDestination::Verdict => "VERDICT",
    }
}

/// The columns. Below 80, the first one to go is the one that is rarely other than 1.
const COLUMNS: [Column; 13] = [
    Column::left("", 1),
    Column::left("DESTINATION", 0),
    Column::right("RATE/s", 6),
    Column::right("COUNT", 8).from(100),
    Column::right("FAILED", 6),
    Column::right("USE", 5),
    Column::right("STEP", 6).from(70),
    Column::right("TRIED", 5).from(80),
    Column::right("LAT(us)", 7).from(76),
    Column::left("VERDICT", 15).from(54),
    Column::left("LAST PROCESS", PROCESS).from(110),
    // Shown only if there are containers.
    Column::left(CONTAINER, CONTAINER_WIDTH).from(124),
    // Likewise for pods.
    Column::left(POD, POD_WIDTH).from(150),
];

fn columns(width: u16, has_containers: bool, has_pods: bool) -> Vec<Column> {
    let mut columns = shown(&COLUMNS, width, COLUMNS);
    columns.retain(|column| has_containers || column.title != CONTAINER);
    columns.retain(|column| has_pods || column.title != POD);
    let taken: u16 = columns.iter().map(|column| column.width + 1).sum();
    columns[1].width = (width + 1).saturating_sub(taken);
    columns
}

pub(super) fn draw(
    area: Rect,
    buffer: &mut Buffer,
    state: &State,
    rows: &[(&LaneKey, &Entry<Row>)],
) {
    let has_containers = rows.iter().any(|(_, entry)| entry.value.container.is_some());
    let has_pods = rows.iter().any(|(_, entry)| entry.value.pod.is_some());
    let columns = columns(area.width, has_containers, has_pods);
    heading(&columns, title(state.by_destination.by)).render(area, buffer);
    let room = usize::from(area.height.saturating_sub(1));
    let cursor = state.cursor_in(rows);
    for (n, y) in window(cursor, rows.len(), room).zip(area.y + 1..area.bottom()) {
        let Some((lane, entry)) = rows.get(n) else { continue };
        let row = Rect { y, height: 1, ..area };
        line(&columns, cells(state, lane, entry, (area.width, columns[1].width)))
            .render(row, buffer);
        if n == cursor {
            buffer.set_style(row, CURSOR);
        }
    }
}

fn cells(
    state: &State,
    lane: &LaneKey,
    entry: &Entry<Row>,
    (width, room): (u16, u16),
) -> Vec<Cell> {
    let (seen, row) = (state.seen(), &entry.value);
    let mark = seen.marks.of(entry.serial);
    let letter = Cell::styled(Marks::letter(mark).to_string(), STRONG.fg(colour(mark)));
    let destination = cut_middle(&safe(&name(lane)), usize::from(room));
    let failed_style = if row.failures > 0 { ALARM } else { Style::new() };
    let count = words::at_least(entry.count, entry.complete);
    let cells = [
        letter,
        destination.into(),
        known(row.rate, figures::mean).into(),
        count.into(),
        Cell::styled(figures::count(row.failures), failed_style),
        in_use(seen.in_use(lane)),
        known(row.step(), |step| format!("{step:+}")).into(),
        known(row.tried, figures::mean).into(),
        known(row.latency_ns, figures::micros).into(),
        known(row.said.as_deref(), |said| words::word(&said.verdict).to_owned()).into(),
        safe(&user(row.pid, row.comm.as_ref())).into(),
        safe(&known(row.container.as_deref(), str::to_owned)).into(),
        safe(&known(row.pod.as_deref(), str::to_owned)).into(),
    ];
    shown(&COLUMNS, width, cells)
}

/// Returns the share of its range that a destination has in use, with the mark that it exceeds: `½`
/// the half mark, `!` all.
pub(super) fn in_use(in_use: Option<InUse>) -> Cell {
    let Some(in_use) = in_use else { return UNKNOWN.to_owned().into() };
    let percent = in_use.percent().min(100);
    match in_use.mark() {
        Mark::Below => format!("{percent}%").into(),
        Mark::Half => Cell::styled(format!("{percent}%½"), STRONG),
        Mark::Full => Cell::styled(format!("{percent}%!"), ALARM),
    }
}
