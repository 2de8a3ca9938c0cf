//! Sort orders of the tables.

use std::cmp::Ordering;

use super::rows::Row;
use crate::analyse::{lanes::LaneKey, summary::DestinationSummary};

/// A column to sort by.
pub(crate) trait Column: Copy + PartialEq + 'static {
    /// All columns, from left to right.
    const ALL: &'static [Self];
}

/// Columns of the destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByDestination {
    Name,
    Rate,
    Failed,
    Use,
    Step,
    Tried,
    Latency,
    Verdict,
}

impl Column for ByDestination {
    const ALL: &'static [Self] = &[
        Self::Name,
        Self::Rate,
        Self::Failed,
        Self::Use,
        Self::Step,
        Self::Tried,
        Self::Latency,
        Self::Verdict,
    ];
}

/// Columns of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByProcess {
    Pid,
    Name,
    Rate,
    Count,
    Failed,
    Verdict,
}

impl Column for ByProcess {
    const ALL: &'static [Self] =
        &[Self::Pid, Self::Name, Self::Rate, Self::Count, Self::Failed, Self::Verdict];
}

/// A column and the direction. By default, numbers are sorted highest first, names alphabetically.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sort<C> {
    pub(crate) by: C,
    pub(crate) reversed: bool,
}

impl<C: Column> Sort<C> {
    pub(crate) fn new(by: C) -> Self {
        Self { by, reversed: false }
    }

    /// Moves on to the next column.
    pub(crate) fn next(&mut self) {
        let at = C::ALL.iter().position(|column| *column == self.by).unwrap_or(0);
        *self = Self::new(C::ALL[(at + 1) % C::ALL.len()]);
    }

    /// Returns `ordering` in the chosen direction.
    pub(crate) fn direct(&self, ordering: Ordering) -> Ordering {
        if self.reversed { ordering.reverse() } else { ordering }
    }
}

/// A row with the other values by which rows are compared.
pub(crate) struct Compared<'a> {
    pub(crate) lane: &'a LaneKey,
    pub(crate) row: &'a Row,
    pub(crate) count: u64,
    /// Percentage in use.
    pub(crate) in_use: Option<u32>,
}

impl ByDestination {
    pub(crate) fn compare(self, a: &Compared<'_>, b: &Compared<'_>) -> Ordering {
        let highest = |value: fn(&Row) -> Option<f64>| known_first(value(a.row), value(b.row));
        match self {
            Self::Name => Ordering::Equal,
            Self::Rate => highest(|row| row.rate),
            Self::Failed => b.row.failures.cmp(&a.row.failures),
            Self::Use => b.in_use.cmp(&a.in_use),
            Self::Step => highest(|row| row.step().map(|step| f64::from(step.saturating_abs()))),
            Self::Tried => highest(|row| row.tried),
            Self::Latency => highest(|row| row.latency_ns),
            Self::Verdict => verdict(a.row).cmp(&verdict(b.row)),
        }
        .then_with(|| if self == Self::Name { Ordering::Equal } else { b.count.cmp(&a.count) })
        .then_with(|| a.lane.flow.cmp(&b.lane.flow))
        .then_with(|| a.lane.cmp(b.lane))
    }
}

/// Compares with the highest first and unknown values last.
fn known_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    let rank = |value: Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
    rank(b).total_cmp(&rank(a))
}

/// Returns the word of the verdict as a sort key; rows without a word come last.
fn verdict(row: &Row) -> (bool, &'static str) {
    let said = row.said.as_deref();
    let word =
        said.map(|said: &DestinationSummary| crate::output::summary::words::word(&said.verdict));
    (word.is_none(), word.unwrap_or_default())
}
