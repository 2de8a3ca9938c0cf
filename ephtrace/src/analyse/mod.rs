//! What assignments say, taken together. Pure: no I/O, no clock, time is an argument.

pub mod lanes;
pub mod pattern;
pub mod selection;
pub mod summary;
mod tracked;

#[cfg(test)]
mod tests;
