//! Text of a value in a table for people.

use jiff::{Timestamp, tz::TimeZone};

use super::value_writer::{Second, ValueWriter, split};
use crate::{
    model::{
        columns::{Unit, Value},
        errno_name,
    },
    output::escape::printable,
};

/// Writes values as people read them.
pub(super) struct CellWriter {
    value_writer: ValueWriter,
    started_ns: u64,
    pub(super) zone: TimeZone,
    wall: Second,
}

impl CellWriter {
    /// Creates a writer; `started_ns`, in nanoseconds since the Unix epoch, is the zero of TIME(s).
    pub(super) fn new(started_ns: u64) -> Self {
        Self {
            value_writer: ValueWriter::default(),
            started_ns,
            zone: TimeZone::system(),
            wall: Second::default(),
        }
    }

    /// Appends the text of `value`, `-` if it is not known.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, unit: Unit, value: Value<'_>) {
        match (unit, value) {
            (_, Value::Null) => out.push(b'-'),
            (_, Value::Str(text)) => printable(out, text),
            (_, Value::Time(ns)) => self.wall_clock(out, ns),
            (Unit::UnixNs, Value::U64(ns)) => {
                let (seconds, ns) = split(ns.saturating_sub(self.started_ns));
                self.integer(out, seconds);
                self.micros(out, ns);
            }
            (Unit::Ns, Value::U64(ns)) => {
                let tenths = (ns + 50) / 100;
                self.integer(out, tenths / 10);
                out.push(b'.');
                self.integer(out, tenths % 10);
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
        self.micros(out, ns);
    }

    fn integer(&mut self, out: &mut Vec<u8>, number: impl itoa::Integer) {
        self.value_writer.integer(number);
        self.value_writer.flush(out);
    }

    /// Appends a point and the microseconds of a part of a second.
    fn micros(&mut self, out: &mut Vec<u8>, ns: u32) {
        // Six digits with leading zeros: those of a number from 1,000,000 on, without its first.
        let at = out.len();
        self.integer(out, 1_000_000 + ns / 1000);
        if let Some(first) = out.get_mut(at) {
            *first = b'.';
        }
    }
}
