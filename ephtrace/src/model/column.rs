//! What there is to say of a column; which ones there are is in `columns`.

use std::net::IpAddr;

use super::{assignment::Assignment, draft::Draft};

/// What an assignment has in one column.
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
    /// One of a few words of our own.
    Name(&'static str),
    /// An address.
    Ip(IpAddr),
    /// A point in time, in nanoseconds since the Unix epoch.
    Time(u64),
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Itself.
    None,
    /// A point in time, in nanoseconds since the Unix epoch.
    UnixNs,
    /// A length of time, in nanoseconds.
    Ns,
    /// 0 or the positive number of an error.
    Errno,
}

impl Unit {
    /// As documentation and metadata have it; `None` for a number that is just itself.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::UnixNs => Some("ns since 1970-01-01T00:00:00Z"),
            Self::Ns => Some("ns"),
            Self::Errno => Some("errno"),
        }
    }
}

/// Puts a value into an assignment that is being read; `None` is one that is not known.
pub(super) type Set<T> = fn(&mut Draft, Option<T>);

/// How a recorded value is read back, by what it is.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// Not at all: it follows from other columns.
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
    /// Text. What is no word of ours is not known.
    Text(fn(&mut Draft, Option<&str>)),
}

/// What values a column has.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number that fits into so many bits.
    Unsigned(u32),
    /// A difference, of 32 bits.
    Signed,
    /// Yes or no.
    Bool,
    /// Text from outside, or a word that may be any of many.
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
    /// Header in text, its unit in parentheses where text has another than the value.
    pub header: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// What values it has.
    pub kind: Kind,
    /// Whether it may be null.
    pub is_optional: bool,
    /// What it means, and what null means, in a few words.
    pub meaning: &'static str,
    /// Takes the value from an assignment.
    pub value: for<'a> fn(&'a Assignment) -> Value<'a>,
    /// Takes a recorded value back.
    pub read: Read,
}
