//! The table of processes.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget as _};

use super::{
    figures::{self, known},
    grid::{CONTAINER, CONTAINER_WIDTH, Cell, Column, POD, POD_WIDTH, heading, line, shown},
    style::{ALARM, CURSOR, safe},
};
use crate::{
    analyse::{
        pattern::{Algorithm, Pattern, Verdict, percent},
        summary::ProcessSummary,
    },
    output::summary::words,
    tui::{
        sort::ByProcess,
        state::{State, window},
    },
};

/// Returns the heading of a column.
pub(super) fn title(by: ByProcess) -> &'static str {
    match by {
        ByProcess::Pid => "PID",
        ByProcess::Name => "COMM",
        ByProcess::Rate => "RATE/s",
        ByProcess::Count => "COUNT",
        ByProcess::Failed => "FAILED",
        ByProcess::Verdict => "VERDICT",
    }
}

/// Least width at which all columns fit.
const WITH_CONFIDENCE: u16 = 88;

pub(super) fn draw(area: Rect, buffer: &mut Buffer, state: &State) {
    let mut columns = vec![
        Column::right("PID", 8),
        Column::left("COMM", 16),
        Column::right("RATE/s", 6),
        Column::right("COUNT", 8).from(66),
        Column::right("FAILED", 6),
        Column::left("VERDICT", 15).from(56),
    ];
    let processes = state.processes();
    let has_containers = processes.iter().any(|one| one.container.is_some());
    // If only one of both fits, the container is more useful: it tells which of two equal processes
    // it is.
    let has_confidence = !has_containers || area.width >= WITH_CONFIDENCE;
    if has_confidence {
        columns.push(Column::left("CONFIDENCE", 10).from(75));
    }
    if has_containers {
        columns.push(Column::left(CONTAINER, CONTAINER_WIDTH).from(77));
    }
    if processes.iter().any(|one| one.pod.is_some()) {
        columns.push(Column::left(POD, POD_WIDTH).from(112));
    }
    let kept = shown(&columns, area.width, columns.iter().copied());
    heading(&kept, title(state.by_process.by)).render(area, buffer);
    let cursor = state.cursor_of(processes.len());
    let room = usize::from(area.height.saturating_sub(1));
    for (n, y) in window(cursor, processes.len(), room).zip(area.y + 1..area.bottom()) {
        let Some(one) = processes.get(n) else { continue };
        let row = Rect { y, height: 1, ..area };
        let cells = cells(state, one, has_confidence);
        line(&kept, shown(&columns, area.width, cells)).render(row, buffer);
        if n == cursor {
            buffer.set_style(row, CURSOR);
        }
    }
}

/// Returns the confidence of the word; without a word, returns the sign for unknown.
fn confidence(verdict: &Verdict) -> String {
    match (verdict.algorithm, verdict.pattern) {
        (Algorithm::Undetermined, Pattern::Undetermined) => figures::UNKNOWN.to_owned(),
        (Algorithm::Undetermined, _) => percent(verdict.pattern_confidence),
        _ => percent(verdict.algorithm_confidence),
    }
}

fn cells(state: &State, one: &ProcessSummary, has_confidence: bool) -> Vec<Cell> {
    let failed_style = if one.failures > 0 { ALARM } else { Style::new() };
    let mut cells = vec![
        known(one.pid, |pid| pid.to_string()).into(),
        safe(known(one.comm.as_deref(), str::to_owned).as_str()).into(),
        known(state.process_rate(one), figures::mean).into(),
        words::at_least(one.assignments, one.complete).into(),
        Cell::styled(figures::count(one.failures), failed_style),
        words::word(&one.verdict).to_owned().into(),
    ];
    cells.extend(has_confidence.then(|| confidence(&one.verdict).into()));
    let container = one.container_name.as_deref().or(one.container.as_deref());
    cells.push(safe(&known(container, str::to_owned)).into());
    let pod = one.pod.as_deref().map(|pod| match one.pod_namespace.as_deref() {
        Some(namespace) => format!("{namespace}/{pod}"),
        None => pod.to_owned(),
    });
    cells.push(safe(&known(pod.as_deref(), str::to_owned)).into());
    cells
}
