//! A report, or the comparison of two, as one page of HTML.

mod bars;
mod comparison;
mod density;
mod document;
mod failures;
mod findings;
mod hosts;
mod hues;
mod marks;
mod overview;
mod plot;
mod scale;
mod scatter;
mod sheet;
mod slices;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use self::{comparison::ComparisonPage, document::Page, overview::Source};
