//! Rough.
fn main() {}
