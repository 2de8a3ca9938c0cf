//! The map in ARCHITECTURE.md, checked against the sources: who may import whom, no circles between
//! files, and how long functions, files and lines may be.

mod graph;
mod modules;
mod planted;
mod rules;
mod sources;
mod yardstick;
