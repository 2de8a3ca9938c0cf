//! Counts in arithmetic.

/// A count as a real number: exact up to 2^53, which is all the same for a rate or a share.
#[expect(clippy::cast_precision_loss, reason = "rates and shares need no 16th digit")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
