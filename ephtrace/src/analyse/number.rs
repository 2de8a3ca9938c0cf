//! Conversion of counts for arithmetic.

/// Converts a count to a real number. Exact up to 2^53; beyond it, the error does not matter for a
/// rate or a share.
#[expect(clippy::cast_precision_loss, reason = "rates and shares need no 16th digit")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
