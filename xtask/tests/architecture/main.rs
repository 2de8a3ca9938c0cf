//! The map in ARCHITECTURE.md, checked against the sources: who may import whom, no circles between
//! files, and how long functions, files and lines may be.
#![expect(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test panics where it fails, and all sources are named in lower case"
)]

mod graph;
mod modules;
mod planted;
mod rules;
mod sources;
mod yardstick;
