//! Answers as tables or single lines: `storm`, `ports`, `check`.

pub mod check;
pub(crate) mod ports;
pub mod storm;
