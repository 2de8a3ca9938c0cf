//! Pictures for the terminal.

mod ansi;
mod bars;
mod drawing;
pub(crate) mod hues;
pub(crate) mod ports;
pub(crate) mod scatter;
#[cfg(test)]
mod tests;

pub(crate) use self::drawing::rows;
pub use self::drawing::{DEFAULT_WIDTH, MAX_WIDTH, MIN_WIDTH, draw};
