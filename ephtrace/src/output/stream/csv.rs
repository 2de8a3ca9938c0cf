//! CSV: a header, then a row for each assignment, in the order of the columns; unknown values are
//! empty.

use std::{borrow::Cow, io};

use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};

use super::{
    lines::{Lines, Target},
    value_writer::ValueWriter,
};
use crate::output::{
    escape::{escape_for_terminal, is_unsafe},
    notices::Notices,
    sink::Sink,
};
use crate::{
    analyse::summary::Summary,
    model::{
        Assignment,
        columns::{COLUMNS, Value},
        losses::Losses,
    },
};

/// Writes assignments as rows. Losses and the summary are not rows: they go to the notices.
pub struct CsvSink<T> {
    lines: Lines<T>,
    notices: Notices,
    value_writer: ValueWriter,
    rows: Rows,
    has_header: bool,
    is_raw: bool,
}

impl<T: Target> CsvSink<T> {
    /// Creates a sink without any row.
    pub fn new(output: T, notices: Notices) -> Self {
        let rows = WriterBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Self {
            lines: Lines::new(output),
            notices,
            value_writer: ValueWriter::default(),
            rows: Rows(rows),
            has_header: false,
            is_raw: false,
        }
    }

    /// Leaves text unchanged, whatever it does to a terminal or a spreadsheet.
    #[must_use]
    pub fn raw(self, is_raw: bool) -> Self {
        Self { is_raw, ..self }
    }

    /// Returns the target of the rows.
    pub fn target(&self) -> &T {
        self.lines.target()
    }

    fn header(&mut self) -> io::Result<()> {
        if self.has_header {
            return Ok(());
        }
        self.has_header = true;
        let Self { lines, rows, .. } = self;
        let out = lines.line();
        for (nth, column) in COLUMNS.into_iter().enumerate() {
            rows.separate(out, nth);
            rows.field(out, column.name);
        }
        rows.end(out);
        lines.end_line()
    }
}

/// Returns `text` made safe for a terminal and a spreadsheet: control characters and direction
/// marks are escaped, and an apostrophe is put before a possible formula.
fn guarded(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    if !is_formula && !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mark = if is_formula { "'" } else { "" };
    Cow::Owned(format!("{mark}{}", escape_for_terminal(text)))
}

/// Writes rows field by field; `csv_core` adds the necessary quotes.
struct Rows(Writer);

impl Rows {
    /// Room for a comma or an end of line, and for the quote before it.
    const MARKS: usize = 8;

    /// Appends the comma before every field but the first.
    fn separate(&mut self, out: &mut Vec<u8>, nth: usize) {
        if nth > 0 {
            let mut marks = [0; Self::MARKS];
            let (_, written) = self.0.delimiter(&mut marks);
            out.extend_from_slice(&marks[..written]);
        }
    }

    /// Appends `text`, in quotes if necessary.
    fn field(&mut self, out: &mut Vec<u8>, text: &str) {
        let mut rest = text.as_bytes();
        let mut part = [0; 128];
        loop {
            let (result, read, written) = self.0.field(rest, &mut part);
            out.extend_from_slice(&part[..written]);
            rest = &rest[read..];
            if result == WriteResult::InputEmpty {
                return;
            }
        }
    }

    /// Appends the end of the row.
    fn end(&mut self, out: &mut Vec<u8>) {
        let mut marks = [0; Self::MARKS];
        let (_, written) = self.0.terminator(&mut marks);
        out.extend_from_slice(&marks[..written]);
    }
}

impl<T: Target> Sink for CsvSink<T> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.header()?;
        let Self { lines, value_writer, rows, is_raw, .. } = self;
        let out = lines.line();
        for (nth, column) in COLUMNS.into_iter().enumerate() {
            rows.separate(out, nth);
            match (column.value)(assignment) {
                // Only text from outside may need quotes.
                Value::Str(text) if *is_raw => rows.field(out, text),
                Value::Str(text) => rows.field(out, &guarded(text)),
                value => {
                    value_writer.write(out, value);
                    value_writer.flush(out);
                }
            }
        }
        rows.end(out);
        lines.end_line()
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
        self.header()?;
        self.lines.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.lines.finish()
    }
}
