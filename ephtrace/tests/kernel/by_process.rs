//! Losses by process, as the summary gives them.

use serde::Deserialize;

/// Losses by process.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ByProcess {
    pub(crate) busiest: Vec<ProcessLosses>,
    pub(crate) other_lost: u64,
}

/// Losses of one process.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProcessLosses {
    pub(crate) pid: Option<u32>,
    pub(crate) lost: u64,
}

impl ByProcess {
    /// Returns the losses of all processes together.
    pub(crate) fn all(&self) -> u64 {
        self.busiest.iter().map(|one| one.lost).sum::<u64>() + self.other_lost
    }
}
