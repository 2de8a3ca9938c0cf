//! Pauses after looks that cost much.

use std::time::Duration;

use super::live;
use crate::analyse::summary::CpuTime;

/// Longest pause: numbers that are older mislead.
const LONGEST: Duration = Duration::from_mins(1);

/// Bounds the share of the processor time that periodic looks take, whatever a look costs.
pub(crate) struct Pause {
    interval: Duration,
    /// Ratio of the pause after a look to the processor time that it took.
    ratio: u32,
    /// Number of looks to skip.
    rest: u32,
}

impl Pause {
    /// Creates it for looks that are due once each `interval`.
    pub(crate) fn new(interval: Duration, ratio: u32) -> Self {
        Self { interval, ratio, rest: 0 }
    }

    /// Looks, unless the last look cost much and it is too early for another.
    ///
    /// Processor time counts: on a busy machine, a look takes long without costing much.
    pub(crate) fn look<T>(&mut self, look: impl FnOnce() -> T) -> Option<T> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        let before = spent();
        let seen = look();
        self.rest = self.looks_in(spent().saturating_sub(before));
        Some(seen)
    }

    /// Returns the number of looks in the pause after one that took `cost`.
    fn looks_in(&self, cost: Duration) -> u32 {
        let pause = cost.saturating_mul(self.ratio).min(LONGEST);
        let looks = pause.as_millis() / self.interval.as_millis().max(1);
        u32::try_from(looks).unwrap_or(u32::MAX)
    }
}

/// Returns the processor time of this process so far.
fn spent() -> Duration {
    let CpuTime { user_ns, system_ns } = live::cpu_time().unwrap_or_default();
    Duration::from_nanos(user_ns + system_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cheap_look_has_no_pause_and_a_costly_one_a_minute_at_most() {
        let pause = Pause::new(Duration::from_secs(1), 10);
        let looks = |ms| pause.looks_in(Duration::from_millis(ms));
        assert_eq!([0, 99, 100, 250, 6_000, 3_600_000].map(looks), [0, 0, 1, 2, 60, 60]);
        let rare = Pause::new(Duration::from_secs(15), 20);
        assert_eq!(rare.looks_in(Duration::from_secs(1)), 1);
    }

    #[test]
    fn looks_are_skipped_in_a_pause() {
        let mut pause = Pause::new(Duration::from_millis(100), 10);
        assert_eq!(pause.look(|| 1), Some(1));
        pause.rest = 2;
        let seen: Vec<_> = (0..3).map(|n| pause.look(|| n)).collect();
        assert_eq!(seen, [None, None, Some(2)]);
    }
}
