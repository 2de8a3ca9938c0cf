//! Shares for people.

use std::fmt;

/// A share from 0 to 1, written in percent and rounded to a tenth; `100.0 %` means all, and `0.0 %`
/// means nothing.
pub(crate) struct HumanShare(pub(crate) f64);

impl HumanShare {
    /// Share of `part` in `whole`; nothing of nothing is 0.
    pub(crate) fn of(part: f64, whole: f64) -> Self {
        Self(if whole > 0.0 { part / whole } else { 0.0 })
    }
}

impl fmt::Display for HumanShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match 100.0 * self.0 {
            percent if percent > 0.0 && percent < 0.05 => f.pad("<0.1 %"),
            percent if (99.95..100.0).contains(&percent) => f.pad(">99.9 %"),
            percent => f.pad(&format!("{percent:.1} %")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_all_and_only_nothing_is_nothing() {
        let shares = [0.0, 0.000_1, 0.000_5, 0.126, 0.999_4, 0.999_6, 1.0];
        let texts = shares.map(|share| HumanShare(share).to_string());
        let expected = ["0.0 %", "<0.1 %", "0.1 %", "12.6 %", "99.9 %", ">99.9 %", "100.0 %"];
        assert_eq!(texts, expected);
        assert_eq!(HumanShare::of(0.0, 0.0).to_string(), "0.0 %");
        assert_eq!(format!("{:>7}", HumanShare::of(1.0, 8.0)), " 12.5 %");
    }
}
