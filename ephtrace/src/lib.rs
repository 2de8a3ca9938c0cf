//! placeholder
pub mod event;
pub mod losses;
pub mod enrich;
pub mod analyse;
pub mod columns;
pub mod sink;
pub mod cli;
pub mod settings;
