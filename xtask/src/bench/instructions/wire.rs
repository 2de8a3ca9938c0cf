//! Order to a guest, and its results: passed to `guest-meter` as a file, and back as lines.

use serde::{Deserialize, Serialize};

/// Path of the [`Order`] in the guest.
pub(crate) const ORDER_FILE: &str = "/order.json";

/// Beginning of a line of results.
pub(crate) const MARK: &str = "measured ";

/// Measurements of one guest, in this order.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// Seconds to wait first: after boot the kernel has other work for a while.
    pub(crate) settle_s: u64,
    /// The runs.
    pub(crate) runs: Vec<Run>,
}

/// One measurement.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    /// Name of the load, as in tables.
    pub(crate) load: String,
    /// Name of the tracer, as in tables.
    pub(crate) tracer: String,
    /// Command of the tracer; empty for none.
    pub(crate) command: Vec<String>,
    /// Sign that it traces.
    pub(crate) ready: Ready,
    /// Arguments of `assign cost`.
    pub(crate) cost: Vec<String>,
    /// Total number of connects that it makes, `None` if it makes none.
    pub(crate) made: Option<u64>,
    /// True if the tracer is ephtrace.
    pub(crate) is_ephtrace: bool,
}

/// Sign that a tracer traces.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Ready {
    /// The tracer writes a line to stderr.
    Says,
    /// The tracer does not report it, and is given this many seconds.
    After(u64),
}

/// Output of `assign cost`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Cost {
    /// Number of measured connects, 0 for an empty loop.
    pub(crate) connects: u64,
    /// 10th percentile of the duration of `connect()`, in nanoseconds.
    pub(crate) p10_ns: u64,
    /// Median.
    pub(crate) p50_ns: u64,
    /// 90th percentile.
    pub(crate) p90_ns: u64,
    /// Nanoseconds from the first to the last call, everything else included.
    pub(crate) total_ns: u64,
}

/// Result of one [`Run`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    /// Name of the load, as in [`Run::load`].
    pub(crate) load: String,
    /// Name of the tracer, as in [`Run::tracer`].
    pub(crate) tracer: String,
    /// True for ephtrace, as in [`Run::is_ephtrace`].
    pub(crate) is_ephtrace: bool,
    /// Number of connects, as in [`Run::made`].
    pub(crate) made: Option<u64>,
    /// The figures.
    pub(crate) cost: Cost,
    /// Last line that the tracer wrote to stdout.
    pub(crate) last_line: String,
    /// Last lines that it wrote to stderr.
    pub(crate) said: String,
    /// Number of bytes that it wrote to stdout.
    pub(crate) bytes: u64,
}
