//! Times as text.

use jiff::Timestamp;

/// Returns nanoseconds since the Unix epoch as RFC 3339 in UTC, to the millisecond.
pub(super) fn utc(ns: u64) -> String {
    let time = Timestamp::from_nanosecond(ns.into()).unwrap_or_default();
    format!("{time:.3}")
}
