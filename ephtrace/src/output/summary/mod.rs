//! Summary of a run or a recording: in words, and as plots in a terminal.

pub(crate) mod again;
mod overflow;
pub mod plots;
pub(crate) mod words;
