//! Context of a way: its log, its name, its number of attempts.

use std::net::SocketAddr;

use crate::truth::{Probe, Truth};

/// Context of a way.
pub(crate) struct Context<'a> {
    /// Log of its attempts.
    pub(crate) truth: &'a Truth,
    /// Name of the way in the log.
    pub(crate) way: &'static str,
    /// Number of attempts to make.
    pub(crate) times: u32,
}

impl<'a> Context<'a> {
    /// Returns a probe that connects to `to` and logs under the way's name.
    pub(crate) fn probe(&self, to: SocketAddr) -> Probe<'a> {
        Probe::new(self.truth, self.way, to)
    }
}
