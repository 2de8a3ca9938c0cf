//! Intervals of periodic tasks, and the event loop that they run in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep_until};

/// Interval of draining the ring. The default ring holds a hundred times what the fastest storm
/// makes in this time, and a person sees no delay.
pub(crate) const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// Interval of handling clocks, losses and cost.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time to wait before the first count.
pub(crate) const SETTLE: Duration = Duration::from_millis(5);

/// Time for searches in flight to end: the longest one walks a whole range, some milliseconds.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// Runs `task` to its end, on this thread.
pub(crate) fn block_on<T>(task: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the event loop")?
        .block_on(task)
}

/// Waits until `end`; forever, if there is none.
pub(crate) async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
