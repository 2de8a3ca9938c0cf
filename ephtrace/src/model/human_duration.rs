//! Lengths of time for people.

use std::fmt;

/// A length of time in nanoseconds, written with a fitting unit and rounded to a tenth of it.
pub(crate) struct HumanDuration(pub(crate) u64);

/// Units above the nanosecond, in nanoseconds.
const UNITS: [(u64, &str); 3] = [(1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s")];

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < UNITS[0].0 {
            return write!(f, "{} ns", self.0);
        }
        let tenths = |unit: u64| self.0 / unit * 10 + (self.0 % unit * 10 + unit / 2) / unit;
        let fits = |(unit, _): &&(u64, &str)| tenths(*unit) < 10_000;
        let (unit, name) = *UNITS.iter().find(fits).unwrap_or(&UNITS[2]);
        write!(f, "{}.{} {name}", tenths(unit) / 10, tenths(unit) % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_tenth_of_a_fitting_unit() {
        let times = [999, 1_000, 8_660, 999_949, 999_950, 1_250_000, 59_970_000_000];
        let texts = times.map(|ns| HumanDuration(ns).to_string());
        assert_eq!(texts, ["999 ns", "1.0 us", "8.7 us", "999.9 us", "1.0 ms", "1.3 ms", "60.0 s"]);
        assert_eq!(HumanDuration(u64::MAX).to_string(), "18446744073.7 s");
    }
}
