//! Quantities that the summary of a run and the totals of a storm have in common: one thing, one
//! shape.

use serde::Serialize;

/// How often an error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorCount {
    /// The positive errno, if known.
    pub errno: Option<u16>,
    /// Its name, if it has one.
    pub error: Option<&'static str>,
    /// How often.
    pub count: u64,
}

/// Quantiles of the latency, in nanoseconds, to two digits; the longest is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}
