//! Properties of a column; `columns` has the list of columns.

use std::net::IpAddr;

use super::{assignment::Assignment, draft::Draft};

/// Value of an assignment in one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known, or none.
    Null,
    /// A count, an id, a port.
    U64(u64),
    /// A difference.
    I64(i64),
    /// Yes or no.
    Bool(bool),
    /// Text from outside, which may hold anything.
    Str(&'a str),
    /// One of a few words of ephtrace's own.
    Name(&'static str),
    /// An address.
    Ip(IpAddr),
    /// A point in time, in nanoseconds since the Unix epoch.
    Time(u64),
}

/// Unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// No unit.
    None,
    /// A point in time, in nanoseconds since the Unix epoch.
    UnixNs,
    /// A length of time, in nanoseconds.
    Ns,
    /// 0 or the positive errno.
    Errno,
}

impl Unit {
    /// Name, as in documentation and metadata; `None` for a number without a unit.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::UnixNs => Some("ns since 1970-01-01T00:00:00Z"),
            Self::Ns => Some("ns"),
            Self::Errno => Some("errno"),
        }
    }
}

/// Stores a value in an assignment that is being read; `None` is an unknown one.
pub(super) type Set<T> = fn(&mut Draft, Option<T>);

/// Reader of a recorded value, by kind.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// Not read: the value follows from other columns.
    Derived,
    /// A number of 64 bits.
    U64(Set<u64>),
    /// A number of 32 bits.
    U32(Set<u32>),
    /// A number of 16 bits.
    U16(Set<u16>),
    /// A difference.
    I32(Set<i32>),
    /// A port: a row with another number is broken.
    Port(Set<u16>),
    /// An address: a row with anything else is broken.
    Address(Set<IpAddr>),
    /// Text. An unknown word is read as unknown.
    Text(fn(&mut Draft, Option<&str>)),
}

/// Kind of a column's values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number of this many bits.
    Unsigned(u32),
    /// A difference, of 32 bits.
    Signed,
    /// Yes or no.
    Bool,
    /// Text from outside, or a word of an open set.
    Text,
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
    /// An address, as text.
    Address,
    /// A point in time, as text (RFC 3339, nanoseconds).
    Time,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Key in JSON, header in CSV.
    pub name: &'static str,
    /// Header in text, with its unit in parentheses if text has another unit than the value.
    pub header: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// Kind of its values.
    pub kind: Kind,
    /// True if it may be null.
    pub is_optional: bool,
    /// Meaning of the value and of null, in a few words.
    pub meaning: &'static str,
    /// Takes the value from an assignment.
    pub value: for<'a> fn(&'a Assignment) -> Value<'a>,
    /// Stores a recorded value.
    pub read: Read,
}

/// Kind of a column's values, and their meaning.
pub(super) type About = (Kind, &'static str);

/// Creates a column of numbers without a unit, or of text, which may be null.
pub(super) const fn column(
    name: &'static str,
    header: &'static str,
    (kind, meaning): About,
    value: for<'a> fn(&'a Assignment) -> Value<'a>,
    read: Read,
) -> Column {
    Column { name, header, unit: Unit::None, kind, is_optional: true, meaning, value, read }
}

/// Gives a column a unit.
pub(super) const fn with_unit(column: Column, unit: Unit) -> Column {
    Column { unit, ..column }
}

/// Makes a column one without nulls.
pub(super) const fn never_null(column: Column) -> Column {
    Column { is_optional: false, ..column }
}
