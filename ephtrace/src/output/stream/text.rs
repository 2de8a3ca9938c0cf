//! A table for people: one line for each assignment, `-` for unknown.
//!
//! Columns are as wide as IPv4 needs. The first longer value widens its column from there on, under
//! a new header, so that the columns stay aligned with IPv6, too. On a terminal that is too narrow,
//! columns are dropped in a fixed order.

use std::{
    io::{self, Write as _},
    net::IpAddr,
};

use jiff::tz::TimeZone;

use super::{
    cell_writer::CellWriter,
    explain::explain,
    lines::{Lines, Target},
};
use crate::output::{
    notices::Notices, paper::Paper, sink::Sink, view::View, width::width_of_bytes,
};
use crate::{
    analyse::summary::Summary,
    model::{
        Assignment,
        columns::{self, Column, Value},
        losses::Losses,
    },
};

/// Widths of address columns: IPv4, a link-local IPv6 address, any IPv6 address.
const ADDRESS_WIDTHS: [usize; 3] = [15, 25, 39];

/// Columns that are dropped on a terminal that is too narrow, in this order.
const DROPPED: [&str; 9] = [
    columns::FAMILY.name,
    columns::ORIGIN.name,
    columns::SADDR.name,
    columns::POD.name,
    columns::TRIED.name,
    columns::STEP.name,
    columns::CONTAINER.name,
    columns::LATENCY_NS.name,
    columns::PID.name,
];

/// Columns that the longest name of a frequent error takes: room for it is kept from the start, for
/// a failure must not change the columns in the middle of the table.
const ERROR_WIDTH: usize = "EADDRNOTAVAIL".len();

/// Separator before the rest of a line that still does not fit.
const NEXT_LINE: &[u8] = b"\n    ";

/// Writes assignments as lines of a table. Losses and the summary go to the notices.
pub struct TextSink<T> {
    lines: Lines<T>,
    notices: Notices,
    cells: Vec<Cell>,
    /// Columns that appear with their first value.
    later: Vec<Cell>,
    writer: CellWriter,
    needs_header: bool,
    explains: bool,
    paper: Paper,
}

/// One column of the table, and its text in the current line.
struct Cell {
    column: Column,
    width: usize,
    kind: Kind,
    text: Vec<u8>,
    /// Columns of a terminal that the text takes.
    columns: usize,
    /// The value that the text was made of: neighbours have most of theirs in common.
    seen: Seen,
}

/// A value of the previous line.
#[derive(Default)]
enum Seen {
    /// One that has changed, or changes nearly always.
    #[default]
    Other,
    Number(u64),
    Ip(IpAddr),
    /// That of [`Cell::text`], which shows it as it is.
    Text,
}

impl Cell {
    fn new(column: Column, width: usize, kind: Kind) -> Self {
        Self { column, width, kind, text: Vec::new(), columns: 0, seen: Seen::default() }
    }

    /// Returns whether the text is that of `value` already.
    fn is(&self, value: Value<'_>) -> bool {
        match (&self.seen, value) {
            (Seen::Number(seen), Value::U64(now)) => *seen == now,
            (Seen::Ip(seen), Value::Ip(now)) => *seen == now,
            (Seen::Text, Value::Str(now) | Value::Name(now)) => self.text == now.as_bytes(),
            _ => false,
        }
    }

    /// Notes that the text shows `value`, and returns whether it is wider than the column.
    fn note(&mut self, value: Value<'_>) -> bool {
        self.seen = match value {
            Value::U64(number) => Seen::Number(number),
            Value::Ip(addr) => Seen::Ip(addr),
            // One with an escape may show the same as another.
            Value::Str(text) | Value::Name(text) if self.text == text.as_bytes() => Seen::Text,
            _ => Seen::Other,
        };
        self.columns = width_of_bytes(&self.text);
        self.columns > self.width
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Left,
    Right,
    Address,
    /// The last column, not padded.
    Open,
}

impl<T: Target> TextSink<T> {
    /// Creates a sink without any line. `started_ns`, in nanoseconds since the Unix epoch, is the
    /// zero of TIME(s).
    pub fn new(view: &View, started_ns: u64, output: T, notices: Notices) -> Self {
        let writer = CellWriter::new(started_ns);
        let cells = layout(*view);
        Self {
            lines: Lines::new(output),
            notices,
            cells,
            later: later(),
            writer,
            needs_header: true,
            explains: view.explain,
            paper: Paper::default(),
        }
    }

