//! Conversion of the kernel's monotonic clock to wall-clock time.

use std::{io, time::Duration};

use nix::time::{ClockId, clock_gettime};

/// Number of bracketed readings; the tightest one counts.
const READINGS: usize = 5;

/// Offset of the Unix epoch from the zero of `CLOCK_MONOTONIC`.
///
/// The caller reads it again once a second: wall-clock time is set and slewed, and the monotonic
/// clock, which stamps events, stops during suspend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    offset_ns: i128,
}

/// Wall-clock time between two readings of the monotonic clock, all in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// `CLOCK_MONOTONIC` before the reading.
    pub before_ns: u64,
    /// Time since the Unix epoch.
    pub unix_ns: u64,
    /// `CLOCK_MONOTONIC` after the reading.
    pub after_ns: u64,
}

impl Clock {
    /// Reads the clocks.
    pub fn read() -> io::Result<Self> {
        let mut readings = [Reading { before_ns: 0, unix_ns: 0, after_ns: u64::MAX }; READINGS];
        for reading in &mut readings {
            *reading = Reading {
                before_ns: now_ns(ClockId::CLOCK_MONOTONIC)?,
                unix_ns: now_ns(ClockId::CLOCK_REALTIME)?,
                after_ns: now_ns(ClockId::CLOCK_MONOTONIC)?,
            };
        }
        Ok(Self::from_readings(&readings))
    }

    /// Computes the offset from the tightest of `readings`.
    pub fn from_readings(readings: &[Reading]) -> Self {
        let width = |r: &&Reading| r.after_ns.saturating_sub(r.before_ns);
        let Some(best) = readings.iter().min_by_key(width) else { return Self::default() };
        let middle = best.before_ns + width(&best) / 2;
        Self { offset_ns: i128::from(best.unix_ns) - i128::from(middle) }
    }

    /// Converts a monotonic time to Unix time, both in nanoseconds.
    pub fn unix_ns(self, monotonic_ns: u64) -> u64 {
        u64::try_from(i128::from(monotonic_ns) + self.offset_ns).unwrap_or(0)
    }
}

/// Returns `CLOCK_MONOTONIC`, in nanoseconds.
pub fn monotonic_ns() -> io::Result<u64> {
    now_ns(ClockId::CLOCK_MONOTONIC)
}

fn now_ns(clock: ClockId) -> io::Result<u64> {
    let now = Duration::from(clock_gettime(clock)?);
    u64::try_from(now.as_nanos()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_reading_counts() {
        let reading = |before_ns, unix_ns, after_ns| Reading { before_ns, unix_ns, after_ns };
        let clock = Clock::from_readings(&[
            reading(1000, 5_009_000, 9000),
            reading(2000, 5_002_010, 2020),
            reading(3000, 5_003_900, 4000),
        ]);
        assert_eq!(clock.unix_ns(0), 5_000_000);
        assert_eq!(clock.unix_ns(123), 5_000_123);
    }

    #[test]
    fn a_clock_before_the_epoch_is_held_at_it() {
        let early = Reading { before_ns: 100, unix_ns: 10, after_ns: 100 };
        let clock = Clock::from_readings(&[early]);
        assert_eq!((clock.unix_ns(5), clock.unix_ns(190)), (0, 100));
        assert_eq!(Clock::from_readings(&[]), Clock::default());
    }

    #[test]
    fn it_agrees_with_the_system() {
        let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ours = Clock::read().unwrap().unix_ns(monotonic_ns().unwrap());
        let apart = u128::from(ours).abs_diff(system.as_nanos());
        assert!(apart < 1_000_000_000, "{apart} ns");
    }
}
