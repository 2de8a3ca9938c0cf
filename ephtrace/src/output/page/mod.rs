//! A report as one page of HTML.

mod bars;
mod density;
mod document;
mod failures;
mod hues;
mod marks;
mod plot;
mod scale;
mod scatter;
mod slices;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use self::document::Page;
