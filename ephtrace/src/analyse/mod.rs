//! What assignments say, taken together. Pure: no I/O, no clock, time is an argument.

pub mod lanes;
pub mod pattern;
pub mod picture;
pub mod reuse;
pub mod selection;
pub mod self_connect;
pub mod summary;
mod tracked;

#[cfg(test)]
mod tests;
