//! The view, drawn: reads a `State` and changes nothing.

mod destinations;
mod failures;
mod figures;
mod grid;
mod header;
mod pages;
mod plots;
mod processes;
mod screen;
mod style;

pub use self::screen::{MIN_HEIGHT, MIN_WIDTH, draw};