    /// Uses wall-clock times of another zone than the system's.
    #[must_use]
    pub fn with_zone(mut self, zone: TimeZone) -> Self {
        self.writer.zone = zone;
        self
    }

    /// Fits lines to this medium: if it is too narrow, columns are dropped, and the rest is broken.
    #[must_use]
    pub fn on(mut self, paper: Paper) -> Self {
        self.paper = paper;
        if paper.columns.is_some() {
            let open = self.cells.iter_mut().filter(|cell| cell.kind == Kind::Open);
            open.for_each(|cell| cell.width = ERROR_WIDTH);
        }
        self.drop_columns();
        self
    }

    /// Returns the target of the lines.
    pub fn target(&self) -> &T {
        self.lines.target()
    }

    fn header(&mut self) -> io::Result<()> {
        self.needs_header = false;
        let of = |cell: &Cell| cell.column.header.len();
        self.line(false, |cell| (cell.column.header.as_bytes(), of(cell)))
    }

    /// Writes a text of each cell, which takes so many columns, as a line.
    fn line(
        &mut self,
        has_failed: bool,
        text_of: impl Fn(&Cell) -> (&[u8], usize),
    ) -> io::Result<()> {
        let out = self.lines.line();
        let mut taken = 0;
        for (n, cell) in self.cells.iter().enumerate() {
            let (is_first, (text, columns)) = (n == 0, text_of(cell));
            let padding = cell.width.saturating_sub(columns);
            let columns = columns + padding;
            if !is_first && !self.paper.holds(taken + 1 + columns) {
                out.truncate(out.trim_ascii_end().len());
                out.extend_from_slice(NEXT_LINE);
                taken = NEXT_LINE.len() - 1;
            } else if !is_first {
                out.push(b' ');
                taken += 1;
            }
            taken += columns;
            let (before, after) = match cell.kind {
                Kind::Left | Kind::Address => (0, padding),
                Kind::Right => (padding, 0),
                Kind::Open => (0, 0),
            };
            pad(out, before);
            if cell.kind == Kind::Open && has_failed {
                let _ = write!(out, "{}", self.paper.failed(String::from_utf8_lossy(text)));
            } else {
                out.extend_from_slice(text);
            }
            pad(out, after);
        }
        out.push(b'\n');
        self.lines.end_line()
    }

    /// Adds the columns that have their first value in `assignment`, behind the process.
    fn appear(&mut self, assignment: &Assignment) {
        let is_due = |cell: &mut Cell| has_value(&cell.column, assignment);
        let due: Vec<Cell> = self.later.extract_if(.., is_due).collect();
        if due.is_empty() {
            return;
        }
        let behind = [columns::CONTAINER.name, columns::COMM.name];
        for cell in due {
            let place = |name| self.cells.iter().position(|other| other.column.name == name);
            let place = behind.into_iter().find_map(place).map_or(0, |place| place + 1);
            self.cells.insert(place, cell);
        }
        self.needs_header = true;
        self.drop_columns();
    }

    /// Widens columns to their values; both columns of addresses together.
    fn widen(&mut self) {
        let mut widest_address = 0;
        for Cell { width, kind, columns, .. } in &mut self.cells {
            match kind {
                Kind::Address => widest_address = widest_address.max(*columns),
                Kind::Left | Kind::Right if *columns > *width => {
                    *width = *columns;
                    self.needs_header = true;
                }
                Kind::Open if self.paper.columns.is_some() => *width = (*width).max(*columns),
                Kind::Left | Kind::Right | Kind::Open => {}
            }
        }
        let fits = |width: &usize| *width >= widest_address;
        let address_width = ADDRESS_WIDTHS.into_iter().find(fits).unwrap_or(widest_address);
        for cell in self.cells.iter_mut().filter(|cell| cell.kind == Kind::Address) {
            if cell.width < address_width {
                cell.width = address_width;
                self.needs_header = true;
            }
        }
        self.drop_columns();
    }

