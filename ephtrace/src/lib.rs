//! placeholder
pub mod event;
pub mod losses;
