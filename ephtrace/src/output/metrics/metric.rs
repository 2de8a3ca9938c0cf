//! A metric, and the parts of its series.

use super::snapshot::Snapshot;

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number that only grows.
    Counter,
    /// A number that comes and goes.
    Gauge,
    /// Numbers of observations up to bounds.
    Histogram,
    /// Facts as labels, with the value 1.
    Info,
}

/// Value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// Any number.
    Number(f64),
    /// Observations.
    Histogram {
        /// Sum of all values.
        sum: f64,
        /// Upper bounds, and the observations in each part.
        buckets: Vec<(f64, u64)>,
    },
}

/// A series: the values of its labels, and its value.
pub(super) type Series = (Vec<String>, Value);

/// Definition of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name, without `_total` and `_info`.
    pub name: &'static str,
    /// Type.
    pub kind: Type,
    /// Meaning, in a sentence.
    pub help: &'static str,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// Returns the series in a snapshot.
    pub series: fn(&Snapshot) -> Vec<Series>,
}
