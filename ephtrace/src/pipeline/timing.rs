//! How often things are done, and the event loop they are done in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep_until};

/// How often the ring is drained. The default ring holds what the fastest storm makes in a hundred
/// times as long, and a person sees no delay.
pub(crate) const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// How often clocks, losses and cost are looked after.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before the first count.
pub(crate) const SETTLE: Duration = Duration::from_millis(5);

/// How long searches in flight get to end: the longest one walks a whole range, some milliseconds.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// Runs `task` to its end, on this thread.
pub(crate) fn block_on<T>(task: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the event loop")?
        .block_on(task)
}

/// At `end`; never, if there is none.
pub(crate) async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
