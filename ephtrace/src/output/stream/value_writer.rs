//! Values as bare text, common to JSON, CSV and the table.
//!
//! Written for speed: a storm has 100,000 assignments per second, each with 27 values.

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use jiff::{Timestamp, tz::TimeZone};

use crate::model::columns::Value;

/// A piece of text of at most 24 bytes, copied in one go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Short {
    const MAX: usize = 24;

    /// Returns the first 24 bytes of `text`.
    pub(super) fn new(text: &str) -> Self {
        let mut bytes = [0; Self::MAX];
        let len = text.len().min(Self::MAX);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { bytes, len }
    }
}

/// Number of bytes that [`ValueWriter`] holds before it passes them on.
const NIB: usize = 512;

/// More bytes than a column with a value of bounded size needs: its name (24), the value (an
/// address has 39 bytes, a time 30) and the marks around it.
const LONGEST: usize = 96;

/// Writes values one after the other to a buffer.
///
/// Pieces are collected in a small array of fixed size, where copying a short one takes a move or
/// two, and go to the buffer together.
#[derive(Debug)]
pub(super) struct ValueWriter {
    buffer: [u8; NIB],
    len: usize,
    utc: Second,
}

impl Default for ValueWriter {
    fn default() -> Self {
        Self { buffer: [0; NIB], len: 0, utc: Second::default() }
    }
}

impl ValueWriter {
    /// Makes room for one column; call it before each.
    pub(super) fn make_room(&mut self, out: &mut Vec<u8>) {
        if self.len > NIB - LONGEST {
            self.flush(out);
        }
    }

    /// Appends `value` as bare text; nothing for [`Value::Null`].
    pub(super) fn write(&mut self, out: &mut Vec<u8>, value: Value<'_>) {
        match value {
            Value::Null => {}
            Value::U64(n) => self.integer(n),
            Value::I64(n) => self.integer(n),
            Value::Bool(true) => self.bytes(b"true"),
            Value::Bool(false) => self.bytes(b"false"),
            Value::Name(text) | Value::Str(text) => self.text(out, text),
            Value::Ip(IpAddr::V4(addr)) => self.ipv4(addr),
            Value::Ip(IpAddr::V6(addr)) => self.ipv6(addr),
            Value::Time(ns) => self.time(ns),
        }
    }

    /// Appends a short piece of text.
    pub(super) fn short(&mut self, short: &Short) {
        self.buffer[self.len..self.len + Short::MAX].copy_from_slice(&short.bytes);
        self.len += short.len;
    }

    /// Appends one byte.
    pub(super) fn byte(&mut self, byte: u8) {
        self.buffer[self.len] = byte;
        self.len += 1;
    }

    /// Appends text of any length.
    pub(super) fn text(&mut self, out: &mut Vec<u8>, text: &str) {
        if text.len() <= Short::MAX {
            self.bytes(text.as_bytes());
        } else {
            self.flush(out);
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Passes on the collected bytes.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.buffer[..self.len]);
        self.len = 0;
    }

    /// Appends at most 24 bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        let room = &mut self.buffer[self.len..self.len + bytes.len()];
        copy(room, bytes);
        self.len += bytes.len();
    }

    /// Appends a whole number.
    #[inline]
    pub(super) fn integer(&mut self, n: impl itoa::Integer) {
        self.bytes(itoa::Buffer::new().format(n).as_bytes());
    }

    fn ipv4(&mut self, addr: Ipv4Addr) {
        for octet in addr.octets() {
            // The octet's text includes the following dot, which the last octet drops.
            let (digits, len) = OCTETS[usize::from(octet)];
            self.buffer[self.len..self.len + 4].copy_from_slice(&digits);
            self.len += len + 1;
        }
        self.len -= 1;
    }

    fn ipv6(&mut self, addr: Ipv6Addr) {
        let mut room = &mut self.buffer[self.len..];
        let before = room.len();
        // An IPv6 address has at most 39 bytes.
        let _ = write!(room, "{addr}");
        self.len += before - room.len();
    }

    /// Appends a time in RFC 3339, UTC, with nanoseconds.
    fn time(&mut self, unix_ns: u64) {
        let (seconds, ns) = split(unix_ns);
        let Self { buffer, len, utc } = self;
        let text = utc.text(seconds, rfc3339_second);
        copy(&mut buffer[*len..*len + text.len()], text);
        *len += text.len();
        // Nine digits with leading zeros: those of a number from 1,000,000,000 on, without its
        // first digit.
        self.integer(1_000_000_000 + ns);
        self.buffer[self.len - 10] = b'.';
        self.byte(b'Z');
    }
}

/// Copies like `copy_from_slice`, in two overlapping moves if they suffice: for a piece as short as
/// a number, the call of `memcpy` costs more than the copy.
fn copy(to: &mut [u8], from: &[u8]) {
    fn ends<const N: usize>(to: &mut [u8], from: &[u8]) -> Option<()> {
        let (first, last) = (from.first_chunk::<N>()?, from.last_chunk::<N>()?);
        *to.first_chunk_mut::<N>()? = *first;
        *to.last_chunk_mut::<N>()? = *last;
        Some(())
    }
    let copied = match from.len() {
        1 => ends::<1>(to, from),
        2..=3 => ends::<2>(to, from),
        4..=7 => ends::<4>(to, from),
        8..=15 => ends::<8>(to, from),
        16..=32 => ends::<16>(to, from),
        _ => None,
    };
    if copied.is_none() {
        to.copy_from_slice(from);
    }
}

/// The text of the last second.
#[derive(Debug, Default)]
pub(super) struct Second {
    known: Option<i64>,
    text: String,
}

impl Second {
    /// Returns the text that `format` gives for a second since the Unix epoch.
    pub(super) fn text(&mut self, second: i64, format: impl FnOnce(Timestamp) -> String) -> &[u8] {
        if self.known != Some(second) {
            self.known = Some(second);
            self.text = format(Timestamp::from_second(second).unwrap_or_default());
        }
        self.text.as_bytes()
    }
}

/// Returns the seconds since the Unix epoch, and the nanoseconds of the second.
pub(super) fn split(unix_ns: u64) -> (i64, u32) {
    // Both fit: u64::MAX nanoseconds are 18 billion seconds.
    let seconds = i64::try_from(unix_ns / 1_000_000_000).unwrap_or(i64::MAX);
    let ns = u32::try_from(unix_ns % 1_000_000_000).unwrap_or(0);
    (seconds, ns)
}

fn rfc3339_second(timestamp: Timestamp) -> String {
    timestamp.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Each octet as text with a following dot, and its number of digits.
const OCTETS: [([u8; 4], usize); 256] = octets();

const fn octets() -> [([u8; 4], usize); 256] {
    let mut table = [([b'.'; 4], 0); 256];
    let mut n: u8 = 0;
    loop {
        let (hundreds, tens, ones) = (b'0' + n / 100, b'0' + n / 10 % 10, b'0' + n % 10);
        table[n as usize] = match n {
            0..=9 => ([ones, b'.', b'.', b'.'], 1),
            10..=99 => ([tens, ones, b'.', b'.'], 2),
            100.. => ([hundreds, tens, ones, b'.'], 3),
        };
        if n == u8::MAX {
            return table;
        }
        n += 1;
    }
}
