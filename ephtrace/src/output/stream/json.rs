//! NDJSON: one object per line, always with all keys, in the order of the columns.

use std::io;

use serde::{Serialize, Serializer};

use super::{
    kept::Kept,
    lines::{Lines, Target},
    value_writer::{Short, ValueWriter},
};
use crate::output::{
    escape::write_json,
    kind::{Kind, write_object},
    notices::{Loss, Notices},
    sink::Sink,
    stuck::unread,
};
use crate::{
    analyse::summary::Summary,
    model::{
        Assignment,
        columns::{self, COLUMNS, Column, Value},
        losses::Losses,
    },
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Begins with a line `{"type":"stream",…}`, which names the version of the schema. Then writes
/// each assignment as a line `{"type":"assignment",…}`, each loss as `{"type":"loss",…}`, and the
/// summary, unless it is quiet, as `{"type":"summary",…}`.
pub struct JsonSink<T> {
    lines: Lines<T>,
    notices: Notices,
    value_writer: ValueWriter,
    parts: Vec<Part>,
}

/// Adjacent columns.
struct Part {
    fields: Vec<Field>,
    /// Their text, if they mostly repeat the previous line.
    kept: Option<Box<Kept>>,
}

/// A column with the text before its value: `,"name":`.
struct Field {
    lead: Short,
    value: fn(&Assignment) -> Value<'_>,
}

impl<T: Target> JsonSink<T> {
    /// Creates a sink with the first line only.
    pub fn new(output: T, notices: Notices) -> Self {
        let mut lines = Lines::new(output);
        // Writing to memory can't fail.
        let ends_with_summary = !notices.is_quiet();
        let begin = Begin { version: VERSION, ends_with_summary, empty: Empty };
        let _ = write_object(lines.line(), Kind::Stream, &begin);
        let _ = lines.end_line();
        Self { lines, notices, value_writer: ValueWriter::default(), parts: parts() }
    }

    /// Returns the target of the lines.
    pub fn target(&self) -> &T {
        self.lines.target()
    }

    fn time(&mut self, ts_ns: u64) -> String {
        let mut text = Vec::new();
        self.value_writer.write(&mut text, Value::Time(ts_ns));
        self.value_writer.flush(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Field {
    fn new(column: Column) -> Self {
        Self { lead: Short::new(&format!(",\"{}\":", column.name)), value: column.value }
    }
}

/// Returns all columns, in their order.
fn parts() -> Vec<Part> {
    let part = |columns: &[Column], kept| Part {
        fields: columns.iter().copied().map(Field::new).collect(),
        kept,
    };
    let mut parts = Vec::new();
    let mut next = 0;
    for kept in Kept::all() {
        let (first, last) = kept.indices().into_inner();
        parts.push(part(&COLUMNS[next..first], None));
        parts.push(part(&COLUMNS[first..=last], Some(Box::new(kept))));
        next = last + 1;
    }
    parts.push(part(&COLUMNS[next..], None));
    parts
}

/// First line of a stream.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Begin {
    /// Version of ephtrace.
    version: &'static str,
    /// Whether the last line will be a summary (not with `-q`): a stream without it is truncated.
    ends_with_summary: bool,
    #[serde(flatten)]
    #[cfg_attr(test, schemars(skip))]
    empty: Empty,
}

/// An empty value (0, false, "") of each column that may be null. Readers that infer types from the
/// first lines alone, such as that of Polars, would otherwise infer a column of nulls.
struct Empty;

impl Serialize for Empty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let optional = COLUMNS.iter().filter(|column| column.is_optional);
        serializer.collect_map(optional.map(|column| (column.name, empty(column))))
    }
}

/// Returns the empty value of a column's type.
pub(crate) fn empty(column: &Column) -> serde_json::Value {
    match column.kind {
        columns::Kind::Unsigned(_) | columns::Kind::Signed => 0.into(),
        columns::Kind::Bool => false.into(),
        columns::Kind::Text
        | columns::Kind::Address
        | columns::Kind::Time
        | columns::Kind::Words(_) => "".into(),
    }
}

/// Lost events.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LossLine {
    /// Time when it was noticed, RFC 3339.
    ts: String,
    /// Time when it was noticed, in nanoseconds since the Unix epoch.
    ts_ns: u64,
    /// Stage that lost them: a key of `losses`.
    stage: &'static str,
    /// Lost since the previous line of this stage.
    lost: u64,
    /// Lost since the start.
    total: u64,
}

/// The summary, and its time.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SummaryLine<'a> {
    /// The end of the run, RFC 3339.
    ts: String,
    /// The end of the run, in nanoseconds since the Unix epoch.
    ts_ns: u64,
    #[serde(flatten)]
    summary: &'a Summary,
}

impl<T: Target> Sink for JsonSink<T> {
    fn event(&mut self, assignment: &Assignment) -> io::Result<()> {
        let Self { lines, value_writer, parts, .. } = self;
        let out = lines.line();
        out.extend_from_slice(br#"{"type":"assignment""#);
        for Part { fields, kept } in parts {
            match kept {
                None => write_fields(fields, assignment, value_writer, out),
                Some(kept) => {
                    let write = |text: &mut Vec<u8>| {
                        write_fields(fields, assignment, value_writer, text);
                    };
                    out.extend_from_slice(kept.text(assignment, write));
                }
            }
        }
        out.extend_from_slice(b"}\n");
        lines.end_line()
    }

    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()> {
        for Loss { stage, lost, total } in self.notices.losses(losses) {
            let ts = self.time(ts_ns);
            let loss = LossLine { ts, ts_ns, stage, lost, total };
            write_object(self.lines.line(), Kind::Loss, &loss)?;
            self.lines.end_line()?;
        }
        Ok(())
    }

    fn summary(&mut self, ts_ns: u64, summary: &Summary) -> io::Result<()> {
        if self.notices.is_quiet() {
            return Ok(());
        }
        let ts = self.time(ts_ns);
        write_object(self.lines.line(), Kind::Summary, &SummaryLine { ts, ts_ns, summary })?;
        self.lines.end_line()?;
        self.lines.flush()?;
        if unread().is_some() {
            self.notices.summary(summary);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.lines.finish()
    }
}

fn write_fields(
    fields: &[Field],
    assignment: &Assignment,
    value_writer: &mut ValueWriter,
    out: &mut Vec<u8>,
) {
    for Field { lead, value } in fields {
        value_writer.make_room(out);
        value_writer.short(lead);
        write(out, value_writer, value(assignment));
    }
    value_writer.flush(out);
}

fn write(out: &mut Vec<u8>, value_writer: &mut ValueWriter, value: Value<'_>) {
    match value {
        Value::Null => value_writer.text(out, "null"),
        Value::U64(n) => value_writer.integer(n),
        Value::I64(_) | Value::Bool(_) => value_writer.write(out, value),
        Value::Str(text) if text.bytes().any(needs_escape) => {
            value_writer.flush(out);
            // Writing to memory can't fail, and a string can always be serialized.
            let _ = write_json(out, &text);
        }
        Value::Str(_) | Value::Name(_) | Value::Ip(_) | Value::Time(_) => {
            value_writer.byte(b'"');
            value_writer.write(out, value);
            value_writer.byte(b'"');
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\'
}
