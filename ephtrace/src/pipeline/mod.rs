//! Wiring of the stages: from the kernel or a recording to an output.
//!
//! One thread, one loop: a timer drains the ring through the stages, a slower one handles clocks,
//! losses and cost. Every run ends in the same way: detach the programs that see searches begin,
//! let those in flight end, detach the rest, drain, sum up.

pub(crate) mod announce;
pub(crate) mod attach;
pub(crate) mod counting;
mod counts;
pub(crate) mod input;
pub(crate) mod live;
mod namespaces;
pub(crate) mod occupancy;
mod output;
mod overflow;
mod pause;
pub(crate) mod playback;
mod reader;
mod reading;
mod recording_metadata;
pub(crate) mod remembering;
pub(crate) mod replay;
pub(crate) mod rights;
pub(crate) mod sandbox;
pub(crate) mod serving;
pub mod settings;
pub(crate) mod signals;
pub(crate) mod stages;
pub(crate) mod timing;
mod trace;
mod trace_recording;
pub(crate) mod view;

pub use self::trace::trace;
