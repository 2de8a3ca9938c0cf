//! Totals of one interval: assignments by process and destination, failures, cost. Pure; the totals
//! come from `kernel::totals`.
//!
//! Rows are exact sums: nothing is sampled. Quantiles come from histograms and are upper bounds, at
//! most a quarter above the true value (latency) or twice it (candidates).

mod detector;
mod group;
mod numbers;

use std::{cmp::Reverse, collections::HashMap};

use ephtrace_common::totals::{Totals, TotalsKey};
use serde::Serialize;
use zerocopy::FromZeros as _;

use self::group::{Group, Members};
pub use self::{
    detector::Detector,
    group::Row,
    numbers::{Numbers, Period, error_name},
};
use super::self_connect::SelfConnect;
use crate::model::{Origin, grouping::By, task_names::Membership};

/// Totals of one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// End of the interval, in nanoseconds since the Unix epoch.
    #[serde(rename = "ts_ns")]
    pub end_ns: u64,
    /// Duration, in nanoseconds.
    pub duration_ns: u64,
    /// Grouping of the rows.
    pub by: By,
    /// Numbers over all rows.
    pub all: Numbers,
    /// Groups, by destination and origin: longest search time first.
    pub rows: Vec<Row>,
    /// Assignments that did not fit into the kernel's map; null if all did.
    pub other: Option<Numbers>,
}

impl Interval {
    /// Creates an interval from the kernel's rows, grouped `by`; processes of one name in one
    /// container are one row. `membership` returns what a row's process belongs to, or `None` if
    /// the row is not wanted.
    pub fn new(
        period: Period,
        rows: &[(TotalsKey, Totals)],
        other: Option<&Totals>,
        by: By,
        mut membership: impl FnMut(&TotalsKey, &Totals) -> Option<Membership>,
    ) -> Self {
        let mut all = Totals::new_zeroed();
        let mut groups: HashMap<Group, Members> = HashMap::new();
        for (key, totals) in rows {
            let Some(membership) = membership(key, totals) else { continue };
            all.merge(totals);
            let group = Group::of(by, key, totals, &membership);
            groups.entry(group).or_default().add(key.pid, totals, membership);
        }
        if let Some(other) = other {
            all.merge(other);
        }
        let mut rows: Vec<Row> =
            groups.iter().map(|(group, members)| group.row(members, period)).collect();
        // Ties break by displayed values, so that equal input gives equal output.
        rows.sort_by_cached_key(|row| {
            (
                Reverse((row.numbers.search_ns, row.numbers.assignments)),
                row.comm.clone(),
                row.flow,
                row.origin.map(Origin::name),
                row.group.clone(),
                row.container.clone(),
            )
        });
        Self {
            end_ns: period.end_ns,
            duration_ns: period.duration_ns,
            by,
            all: Numbers::of(&all, period),
            rows,
            other: other.map(|other| Numbers::of(other, period)),
        }
    }
}

impl Interval {
    /// Returns the sockets that were connected to themselves, if there are any.
    pub fn self_connects(&self) -> Option<SelfConnect> {
        let row = self.rows.iter().find(|row| row.numbers.self_connects > 0)?;
        Some(SelfConnect::of_count(self.all.self_connects, row.flow.remote()?, row.process()))
    }
}

#[cfg(test)]
mod tests;
