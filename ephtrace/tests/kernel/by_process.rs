//! What was lost, by process, as the summary tells it.

use serde::Deserialize;

/// What was lost, by process.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ByProcess {
    pub(crate) busiest: Vec<ProcessLosses>,
    pub(crate) other_lost: u64,
}

/// What one process lost.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProcessLosses {
    pub(crate) pid: Option<u32>,
    pub(crate) lost: u64,
}

impl ByProcess {
    /// What all processes lost.
    pub(crate) fn all(&self) -> u64 {
        self.busiest.iter().map(|one| one.lost).sum::<u64>() + self.other_lost
    }
}
