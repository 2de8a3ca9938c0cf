//! Summary of a run or a recording: in words, and as plots in a terminal.

mod overflow;
pub mod plots;
pub(crate) mod words;
