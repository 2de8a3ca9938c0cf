//! What `check` is to do.

use std::{path::PathBuf, time::Duration};

use super::{UsageError, build_filter, named_hook, parse};
use crate::{
    check::{Limits, Thresholds},
    cli::{CheckArgs, FilterArgs},
    event::Hook,
    inventory::Which,
};

/// What `check` is to do.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// Thresholds.
    pub limits: Limits,
    /// How long to count; `None` to look only.
    pub count_for: Option<Duration>,
    /// Where to look.
    pub which: Which,
    /// What to count: that of the same namespaces.
    pub filter: ephtrace_common::Filter,
    /// The hook that was named; `None` for the first that works.
    pub hook: Option<Hook>,
    /// Where to read the kernel's types, if not where the kernel shows them.
    pub btf: Option<PathBuf>,
}

impl TryFrom<CheckArgs> for CheckSettings {
    type Error = UsageError;

    fn try_from(args: CheckArgs) -> Result<Self, UsageError> {
        let CheckArgs { r#use, failures, p99, span, no_trace, netns, kernel } = args;
        let is_all = netns.iter().any(|text| text == "all");
        let which = super::which(&netns)?;
        let counted = FilterArgs { netns, ..FilterArgs::default() };
        let filter = build_filter(&if is_all { FilterArgs::default() } else { counted })?;
        let span = parse::duration("--for", &span)?;
        Ok(Self {
            limits: Limits {
                used: pair("--use", &r#use, |text| percent("--use", text))?,
                failures: pair("--failures", &failures, |text| percent("--failures", text))?,
                p99_ns: pair("--p99", &p99, |text| {
                    Ok(parse::duration("--p99", text)?.as_secs_f64() * 1e9)
                })?,
            },
            count_for: (!no_trace).then_some(span),
            which,
            filter,
            hook: named_hook(kernel.hook),
            btf: kernel.btf,
        })
    }
}

fn pair(
    flag: &'static str,
    text: &str,
    value: impl Fn(&str) -> Result<f64, UsageError>,
) -> Result<Thresholds, UsageError> {
    let wrong = |reason: &str| UsageError::Value {
        flag,
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (warning, critical) =
        text.split_once(',').ok_or_else(|| wrong("it takes two values, such as the default"))?;
    let thresholds = Thresholds { warning: value(warning)?, critical: value(critical)? };
    if thresholds.warning > thresholds.critical {
        return Err(wrong("the first value warns, so it can't be above the second"));
    }
    Ok(thresholds)
}

fn percent(flag: &'static str, text: &str) -> Result<f64, UsageError> {
    let number = text.trim_end_matches('%').parse().ok().filter(|n| (0.0..=100.0).contains(n));
    number.ok_or_else(|| UsageError::Value {
        flag,
        value: text.to_owned(),
        reason: "it takes a percentage from 0 to 100".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut CheckArgs)) -> Result<CheckSettings, UsageError> {
        let texts = ["50,90", "0,1", "1ms,10ms", "2s"].map(str::to_owned);
        let [r#use, failures, p99, span] = texts;
        let mut args = CheckArgs { r#use, failures, p99, span, ..CheckArgs::default() };
        change(&mut args);
        CheckSettings::try_from(args)
    }

    #[test]
    fn thresholds_are_pairs() {
        let limits = settings(|_| {}).unwrap().limits;
        assert_eq!(limits.p99_ns, Thresholds { warning: 1e6, critical: 1e7 });
        for wrong in ["90,50", "50", "x,9", "5,101", "-1,5", "nan,5"] {
            assert!(settings(|args| args.r#use = wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn looking_only_counts_nothing() {
        assert_eq!(settings(|args| args.no_trace = true).unwrap().count_for, None);
    }
}
