//! The table of destinations.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget as _};

use super::{
    figures::{self, UNKNOWN, cut_middle, known},
    grid::{CONTAINER, CONTAINER_WIDTH, Cell, Column, heading, line},
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

/// From this width on there is a column for the count.
const WITH_COUNT: u16 = 100;

/// From this width on there is one for the last process.
const WITH_PROCESS: u16 = 110;

/// From this width on there is one for the container, where there is any.
const WITH_CONTAINER: u16 = 124;

/// Room for number and name of a process.
const PROCESS: u16 = 18;

/// The heading of a column.
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

fn columns(width: u16, has_containers: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::left("", 1),
        Column::left("DESTINATION", 0),
        Column::right("RATE/s", 6),
        Column::right("FAILED", 6),
        Column::right("USE", 5),
        Column::right("STEP", 6),
        Column::right("TRIED", 5),
        Column::right("LAT(us)", 7),
        Column::left("VERDICT", 15),
    ];
    if width >= WITH_COUNT {
        columns.insert(3, Column::right("COUNT", 8));
    }
    if width >= WITH_PROCESS {
        columns.push(Column::left("LAST PROCESS", PROCESS));
    }
    if has_containers && width >= WITH_CONTAINER {
        columns.push(Column::left(CONTAINER, CONTAINER_WIDTH));
    }
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
    let columns = columns(area.width, has_containers);
    heading(&columns, title(state.by_destination.by)).render(area, buffer);
    let room = usize::from(area.height.saturating_sub(1));
    let cursor = state.cursor_in(rows);
    let shown = window(cursor, rows.len(), room);
    for (n, y) in shown.zip(area.y + 1..area.bottom()) {
        let Some((lane, entry)) = rows.get(n) else { continue };
        let row = Rect { y, height: 1, ..area };
        line(&columns, cells(state, lane, entry, &columns)).render(row, buffer);
        if n == cursor {
            buffer.set_style(row, CURSOR);
        }
    }
}

fn cells(state: &State, lane: &LaneKey, entry: &Entry<Row>, columns: &[Column]) -> Vec<Cell> {
    let (seen, row) = (state.seen(), &entry.value);
    let mark = seen.marks.of(entry.serial);
    let letter = Cell::styled(Marks::letter(mark).to_string(), STRONG.fg(colour(mark)));
    let destination = cut_middle(&safe(&name(lane)), usize::from(columns[1].width));
    let failed_style = if row.failures > 0 { ALARM } else { Style::new() };
    let mut cells = vec![
        letter,
        destination.into(),
        known(row.rate, figures::mean).into(),
        Cell::styled(figures::count(row.failures), failed_style),
        in_use(seen.in_use(lane)),
        known(row.step(), |step| format!("{step:+}")).into(),
        known(row.tried, figures::mean).into(),
        known(row.latency_ns, figures::micros).into(),
        known(row.said.as_deref(), |said| words::word(&said.verdict).to_owned()).into(),
    ];
    if columns.iter().any(|column| column.title == "COUNT") {
        cells.insert(3, words::at_least(entry.count, entry.complete).into());
    }
    cells.push(safe(&user(row.pid, row.comm.as_ref())).into());
    cells.push(safe(&known(row.container.as_deref(), str::to_owned)).into());
    cells
}

/// How much of its range a destination has in use, and what that is past: `½` the half mark, `!`
/// all.
pub(super) fn in_use(in_use: Option<InUse>) -> Cell {
    let Some(in_use) = in_use else { return UNKNOWN.to_owned().into() };
    let percent = in_use.percent().min(100);
    match in_use.mark() {
        Mark::Below => format!("{percent}%").into(),
        Mark::Half => Cell::styled(format!("{percent}%½"), STRONG),
        Mark::Full => Cell::styled(format!("{percent}%!"), ALARM),
    }
}
