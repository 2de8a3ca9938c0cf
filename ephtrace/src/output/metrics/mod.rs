//! Metrics for Prometheus: a snapshot of a run, in the text formats of Prometheus and
//! `OpenMetrics`.
//!
//! ```text
//! Snapshot ─ definitions (each metric once) ─→ prometheus-client ─→ text
//! ```

mod definitions;
mod metric;
mod series;
mod snapshot;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text},
    metrics::MetricType,
    registry::Registry,
};

pub use self::{
    definitions::METRICS,
    metric::{Metric, Type, Value},
    snapshot::{NetnsUse, Recorded, Snapshot},
};

/// Text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus, version 0.0.4; files for `node_exporter` have it, too.
    Prometheus,
    /// `OpenMetrics`, version 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// Returns the format that a client asks for by its `Accept` header.
    pub fn accepted_by(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes all metrics of a snapshot.
    ///
    /// # Errors
    ///
    /// Memory for the text is all that can fail.
    pub fn write(self, snapshot: Arc<Snapshot>) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Collected(snapshot)));
        let mut written = String::new();
        match self {
            Self::Prometheus => prometheus_text::encode(&mut written, &registry)?,
            Self::OpenMetrics => text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }
}

/// Number of series in a snapshot.
pub fn series(snapshot: &Snapshot) -> usize {
    METRICS.iter().map(|metric| (metric.series)(snapshot).len()).sum()
}

#[derive(Debug)]
struct Collected(Arc<Snapshot>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for metric in METRICS {
            let series = (metric.series)(&self.0);
            if series.is_empty() {
                continue;
            }
            let kind = match metric.kind {
                Type::Counter => MetricType::Counter,
                Type::Gauge => MetricType::Gauge,
                Type::Histogram => MetricType::Histogram,
                Type::Info => MetricType::Info,
            };
            let mut encoder = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for (values, value) in series {
                let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
                if metric.kind == Type::Info {
                    encoder.encode_info(&labels)?;
                } else {
                    write(encoder.encode_family(&labels)?, metric.kind, &value)?;
                }
            }
        }
        Ok(())
    }
}

fn write(mut to: MetricEncoder<'_>, kind: Type, value: &Value) -> Result<(), fmt::Error> {
    match value {
        Value::Count(count) if kind == Type::Counter => {
            to.encode_counter::<NoLabelSet, _, u64>(count, None)
        }
        Value::Number(number) if kind == Type::Counter => {
            to.encode_counter::<NoLabelSet, _, u64>(number, None)
        }
        Value::Count(count) => to.encode_gauge(count),
        Value::Number(number) => to.encode_gauge(number),
        Value::Histogram { sum, buckets } => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            to.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
