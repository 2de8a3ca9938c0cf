//! Memory sizes for people.

use std::fmt;

/// A number of bytes, written in MiB.
pub(crate) struct HumanBytes(pub(crate) u64);

impl fmt::Display for HumanBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10).div_ceil(1 << 20);
        write!(f, "{}.{} MiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_less_than_it_is() {
        let texts = [0, 1, 1 << 20, (1 << 20) + 1, 24 << 20].map(|n| HumanBytes(n).to_string());
        assert_eq!(texts, ["0.0 MiB", "0.1 MiB", "1.0 MiB", "1.1 MiB", "24.0 MiB"]);
    }
}
