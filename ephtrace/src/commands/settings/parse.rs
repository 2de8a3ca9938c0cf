//! Parses values that need nothing but their text. Pure.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::SpanRelativeTo;

use super::error::UsageError;
use crate::{
    cli::ReadArgs,
    model::{
        Comm,
        filter::{Network, PodName},
        task_names::{MAX_NAME_BYTES, sane},
    },
    pipeline::settings::{MAX_RING_BYTES, MIN_RING_BYTES},
    replay::MaxMemory,
};

fn bad(flag: &'static str, value: &str, reason: impl Into<String>) -> UsageError {
    UsageError::Value { flag, value: value.to_owned(), reason: reason.into() }
}

/// Parses an address or a network: `10.0.0.0/8`, `2001:db8::1`. Bits after the prefix are ignored.
pub(in crate::commands) fn network(flag: &'static str, text: &str) -> Result<Network, UsageError> {
    let (addr, length) = match text.split_once('/') {
        Some((addr, length)) => (addr, Some(length)),
        None => (text, None),
    };
    // IPv6 addresses have brackets in front of ports.
    let bare = addr.trim();
    let bare = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bare);
    let Ok(addr) = bare.parse::<IpAddr>() else {
        let with_port = addr.trim().parse::<SocketAddr>();
        return Err(bad(flag, text, with_port.map_or_else(|_| NETWORK.to_owned(), about_port)));
    };
    let bits: u8 = if addr.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(bits), |length| length.trim().parse().ok());
    length
        .and_then(|length| Network::new(addr, length))
        .ok_or_else(|| bad(flag, text, format!("expected a prefix length from 0 to {bits}")))
}

const NETWORK: &str = "expected an address, or a network such as 10.0.0.0/8 or 2001:db8::/32";

fn about_port(addr: SocketAddr) -> String {
    format!(
        "expected an address without a port; use {}, and --port {} for the destination port",
        addr.ip(),
        addr.port()
    )
}

/// Parses the name of a process, at most as long as the kernel keeps it.
pub(in crate::commands) fn comm(flag: &'static str, text: &str) -> Result<Comm, UsageError> {
    if text.is_empty() || text.contains('\0') {
        return Err(bad(flag, text, "expected the name of a process, as in /proc/PID/comm"));
    }
    if text.len() > 15 {
        let cut: String = text.char_indices().filter(|(i, _)| *i < 15).map(|(_, c)| c).collect();
        let reason = format!("the kernel keeps only 15 bytes of a name; try '{cut}'");
        return Err(bad(flag, text, reason));
    }
    Ok(Comm::new(text))
}

/// Parses a duration above zero: `10` (seconds), `100us`, `1.5h`, `1h30m`, `1d`.
pub(in crate::commands) fn duration(
    flag: &'static str,
    text: &str,
) -> Result<Duration, UsageError> {
    match time(text) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        Some(_) => Err(bad(flag, text, "expected more than 0")),
        None => Err(bad(flag, text, TIME)),
    }
}

/// Description of the form of a time.
pub(in crate::commands) const TIME: &str =
    "expected a time such as 10 (seconds), 100us, 1.5h, 1h30m or 1d, up to 100 years";

/// Longest duration; clocks need no longer one.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// Parses a duration, zero included. A bare number is seconds; a day has 24 hours.
pub(in crate::commands) fn time(text: &str) -> Option<Duration> {
    let scaled = |number: &str, unit: f64| {
        Some(Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * unit).ok())
    };
    let number = scaled(text, 1.0).or_else(|| scaled(text.strip_suffix('d')?, 86_400.0));
    let duration = if let Some(duration) = number {
        duration?
    } else {
        let span = text.parse::<jiff::Span>().ok()?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok()?
    };
    (duration <= LONGEST).then_some(duration)
}

/// Parses a number of bytes: `4096`, `64k`, `256M`, `1.5GiB`. Units are powers of 1024, with or
/// without `iB` or `B`. Returns `None` if the text is no such number or exceeds 64 bits.
pub(in crate::commands) fn bytes(text: &str) -> Option<u64> {
    parse_size::Config::new().with_binary().parse_size(text).ok()
}

/// Parses the permissions of a file, in octal: `640`, `0640`.
pub(in crate::commands) fn mode(flag: &'static str, text: &str) -> Result<u32, UsageError> {
    let is_octal = text.len() <= 4 && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if is_octal && mode & !READ_AND_WRITE == 0 => Ok(mode),
        _ => Err(bad(
            flag,
            text,
            "expected up to three octal digits for owner, group and others (4 read, 2 write, 6 \
             both), such as 640",
        )),
    }
}

/// Allowed permission bits: files that ephtrace writes are not executable.
const READ_AND_WRITE: u32 = 0o666;

/// Returns the maximum memory for reading a recording, as given or the default.
pub(in crate::commands) fn max_memory(read: &ReadArgs) -> Result<MaxMemory, UsageError> {
    let Some(text) = &read.max_memory else { return Ok(MaxMemory::default()) };
    let flag = "--max-memory";
    let bytes = bytes(text).ok_or_else(|| bad(flag, text, "expected a size such as 512M or 2GiB"));
    MaxMemory::new(bytes?).ok_or_else(|| {
        let least = MaxMemory::LEAST_BYTES >> 20;
        bad(
            flag,
            text,
            format!("expected at least {least}M, because ephtrace itself needs most of that"),
        )
    })
}

/// Parses the size of the ring buffer, rounded up to a size that the kernel takes.
pub(in crate::commands) fn ring_bytes(flag: &'static str, text: &str) -> Result<u32, UsageError> {
    match bytes(text).and_then(|bytes| u32::try_from(bytes).ok()) {
        Some(bytes @ 1..=MAX_RING_BYTES) => Ok(bytes.max(MIN_RING_BYTES).next_power_of_two()),
        _ => Err(bad(flag, text, "expected a size up to 1024M, such as 64k or 8M")),
    }
}

/// Parses the name of a pod.
pub(super) fn pod(text: &str) -> Result<PodName, UsageError> {
    let pod = PodName::new(&name("--pod", text)?);
    pod.ok_or_else(|| bad("--pod", text, "expected a name such as web-0 or shop/web-0"))
}

/// Parses a name of a container, a unit, or a namespace of Kubernetes.
pub(super) fn name(flag: &'static str, text: &str) -> Result<String, UsageError> {
    let reason = "expected a name without white space and control characters";
    let name = sane(text, MAX_NAME_BYTES).ok_or_else(|| bad(flag, text, reason))?;
    Ok(name.to_string())
}
