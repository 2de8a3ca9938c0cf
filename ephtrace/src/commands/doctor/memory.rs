//! Kernel memory that ephtrace uses.

use serde::Serialize;

use crate::{
    kernel::maps, output::human_bytes::HumanBytes, pipeline::settings::DEFAULT_RING_BYTES,
};

/// Bytes of kernel memory that maps and ring buffer take at most, from the start of a run to its
/// end.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KernelMemory {
    /// Possible CPUs of this machine, on which it depends.
    pub possible_processors: u32,
    /// For `trace`, `record` and `top`, with a ring buffer of the usual size.
    pub trace_bytes: u64,
    /// For `storm` and `check`.
    pub totals_bytes: u64,
}

impl KernelMemory {
    pub(super) fn text(&self) -> String {
        format!(
            "up to {} of kernel memory for `trace`, {} for `storm`",
            HumanBytes(self.trace_bytes),
            HumanBytes(self.totals_bytes)
        )
    }

    pub(super) fn here() -> Self {
        Self {
            possible_processors: maps::possible_processors(),
            trace_bytes: maps::trace_bytes(DEFAULT_RING_BYTES),
            totals_bytes: maps::totals_bytes(),
        }
    }
}
