//! Answers as tables or single lines: `storm`, `ports`, `check`, `explain`, default ranges.

pub mod check;
pub(crate) mod comparison;
pub(crate) mod explain;
pub(crate) mod ports;
pub mod ranges;
pub mod storm;
