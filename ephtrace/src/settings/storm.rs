//! What `storm` is to do.

use std::{path::PathBuf, time::Duration};

use ephtrace_common::Filter;

use super::{UsageError, build_filter, named_hook, parse};
use crate::{cli::StormArgs, event::Hook};

/// Shortest interval: reading the kernel's maps takes some milliseconds.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// What `storm` is to do.
#[derive(Clone, Debug)]
pub struct StormSettings {
    /// How often to look.
    pub interval: Duration,
    /// Stop after so many looks.
    pub count: Option<u64>,
    /// Rows to show; `None` for all.
    pub limit: Option<usize>,
    /// Data, not tables.
    pub json: bool,
    /// Rows that the kernel keeps room for; `None` for as many as its memory bound allows.
    pub rows: Option<u32>,
    /// Which assignments to count.
    pub filter: Filter,
    /// The hook that was named; `None` for the first that works.
    pub hook: Option<Hook>,
    /// Where to read the kernel's types, if not where the kernel shows them.
    pub btf: Option<PathBuf>,
    /// Nothing but errors on the notices.
    pub quiet: bool,
}

impl TryFrom<StormArgs> for StormSettings {
    type Error = UsageError;

    fn try_from(args: StormArgs) -> Result<Self, UsageError> {
        let StormArgs { interval, count, limit, json, rows, filter, kernel, verbosity } = args;
        Ok(Self {
            interval: parse_interval(&interval)?,
            count,
            limit: (limit > 0).then_some(limit),
            json,
            rows,
            filter: build_filter(&filter)?,
            hook: named_hook(kernel.hook),
            btf: kernel.btf,
            quiet: verbosity.quiet,
        })
    }
}

/// Seconds, as `vmstat` takes them, or a time with its unit.
fn parse_interval(text: &str) -> Result<Duration, UsageError> {
    let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let interval = match seconds {
        Some(seconds) => seconds,
        None => parse::duration("INTERVAL", text)?,
    };
    if interval < MIN_INTERVAL {
        return Err(UsageError::Value {
            flag: "INTERVAL",
            value: text.to_owned(),
            reason: "it must be at least 100ms".to_owned(),
        });
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_seconds_or_times() {
        let ms = |text| parse_interval(text).map(|interval| interval.as_millis()).ok();
        assert_eq!(
            ["1", "0.5", "250ms", "2m"].map(ms),
            [Some(1000), Some(500), Some(250), Some(120_000)]
        );
        assert_eq!(["0", "0.01", "-1", "x", "nan", "1e300"].map(ms), [None; 6]);
    }
}
