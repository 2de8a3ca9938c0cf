//! The signals that end a run.

use std::{future::poll_fn, task::Poll};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that a run waits for.
pub(crate) struct ShutdownSignals(Vec<Signal>);

impl ShutdownSignals {
    /// From the keyboard, and from `kill`.
    pub(crate) fn new() -> Result<Self> {
        Self::of(&[SignalKind::interrupt(), SignalKind::terminate()])
    }

    /// From a terminal that is drawn on, too: one that is gone, and its other key.
    pub(crate) fn of_terminal() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self::of(&[&kinds[..], &[SignalKind::hangup(), SignalKind::quit()]].concat())
    }

    fn of(kinds: &[SignalKind]) -> Result<Self> {
        let signals = kinds.iter().map(|&kind| signal(kind).context("can't wait for signals"));
        signals.collect::<Result<_>>().map(Self)
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        poll_fn(|cx| {
            let is_there = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if is_there { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
