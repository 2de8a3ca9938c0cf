//! placeholder
pub mod analyse;
pub mod event;
pub mod losses;
