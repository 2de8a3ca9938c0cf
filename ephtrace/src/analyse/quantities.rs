//! Quantities that the summary of a run and the totals of a storm share, in the same shape.

use serde::Serialize;

/// Number of occurrences of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorCount {
    /// Positive errno, if known.
    pub errno: Option<u16>,
    /// Name of the errno, if it has one.
    pub error: Option<&'static str>,
    /// Number of occurrences.
    pub count: u64,
}

/// Quantiles of the port search latency, in nanoseconds, to two digits; the maximum is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// Maximum.
    pub max_ns: u64,
}
