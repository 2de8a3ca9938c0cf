//! What the stream of assignments means. Pure: no I/O, no clock, no randomness.

pub mod pattern;
