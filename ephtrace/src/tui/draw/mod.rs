//! The view, drawn: reads a `State` and changes nothing.

mod ascii;
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

pub use self::{
    pages::HELP,
    screen::{MIN_HEIGHT, MIN_WIDTH, draw},
};
