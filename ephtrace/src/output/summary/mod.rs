//! A run or a recording summed up: in words, and as plots in a terminal.

mod overflow;
pub mod plots;
pub(crate) mod words;
