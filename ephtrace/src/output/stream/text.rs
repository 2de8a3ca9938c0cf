//! A table for people: one line for each assignment, `-` for unknown.
//!
//! Columns are as wide as IPv4 needs. The first longer value widens its column from there on, under
//! a new header, so that the columns stay aligned with IPv6, too. On a terminal that is too narrow,
//! columns are dropped in a fixed order.

use std::io::{self, Write as _};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    explain::explain,
    lines::{Lines, Target},
    value_writer::{Second, ValueWriter, split},
};
use crate::output::{
    escape::printable, notices::Notices, paper::Paper, sink::Sink, view::View,
    width::width_of_bytes,
};
use crate::{
    analyse::summary::Summary,
    model::{
        Assignment,
        columns::{self, Column, Unit, Value},
        errno_name,
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
    /// True if the current line is one of a failure.
    has_failed: bool,
}

/// One column of the table, and its text in the current line.
struct Cell {
    column: Column,
    width: usize,
    kind: Kind,
    text: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Left,
    Right,
    Address,
    /// The last column, not padded.
    Open,
}

struct CellWriter {
    value_writer: ValueWriter,
    started_ns: u64,
    zone: TimeZone,
    wall: Second,
}

impl<T: Target> TextSink<T> {
    /// Creates a sink without any line. `started_ns`, in nanoseconds since the Unix epoch, is the
    /// zero of TIME(s).
    pub fn new(view: &View, started_ns: u64, output: T, notices: Notices) -> Self {
        let writer = CellWriter {
            value_writer: ValueWriter::default(),
            started_ns,
            zone: TimeZone::system(),
            wall: Second::default(),
        };
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
            has_failed: false,
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
        for cell in &mut self.cells {
            cell.text.clear();
            cell.text.extend_from_slice(cell.column.header.as_bytes());
        }
        self.needs_header = false;
        self.line()
    }

    /// Writes the texts of the cells as a line.
    fn line(&mut self) -> io::Result<()> {
        let out = self.lines.line();
        let mut taken = 0;
        for (n, Cell { width, kind, text, .. }) in self.cells.iter().enumerate() {
            let is_first = n == 0;
            let columns = *width.max(&width_of_bytes(text));
            if !is_first && !self.paper.holds(taken + 1 + columns) {
                out.truncate(out.trim_ascii_end().len());
                out.extend_from_slice(NEXT_LINE);
                taken = NEXT_LINE.len() - 1;
            } else if !is_first {
                out.push(b' ');
                taken += 1;
            }
            taken += columns;
            let padding = width.saturating_sub(width_of_bytes(text));
            let (before, after) = match kind {
                Kind::Left | Kind::Address => (0, padding),
                Kind::Right => (padding, 0),
                Kind::Open => (0, 0),
            };
            out.resize(out.len() + before, b' ');
            if *kind == Kind::Open && self.has_failed {
                let _ = write!(out, "{}", self.paper.failed(String::from_utf8_lossy(text)));
            } else {
                out.extend_from_slice(text);
            }
            out.resize(out.len() + after, b' ');
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
        for Cell { width, kind, text, .. } in &mut self.cells {
            match kind {
                Kind::Address => widest_address = widest_address.max(text.len()),
                Kind::Left | Kind::Right if width_of_bytes(text) > *width => {
                    *width = width_of_bytes(text);
                    self.needs_header = true;
                }
                Kind::Open if self.paper.columns.is_some() => {
                    *width = (*width).max(width_of_bytes(text));
                }
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
    let cell = |(column, width)| Cell { column, width, kind: Kind::Left, text: Vec::new() };
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
    wanted.map(|(_, column, width, kind)| Cell { column, width, kind, text: Vec::new() }).collect()
}

impl CellWriter {
    /// Writes the value of a column: the name of a container in place of its id, a pod with its
    /// namespace.
    fn cell(&mut self, out: &mut Vec<u8>, column: &Column, assignment: &Assignment) {
        let pod;
        let value = match column.name {
            name if name == columns::CONTAINER.name => {
                assignment.container_label().map_or(Value::Null, |label| Value::Str(label))
            }
            name if name == columns::POD.name => {
                pod = assignment.full_pod();
                pod.as_deref().map_or(Value::Null, Value::Str)
            }
            _ => (column.value)(assignment),
        };
        self.write(out, column.unit, value);
    }

    fn write(&mut self, out: &mut Vec<u8>, unit: Unit, value: Value<'_>) {
        match (unit, value) {
            (_, Value::Null) => out.push(b'-'),
            (_, Value::Str(text)) => printable(out, text),
            (_, Value::Time(ns)) => self.wall_clock(out, ns),
            (Unit::UnixNs, Value::U64(ns)) => {
                let (seconds, ns) = split(ns.saturating_sub(self.started_ns));
                let _ = write!(out, "{seconds}.{:06}", ns / 1000);
            }
            (Unit::Ns, Value::U64(ns)) => {
                let tenths = (ns + 50) / 100;
                let _ = write!(out, "{}.{}", tenths / 10, tenths % 10);
            }
            (Unit::Errno, Value::U64(errno)) => {
                match u16::try_from(errno).ok().and_then(errno_name) {
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => self.bare(out, value),
                }
            }
            _ => self.bare(out, value),
        }
    }

    fn bare(&mut self, out: &mut Vec<u8>, value: Value<'_>) {
        self.value_writer.write(out, value);
        self.value_writer.flush(out);
    }

    fn wall_clock(&mut self, out: &mut Vec<u8>, unix_ns: u64) {
        let Self { zone, wall, .. } = self;
        let (second, ns) = split(unix_ns);
        let local = |t: Timestamp| t.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        out.extend_from_slice(wall.text(second, local));
        let _ = write!(out, ".{:06}", ns / 1000);
    }
}

impl<T: Target> Sink for TextSink<T> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.appear(assignment);
        for Cell { column, text, .. } in &mut self.cells {
            text.clear();
            self.writer.cell(text, column, assignment);
        }
        if let Some(last) = self.cells.last_mut().filter(|_| assignment.is_self_connect()) {
            last.text.extend_from_slice(b" self-connect");
        }
        self.widen();
        if self.needs_header {
            let texts: Vec<Vec<u8>> =
                self.cells.iter_mut().map(|cell| std::mem::take(&mut cell.text)).collect();
            self.header()?;
            self.cells.iter_mut().zip(texts).for_each(|(cell, text)| cell.text = text);
        }
        self.has_failed = assignment.errno.is_some_and(|errno| errno != 0);
        self.line()?;
        self.has_failed = false;
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
