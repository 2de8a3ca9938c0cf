//! A recording read back: NDJSON or Parquet of ephtrace or of anybody else, captures of packets.

pub mod error;
pub mod item;
mod names;
pub mod ndjson;
pub mod order;
pub mod parquet;
pub mod pcap;
pub mod recording;
pub mod retries;
#[cfg(test)]
mod tests;

pub(crate) use self::recording::{is_from, tell, unreadable};
pub use self::{
    error::ReplayError,
    item::{Broken, Item},
    recording::{Format, Recording},
};
