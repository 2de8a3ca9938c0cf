//! What a guest is to measure, and what it found: passed to `guest-meter` as a file, and back as
//! lines.

use serde::{Deserialize, Serialize};

/// Where the guest finds its [`Order`].
pub(crate) const ORDER_FILE: &str = "/order.json";

/// What a line of results begins with.
pub(crate) const MARK: &str = "measured ";

/// What one guest measures, in this order.
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
    /// What is connected to, as tables name it.
    pub(crate) load: String,
    /// What traces, as tables name it.
    pub(crate) tracer: String,
    /// The tracer's command; nothing traces if that is empty.
    pub(crate) command: Vec<String>,
    /// How it is known that it traces.
    pub(crate) ready: Ready,
    /// Arguments of `assign cost`.
    pub(crate) cost: Vec<String>,
    /// How many connects it makes in all, `None` where it makes none.
    pub(crate) made: Option<u64>,
    /// The tracer is ephtrace.
    pub(crate) is_ephtrace: bool,
}

/// How it is known that a tracer traces.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Ready {
    /// The tracer writes a line to stderr.
    Says,
    /// The tracer does not say; it is given so many seconds.
    After(u64),
}

/// What `assign cost` prints.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Cost {
    /// How many connects were measured, 0 where an empty loop was.
    pub(crate) connects: u64,
    /// Nanoseconds that a tenth of the calls of `connect()` stays below.
    pub(crate) p10_ns: u64,
    /// The median.
    pub(crate) p50_ns: u64,
    /// Nanoseconds that nine tenths stay below.
    pub(crate) p90_ns: u64,
    /// Nanoseconds from the first to the last, all else included.
    pub(crate) total_ns: u64,
}

/// What one [`Run`] came to.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    /// As in [`Run::load`].
    pub(crate) load: String,
    /// As in [`Run::tracer`].
    pub(crate) tracer: String,
    /// As in [`Run::is_ephtrace`].
    pub(crate) is_ephtrace: bool,
    /// As in [`Run::made`].
    pub(crate) made: Option<u64>,
    /// The figures.
    pub(crate) cost: Cost,
    /// The last line that the tracer wrote to stdout.
    pub(crate) last_line: String,
    /// The last lines that it wrote to stderr.
    pub(crate) said: String,
    /// How many bytes it wrote to stdout.
    pub(crate) bytes: u64,
}
