//! Times in logs: seconds, dates, the time of day, or none.

use jiff::{Timestamp, civil::DateTime, fmt::strtime, tz::TimeZone};

const NS_A_SECOND: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * NS_A_SECOND;

/// Time of the line that was read last.
#[derive(Debug, Default)]
pub(in crate::replay) struct Clock {
    now_ns: u64,
    /// Number of days begun since the first line, for logs with only the time of day.
    days: u64,
    has_times: bool,
}

impl Clock {
    /// Returns the time of the last line, in nanoseconds since the Unix epoch.
    pub(in crate::replay) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Returns whether any line contained its time.
    pub(in crate::replay) fn has_times(&self) -> bool {
        self.has_times
    }

    /// Advances for a line without a time: it is later than the previous one.
    pub(in crate::replay) fn next(&mut self) {
        self.now_ns = self.now_ns.saturating_add(1);
    }

    /// Sets the time of a line as given.
    pub(in crate::replay) fn set_ns(&mut self, now_ns: u64) {
        (self.now_ns, self.has_times) = (now_ns, true);
    }

    /// Parses the time of a line; `None` if it is none.
    pub(in crate::replay) fn set(&mut self, text: &str) -> Option<()> {
        let now_ns = seconds(text).or_else(|| date(text)).or_else(|| self.of_day(text))?;
        (self.now_ns, self.has_times) = (now_ns, true);
        Some(())
    }

    /// Parses the time of day: `HH:MM:SS`, optionally with a fraction.
    fn of_day(&mut self, text: &str) -> Option<u64> {
        let mut parts = text.split(':');
        let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
        let seconds = seconds(parts.next()?)?;
        // The last second of a day may be a leap second.
        let is_time = hours < 24 && minutes < 60 && seconds < 61 * NS_A_SECOND;
        if !is_time || parts.next().is_some() {
            return None;
        }
        let ns = (hours * 60 + minutes) * 60 * NS_A_SECOND + seconds;
        let on = |days: u64| days.saturating_mul(DAY_NS).saturating_add(ns);
        // A step back by half a day is another day; a smaller one is disorder.
        if self.has_times && on(self.days).saturating_add(DAY_NS / 2) < self.now_ns {
            self.days += 1;
        }
        Some(on(self.days))
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Number of seconds from which on a number counts smaller units: seconds would be after the year
/// 5000.
const SECONDS_END: u64 = 100_000_000_000;

/// Parses seconds, optionally with a fraction, to nanoseconds: exactly, unlike a float. A larger
/// number counts milli-, micro- or nanoseconds. Some languages have a comma before the fraction.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let whole = number(whole).filter(|_| is_fraction && !whole.is_empty())?;
    let mut unit = NS_A_SECOND;
    while unit > 1 && whole / (NS_A_SECOND / unit) >= SECONDS_END {
        unit /= 1000;
    }
    whole.checked_mul(unit)?.checked_add(number(&nine)? / (NS_A_SECOND / unit))
}

/// Parses a date and a time: with its zone in the form of RFC 3339 or Suricata, or in this host's
/// zone.
fn date(text: &str) -> Option<u64> {
    let with_zone = || text.parse::<Timestamp>().ok();
    let with_bare_zone =
        || strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?.to_timestamp().ok();
    let local = || {
        let date: DateTime = text.parse().ok()?;
        date.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp())
    };
    let stamp = with_zone().or_else(with_bare_zone).or_else(local)?;
    u64::try_from(stamp.as_nanosecond()).ok()
}
