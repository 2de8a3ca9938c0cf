//! The list of failed assignments.

use jiff::Timestamp;
use ratatui::{buffer::Buffer, layout::Rect, text::Line, widgets::Widget as _};

use super::{
    figures::{self, cut_middle, known},
    grid::{Cell, Column, heading, line, shown},
    style::{ALARM, CURSOR, QUIET, safe},
};
use crate::{
    model::{Comm, errno_name},
    tui::{
        failures::Failure,
        filter::title as name,
        state::{State, window},
    },
};

pub(super) fn draw(area: Rect, buffer: &mut Buffer, state: &State) {
    let failures = state.failures();
    if failures.is_empty() {
        let none = "no failures: every search found a port";
        return Line::styled(none, QUIET).render(area, buffer);
    }
    let all = [
        Column::left("TIME", 12).from(52),
        Column::right("PID", 7).from(74),
        Column::left("COMM", 11).from(64),
        Column::left("DESTINATION", 0),
        Column::left("ERROR", 13),
        Column::right("LAT(us)", 7).from(80),
    ];
    let mut columns = shown(&all, area.width, all);
    let taken: u16 = columns.iter().map(|column| column.width + 1).sum();
    let room = (area.width + 1).saturating_sub(taken);
    if let Some(destination) = columns.iter_mut().find(|column| column.width == 0) {
        destination.width = room;
    }
    heading(&columns, "").render(area, buffer);
    let cursor = state.cursor_of(failures.len());
    let lines = usize::from(area.height.saturating_sub(1));
    for (n, y) in window(cursor, failures.len(), lines).zip(area.y + 1..area.bottom()) {
        let Some(one) = failures.get(n) else { continue };
        let row = Rect { y, height: 1, ..area };
        line(&columns, shown(&all, area.width, cells(state, one, room))).render(row, buffer);
        if n == cursor {
            buffer.set_style(row, CURSOR);
        }
    }
}

fn cells(state: &State, one: &Failure, width: u16) -> Vec<Cell> {
    let error = known(one.errno, |errno| {
        errno_name(errno).map_or_else(|| format!("errno {errno}"), str::to_owned)
    });
    vec![
        time(state, one.ts_ns).into(),
        known(one.pid, |pid| pid.to_string()).into(),
        safe(known(one.comm.as_ref().map(Comm::as_str), str::to_owned).as_str()).into(),
        cut_middle(&safe(&name(&one.lane)), usize::from(width)).into(),
        Cell::styled(error, ALARM),
        known(one.latency_ns, |ns| {
            figures::micros(f64::from(u32::try_from(ns).unwrap_or(u32::MAX)))
        })
        .into(),
    ]
}

fn time(state: &State, ts_ns: u64) -> String {
    let ms = i64::try_from(ts_ns / 1_000_000).unwrap_or(0);
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.to_zoned(state.about.zone.clone()).strftime("%H:%M:%S%.3f").to_string()
}
