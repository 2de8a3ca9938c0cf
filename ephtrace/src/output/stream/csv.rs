//! CSV: a header, then a row for each assignment, in the order of the columns; unknown is empty.

use std::io;

use super::{
    lines::{Lines, Target},
    pen::Pen,
};
use crate::output::{notices::Notices, sink::Sink};
use crate::{
    analyse::summary::Summary,
    model::{Assignment, columns::COLUMNS, losses::Losses},
};

/// Writes assignments as rows. Losses and the summary are no rows: they go to the notices.
pub struct CsvSink<T> {
    lines: Lines<T>,
    notices: Notices,
    pen: Pen,
    field: Vec<u8>,
    has_header: bool,
}

impl<T: Target> CsvSink<T> {
    /// Nothing yet.
    pub fn new(output: T, notices: Notices) -> Self {
        Self {
            lines: Lines::new(output),
            notices,
            pen: Pen::default(),
            field: Vec::new(),
            has_header: false,
        }
    }

    /// What the rows are written to.
    pub fn target(&self) -> &T {
        self.lines.target()
    }

    fn header(&mut self) -> io::Result<()> {
        if self.has_header {
            return Ok(());
        }
        self.has_header = true;
        row(self.lines.line()).write_record(COLUMNS.map(|column| column.name))?;
        self.lines.end_line()
    }
}

/// A writer of one row: a row is short, so its own buffer is, too.
fn row(out: &mut Vec<u8>) -> csv::Writer<&mut Vec<u8>> {
    csv::WriterBuilder::new().buffer_capacity(1024).from_writer(out)
}

impl<T: Target> Sink for CsvSink<T> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        self.header()?;
        let Self { lines, pen, field, .. } = self;
        let mut row = row(lines.line());
        for column in COLUMNS {
            field.clear();
            pen.write(field, (column.value)(assignment));
            pen.lift(field);
            row.write_field(&field)?;
        }
        row.write_record(None::<&[u8]>)?;
        row.flush()?;
        drop(row);
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
        self.flush()
    }
}
