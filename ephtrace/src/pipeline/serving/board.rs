//! The latest snapshot, between the thread that measures and the one that answers.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;

use crate::output::metrics::{Exposition, Snapshot};

/// Holds the latest snapshot.
pub(crate) struct Board(Mutex<Arc<Published>>);

/// A snapshot, and its texts once somebody has asked for them: a hundred scrapers cost one writing.
pub(crate) struct Published {
    pub(crate) snapshot: Arc<Snapshot>,
    texts: [OnceLock<Result<Bytes, fmt::Error>>; 2],
}

impl Board {
    /// Creates a board with a first snapshot.
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self(Mutex::new(Published::new(snapshot)))
    }

    /// Replaces the snapshot.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let published = Published::new(snapshot);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }

    /// Returns the latest snapshot.
    pub(crate) fn latest(&self) -> Arc<Published> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Published {
    fn new(snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self { snapshot: Arc::new(snapshot), texts: Default::default() })
    }

    /// Returns the metrics as text.
    pub(crate) fn text(&self, exposition: Exposition) -> Result<Bytes, fmt::Error> {
        let [prometheus, open_metrics] = &self.texts;
        let text = match exposition {
            Exposition::Prometheus => prometheus,
            Exposition::OpenMetrics => open_metrics,
        };
        let write = || exposition.write(Arc::clone(&self.snapshot)).map(Bytes::from);
        text.get_or_init(write).clone()
    }

    /// Returns why the numbers are not to be relied on, if so.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.snapshot.trouble.as_deref()
    }
}