    /// Drops columns in the order of [`DROPPED`] until a line fits.
    fn drop_columns(&mut self) {
        let columns = |cells: &[Cell]| cells.iter().map(|cell| cell.width + 1).sum::<usize>() - 1;
        while !self.paper.holds(columns(&self.cells)) {
            let place = |name| self.cells.iter().position(|cell| cell.column.name == name);
            let Some(place) = DROPPED.into_iter().find_map(place) else { return };
            self.cells.remove(place);
            self.needs_header = true;
        }
    }
}

/// Returns the columns that most hosts have no values for.
fn later() -> Vec<Cell> {
    let cell = |(column, width)| Cell::new(column, width, Kind::Left);
    [(columns::CONTAINER, 12), (columns::POD, 16)].map(cell).into()
}

/// Returns whether a column of [`later`] has a value.
fn has_value(column: &Column, assignment: &Assignment) -> bool {
    (column.value)(assignment) != Value::Null
}

fn layout(view: View) -> Vec<Cell> {
    let address = if view.wide { ADDRESS_WIDTHS[2] } else { ADDRESS_WIDTHS[0] };
    let all = [
        (view.since_start, columns::TS_NS, 11, Kind::Left),
        (view.wall_clock, columns::TS, 15, Kind::Left),
        (view.uid, columns::UID, 5, Kind::Left),
        (true, columns::PID, 7, Kind::Left),
        (true, columns::COMM, 15, Kind::Left),
        (true, columns::ORIGIN, 7, Kind::Left),
        (true, columns::FAMILY, 2, Kind::Left),
        (true, columns::SADDR, address, Kind::Address),
        (true, columns::SPORT, 5, Kind::Left),
        (true, columns::DADDR, address, Kind::Address),
        (true, columns::DPORT, 5, Kind::Left),
        (true, columns::STEP, 6, Kind::Right),
        (true, columns::TRIED, 5, Kind::Right),
        (true, columns::LATENCY_NS, 8, Kind::Right),
        (true, columns::ERRNO, 3, Kind::Open),
    ];
    let wanted = all.into_iter().filter(|(wanted, ..)| *wanted);
    wanted.map(|(_, column, width, kind)| Cell::new(column, width, kind)).collect()
}

/// Appends spaces; most columns need a few.
fn pad(out: &mut Vec<u8>, count: usize) {
    const SPACES: [u8; 16] = [b' '; 16];
    match SPACES.get(..count) {
        Some(spaces) => out.extend_from_slice(spaces),
        None => out.resize(out.len() + count, b' '),
    }
}

impl<T: Target> Sink for TextSink<T> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.appear(assignment);
        let mut is_wider = false;
        for cell in &mut self.cells {
            let pod;
            let value = match cell.column.name {
                // The name in place of the id, and a pod with its namespace.
                name if name == columns::CONTAINER.name => {
                    assignment.container_label().map_or(Value::Null, |label| Value::Str(label))
                }
                name if name == columns::POD.name => {
                    pod = assignment.full_pod();
                    pod.as_deref().map_or(Value::Null, Value::Str)
                }
                _ => (cell.column.value)(assignment),
            };
            if !cell.is(value) {
                cell.text.clear();
                self.writer.write(&mut cell.text, cell.column.unit, value);
                is_wider |= cell.note(value);
            }
        }
        if let Some(last) = self.cells.last_mut().filter(|_| assignment.is_self_connect()) {
            last.text.extend_from_slice(b" self-connect");
            is_wider |= last.note(Value::Null);
        }
        if is_wider {
            self.widen();
        }
        if self.needs_header {
            self.header()?;
        }
        let has_failed = assignment.errno.is_some_and(|errno| errno != 0);
        self.line(has_failed, |cell| (&cell.text, cell.columns))?;
        if self.explains {
            let mut sentence = b"    ".to_vec();
            explain(&mut sentence, assignment);
            sentence.push(b'\n');
            self.lines.line().extend(self.paper.fit(&sentence));
            self.lines.end_line()?;
        }
        Ok(())
    }

    fn losses(&mut self, _ts_ns: u64, losses: &Losses) -> io::Result<()> {
        self.notices.losses(losses);
        Ok(())
    }

    fn summary(&mut self, _ts_ns: u64, summary: &Summary) -> io::Result<()> {
        self.notices.summary(summary);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.needs_header {
            self.header()?;
        }
        self.lines.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.lines.finish()
    }
}
