//! Assignments as they come, one row each: text, NDJSON, CSV, Parquet.

pub(crate) mod csv;
mod explain;
pub(crate) mod json;
pub(crate) mod lines;
pub mod parquet;
mod pen;
pub(crate) mod text;
