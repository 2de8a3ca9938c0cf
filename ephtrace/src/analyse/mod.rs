//! Analysis of assignments taken together. Pure: no I/O, no clock, time is an argument.

mod agreement;
mod askers;
pub mod capacity;
pub mod charts;
pub mod comparison;
pub mod counters;
pub mod delivery;
pub mod destinations;
pub mod findings;
pub mod fitted_range;
pub(crate) mod heavy_hitters;
pub mod hosts;
pub mod lanes;
mod machine;
pub(crate) mod number;
pub mod overflow;
pub mod pattern;
pub mod picture;
mod ports;
pub mod processes;
pub mod quantities;
pub mod ranges;
mod recent;
pub mod reuse;
pub mod selection;
pub mod self_connect;
mod steps;
pub mod storm;
pub mod summary;
pub mod tally;

#[cfg(test)]
mod tests;

pub(crate) use self::number::as_f64 as real;
