//! Detection of the beginning and end of a storm, and of the process that began it.
//!
//! A storm is measured against the usual rate before it: no threshold fits a build server and a
//! proxy alike. Without a quiet time before it, no storm is reported.

use std::collections::{HashMap, VecDeque};

use super::{Interval, Row};
use crate::analyse::findings::Storm;

/// Number of quiet intervals that the usual rate is taken from.
const MEMORY: usize = 30;

/// Minimum number of quiet intervals for a usual rate.
const MIN_QUIET: usize = 3;

/// Factor over the usual rate at which a storm begins …
const BEGINS: f64 = 4.0;

/// … together with this minimum rise, in assignments a second: a rise from two to nine a second is
/// no storm.
const LEAST_RISE: f64 = 200.0;

/// Factor over the usual rate below which a storm has ended.
const ENDS: f64 = 2.0;

/// Follows the rate of assignments from interval to interval.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    quiet: VecDeque<f64>,
    /// Assignments a second by process name, in the last quiet interval.
    usual: HashMap<String, f64>,
    storm: Option<Storm>,
}

impl Detector {
    /// Adds an interval. Returns the storm that goes on, or that has just ended.
    pub fn observe(&mut self, interval: &Interval) -> Option<Storm> {
        let rate = interval.all.per_second;
        let began_ns = interval.end_ns.saturating_sub(interval.duration_ns);
        if let Some(storm) = &mut self.storm {
            storm.peak = storm.peak.max(rate);
            if rate > storm.before * ENDS && rate > LEAST_RISE {
                return Some(storm.clone());
            }
            storm.ended_ns = Some(began_ns);
            self.note_quiet(interval);
            return self.storm.take();
        }
        match self.usual_rate() {
            Some(before) if rate > before * BEGINS && rate > before + LEAST_RISE => {
                let initiator = self.initiator(interval, rate - before);
                let storm = Storm { before, peak: rate, began_ns, ended_ns: None, initiator };
                self.storm = Some(storm.clone());
                Some(storm)
            }
            _ => {
                self.note_quiet(interval);
                None
            }
        }
    }

    fn note_quiet(&mut self, interval: &Interval) {
        if self.quiet.len() == MEMORY {
            self.quiet.pop_front();
        }
        self.quiet.push_back(interval.all.per_second);
        self.usual = by_name(&interval.rows);
    }

    /// Median of the quiet intervals.
    fn usual_rate(&self) -> Option<f64> {
        if self.quiet.len() < MIN_QUIET {
            return None;
        }
        let mut rates: Vec<f64> = self.quiet.iter().copied().collect();
        let middle = rates.len() / 2;
        Some(*rates.select_nth_unstable_by(middle, f64::total_cmp).1)
    }

    /// Returns the process name whose rate rose most, and its share of the rise.
    fn initiator(&self, interval: &Interval, rise: f64) -> Option<(String, f64)> {
        let now = by_name(&interval.rows);
        let risen = now.into_iter().map(|(name, rate)| {
            let before = self.usual.get(&name).copied().unwrap_or(0.0);
            (name, rate - before)
        });
        let (name, most) = risen.max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?;
        let rows = interval.rows.iter().filter(|row| row.comm == name);
        let busiest = rows.max_by(|a, b| a.numbers.assignments.cmp(&b.numbers.assignments))?;
        Some((busiest.process(), (most / rise).clamp(0.0, 1.0)))
    }
}

fn by_name(rows: &[Row]) -> HashMap<String, f64> {
    let mut rates = HashMap::new();
    for row in rows {
        *rates.entry(row.comm.clone()).or_insert(0.0) += row.numbers.per_second;
    }
    rates
}
