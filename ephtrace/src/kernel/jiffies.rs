//! The kernel's tick rate, derived from one pair of clocks.
//!
//! The hash secret changes every `10 * HZ` jiffies (`net/core/secure_seq.c`), but a kernel does not
//! report its HZ. Since jiffies start at a known value, one reading beside the monotonic clock
//! reveals it.

/// Tick rates of kernels (`kernel/Kconfig.hz`).
const RATES: [u64; 4] = [100, 250, 300, 1000];

/// Maximum difference of both clocks, in seconds: the first jiffies pass before the monotonic clock
/// starts, and some are counted late.
const TOLERANCE_S: u64 = 3;

const MS_PER_S: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;

/// Returns the jiffies in one epoch of the hash secret, from `jiffies64` and `CLOCK_MONOTONIC` at
/// the same moment.
///
/// `None` if no rate fits, or more than one does (around 300 s after boot, when all are at the wrap
/// that `INITIAL_JIFFIES` is there to provoke).
pub(crate) fn per_epoch(jiffies: u64, monotonic_ns: u64) -> Option<u64> {
    let mut fitting = RATES.into_iter().filter(|&rate| is_rate(rate, jiffies, monotonic_ns));
    let rate = fitting.next()?;
    fitting.next().is_none().then_some(10 * rate)
}

/// `INITIAL_JIFFIES` is -300 s as an unsigned 32-bit number, even if jiffies have 64 bits.
fn is_rate(rate: u64, jiffies: u64, monotonic_ns: u64) -> bool {
    let Some(ticks) = jiffies.checked_sub((1 << 32) - 300 * rate) else { return false };
    // Milliseconds: with nanoseconds, the product would need 128 bits, and a division of those is
    // a tenth of decoding a record.
    let expected = monotonic_ns / NS_PER_MS * rate / MS_PER_S;
    ticks.abs_diff(expected) < TOLERANCE_S * rate
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS_PER_S: u64 = 1_000_000_000;

    fn at(rate: u64, seconds: u64) -> (u64, u64) {
        ((1 << 32) - 300 * rate + seconds * rate + 40, seconds * NS_PER_S)
    }

    #[test]
    fn finds_each_rate() {
        for rate in RATES {
            for seconds in [1, 100, 3600, 30_000_000] {
                let (jiffies, ns) = at(rate, seconds);
                assert_eq!(per_epoch(jiffies, ns), Some(10 * rate), "{rate} Hz at {seconds} s");
            }
        }
    }

    #[test]
    fn says_nothing_where_all_fit_or_none() {
        let (jiffies, ns) = at(250, 300);
        assert_eq!(per_epoch(jiffies, ns), None);
        assert_eq!(per_epoch(77, 5 * NS_PER_S), None);
    }
}
