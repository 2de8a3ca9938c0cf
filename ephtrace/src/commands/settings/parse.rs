//! From text to value, where the text alone is enough. Pure.

use std::{net::IpAddr, time::Duration};

use super::error::UsageError;
use crate::{
    cli::ReadArgs,
    model::{Comm, PortRange, filter::Network},
    pipeline::settings::{MAX_RING_BYTES, MIN_RING_BYTES},
    replay::MaxMemory,
};

fn bad(flag: &'static str, value: &str, reason: impl Into<String>) -> UsageError {
    UsageError::Value { flag, value: value.to_owned(), reason: reason.into() }
}

/// A port or a range of ports: `80`, `8000-8100`.
pub(in crate::commands) fn ports(flag: &'static str, text: &str) -> Result<PortRange, UsageError> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.trim().parse::<u16>();
    let (Ok(low), Ok(high)) = (port(low), port(high)) else {
        return Err(bad(
            flag,
            text,
            "it takes a port (80) or a range (8000-8100), each from 0 to 65535",
        ));
    };
    if low > high {
        return Err(bad(flag, text, format!("the range is empty; {high}-{low}?")));
    }
    Ok(PortRange { low, high })
}

/// An address or a network: `10.0.0.0/8`, `2001:db8::1`. Bits behind the prefix are ignored.
pub(in crate::commands) fn network(flag: &'static str, text: &str) -> Result<Network, UsageError> {
    let (addr, length) = match text.split_once('/') {
        Some((addr, length)) => (addr, Some(length)),
        None => (text, None),
    };
    let Ok(addr) = addr.trim().parse::<IpAddr>() else {
        return Err(bad(
            flag,
            text,
            "it takes an address, or a network such as 10.0.0.0/8 or 2001:db8::/32",
        ));
    };
    let bits: u8 = if addr.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(bits), |length| length.trim().parse().ok());
    length
        .and_then(|length| Network::new(addr, length))
        .ok_or_else(|| bad(flag, text, format!("the prefix length is a number from 0 to {bits}")))
}

/// Name of a process, at most as long as the kernel keeps it.
pub(in crate::commands) fn comm(flag: &'static str, text: &str) -> Result<Comm, UsageError> {
    if text.is_empty() || text.contains('\0') {
        return Err(bad(flag, text, "it takes the name of a process, as in /proc/PID/comm"));
    }
    if text.len() > 15 {
        let cut: String = text.char_indices().filter(|(i, _)| *i < 15).map(|(_, c)| c).collect();
        let reason = format!("the kernel keeps 15 bytes of a name; try '{cut}'");
        return Err(bad(flag, text, reason));
    }
    Ok(Comm::new(text))
}

/// A length of time: `100us`, `1.5ms`, `2m 30s`.
pub(in crate::commands) fn duration(
    flag: &'static str,
    text: &str,
) -> Result<Duration, UsageError> {
    let wanted = "it takes a number with its unit, such as 100us, 1ms, 30s or 5m";
    let parsed = text.parse::<jiff::SignedDuration>().map_err(|_| bad(flag, text, wanted))?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(bad(flag, text, "it must be more than nothing")),
    }
}

/// A number of bytes: `4096`, `256M`, `2G`. `None` if it is no number, an error if it is too large.
pub(in crate::commands) fn bytes(text: &str) -> Option<Result<u64, TooLarge>> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok()?;
    Some(number.checked_mul(unit).ok_or(TooLarge))
}

/// Who may read and write a file, in octal: `640`, `0640`.
pub(in crate::commands) fn mode(flag: &'static str, text: &str) -> Result<u32, UsageError> {
    let is_octal = text.len() <= 4 && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if is_octal && mode & !READ_AND_WRITE == 0 => Ok(mode),
        _ => Err(bad(
            flag,
            text,
            "it takes up to three octal digits, for the owner, the group and others: 4 may read, \
             2 write, 6 both, such as 640",
        )),
    }
}

/// More bytes than 64 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct TooLarge;

/// Nobody runs a file that ephtrace writes.
const READ_AND_WRITE: u32 = 0o666;

/// Most memory that reading a recording may take, if it was given.
pub(in crate::commands) fn max_memory(read: &ReadArgs) -> Result<MaxMemory, UsageError> {
    let Some(text) = &read.max_memory else { return Ok(MaxMemory::default()) };
    let flag = "--max-memory";
    match bytes(&text.to_ascii_uppercase()) {
        None => Err(bad(flag, text, "it takes a number of bytes, such as 512M or 2G")),
        Some(Ok(bytes)) => MaxMemory::new(bytes).ok_or_else(|| {
            let least = MaxMemory::LEAST_BYTES >> 20;
            bad(flag, text, format!("ephtrace itself takes most of that; at least {least}M"))
        }),
        Some(Err(TooLarge)) => Err(bad(flag, text, "no machine has as much")),
    }
}

/// Size of the ring buffer, rounded up to what the kernel takes.
pub(in crate::commands) fn ring_bytes(flag: &'static str, text: &str) -> Result<u32, UsageError> {
    let bytes = match bytes(&text.to_ascii_uppercase()) {
        Some(Ok(bytes)) => u32::try_from(bytes).ok(),
        _ => None,
    };
    match bytes {
        Some(bytes @ 1..=MAX_RING_BYTES) => Ok(bytes.max(MIN_RING_BYTES).next_power_of_two()),
        _ => Err(bad(
            flag,
            text,
            "it takes a number of bytes up to 1024M, with or without suffix K or M",
        )),
    }
}
