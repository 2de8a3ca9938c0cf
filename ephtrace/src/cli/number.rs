//! Numbers, and the error of what is none: clap's own tell Rust's words for it.

use std::ops::RangeInclusive;

/// A whole number of this range.
pub(super) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| expected(&range))
    }
}

fn expected(range: &RangeInclusive<u64>) -> String {
    match (range.start(), range.end()) {
        (low, &u64::MAX) => format!("expected a whole number, {low} or more"),
        (low, high) => format!("expected {low} to {high}"),
    }
}

/// A number, with or without a fraction.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "expected a number such as 10 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_range() {
        let port = whole::<u16>(1..=65_535);
        assert_eq!(port("443"), Ok(443));
        for text in ["0", "65536", "-1", "x", "", "1.5", "1e3"] {
            assert_eq!(port(text).unwrap_err(), "expected 1 to 65535", "{text}");
        }
        let count = whole::<u64>(1..=u64::MAX);
        assert_eq!(count("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(count("0").unwrap_err(), "expected a whole number, 1 or more");
        assert_eq!((number("10"), number("0.5")), (Ok(10.0), Ok(0.5)));
        assert!(["nan", "inf", "x", ""].iter().all(|text| number(text).is_err()));
    }
}
