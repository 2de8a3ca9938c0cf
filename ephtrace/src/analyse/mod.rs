//! What assignments say, taken together. Pure: no I/O, no clock, time is an argument.

mod agreement;
pub mod capacity;
pub mod charts;
pub mod delivery;
pub mod destinations;
pub mod findings;
pub mod hosts;
pub mod lanes;
pub mod pattern;
pub mod picture;
mod ports;
pub mod processes;
pub mod reuse;
pub mod selection;
pub mod self_connect;
mod steps;
pub mod storm;
pub mod summary;
pub mod tally;
pub(crate) mod top;

#[cfg(test)]
mod tests;

/// A count as a real number: exact up to 2^53, which is all the same for a rate or a share.
#[expect(clippy::cast_precision_loss, reason = "rates and shares need no 16th digit")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}
