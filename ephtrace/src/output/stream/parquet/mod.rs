//! Parquet: a recording that DuckDB, Polars and Spark read as it is, and `ephtrace` itself.

mod file;
mod footer;
mod rotate;
mod rows;
mod schema;
mod sink;
#[cfg(test)]
mod tests;

pub use self::{
    file::{Journal, journal_path},
    footer::{Fact, KEY_COMPLETE, KEY_HOOK, KEY_HOST, KEY_KERNEL, KEY_LOSSES, KEY_NETNS},
    rotate::Rotate,
    schema::columns,
    sink::{CHECKPOINT_NS, Options, ParquetSink, PreparedRecording},
};
