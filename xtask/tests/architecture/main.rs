//! Checks the map in ARCHITECTURE.md against the sources: permitted imports, no circles between
//! files, and maximum lengths of functions, files and lines.
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
