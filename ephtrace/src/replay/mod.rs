//! Readers of recordings: NDJSON or Parquet of ephtrace or of other tools, captures of packets,
//! logs.

mod array;
mod beginning;
pub mod budget;
mod compressed;
mod connections;
pub mod error;
mod flows;
pub mod item;
mod lines;
pub mod logs;
mod meter;
mod named;
mod names;
pub mod ndjson;
mod notices;
pub mod order;
mod packed;
pub mod parquet;
pub mod pcap;
pub mod recording;
pub mod recordings;
pub mod retries;
pub mod several;
pub mod sorting;
mod spool;
#[cfg(test)]
mod tests;
mod told;
pub mod whole_order;

pub use self::{
    budget::MaxMemory,
    error::ReplayError,
    item::{Broken, Chronology, Item},
    recording::{Format, Recording},
    recordings::Recordings,
};
pub(crate) use self::{
    meter::{Meter, size_of},
    notices::{MAX_TOLD, tell, unreadable, without_assignments},
    recording::is_from,
    spool::prepare as prepare_spool,
};
