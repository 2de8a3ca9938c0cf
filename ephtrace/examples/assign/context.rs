//! The surroundings of a way: its log, its name, how often it is gone.

use std::net::SocketAddr;

use crate::truth::{Probe, Truth};

/// What a way needs to know.
pub(crate) struct Context<'a> {
    /// Where its attempts are logged.
    pub(crate) truth: &'a Truth,
    /// Its name in the log.
    pub(crate) way: &'static str,
    /// How often to go it.
    pub(crate) times: u32,
}

impl<'a> Context<'a> {
    /// Attempts to connect to `to`, logged under the way's name.
    pub(crate) fn probe(&self, to: SocketAddr) -> Probe<'a> {
        Probe::new(self.truth, self.way, to)
    }
}
