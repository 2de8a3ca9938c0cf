//! Assignments sorted by time over a whole recording, however far each is from its place.
//!
//! Assignments are sorted in runs of [`RUN`], which wait in a file (`spool`); at the end of the
//! recording they are merged. A recording that fits into one run needs no file.

use std::{io, mem, vec};

use super::spool::{MAX_BYTES, Merged, Spool};
use crate::model::Assignment;

/// Number of assignments that are sorted in memory, 9 MiB.
pub const RUN: usize = 1 << 15;

/// Sorts the assignments of a whole recording.
pub struct WholeOrder {
    run: Vec<Assignment>,
    run_rows: usize,
    max_bytes: u64,
    spool: Option<Spool>,
    out: Out,
    /// Time of the latest assignment passed on.
    handed_ns: u64,
    disordered: u64,
}

/// Assignments that can be passed on.
enum Out {
    /// Nothing before the end of the recording.
    Nothing,
    /// Assignments that never left memory.
    Sorted(vec::IntoIter<Assignment>),
    /// Assignments from the file.
    Merged(Merged),
}

impl Default for WholeOrder {
    fn default() -> Self {
        Self::with_limits(RUN, MAX_BYTES)
    }
}

impl WholeOrder {
    /// Creates a sorter of `run_rows` in memory, and up to `max_bytes` in a file: further rows are
    /// sorted separately, and counted if they are too late.
    pub fn with_limits(run_rows: usize, max_bytes: u64) -> Self {
        Self {
            run: Vec::new(),
            run_rows: run_rows.max(1),
            max_bytes,
            spool: None,
            out: Out::Nothing,
            handed_ns: 0,
            disordered: 0,
        }
    }

    /// Adds the next assignment of the recording. Everything that [`WholeOrder::pop`] offers has to
    /// be taken before.
    pub fn push(&mut self, assignment: Assignment) -> io::Result<()> {
        self.run.push(assignment);
        if self.run.len() < self.run_rows {
            return Ok(());
        }
        self.spool_run()?;
        if self.spool.as_ref().is_some_and(|spool| spool.len() >= self.max_bytes) {
            return self.release();
        }
        Ok(())
    }

    /// Releases all waiting assignments, in order: at the end of the recording.
    pub fn release(&mut self) -> io::Result<()> {
        if self.spool.is_some() && !self.run.is_empty() {
            self.spool_run()?;
        }
        self.out = if let Some(spool) = self.spool.take() {
            Out::Merged(spool.merge()?)
        } else {
            self.sort();
            Out::Sorted(mem::take(&mut self.run).into_iter())
        };
        Ok(())
    }

    /// Returns the time of the assignment that [`WholeOrder::pop`] would return.
    pub fn next_ns(&self) -> Option<u64> {
        match &self.out {
            Out::Nothing => None,
            Out::Sorted(rest) => rest.as_slice().first().map(|first| first.ts_ns),
            Out::Merged(merged) => merged.next_ns(),
        }
    }

    /// The next assignment in order, once all were read.
    pub fn pop(&mut self) -> io::Result<Option<Assignment>> {
        let next = match &mut self.out {
            Out::Nothing => None,
            Out::Sorted(rest) => rest.next(),
            Out::Merged(merged) => merged.pop()?,
        };
        if let Some(next) = &next {
            self.disordered += u64::from(next.ts_ns < self.handed_ns);
            self.handed_ns = self.handed_ns.max(next.ts_ns);
        }
        Ok(next)
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.run.is_empty() && self.spool.is_none() && self.next_ns().is_none()
    }

    /// Number of assignments that were handed on after a later one.
    pub fn disordered(&self) -> u64 {
        self.disordered
    }

    fn sort(&mut self) {
        self.run.sort_by_key(|assignment| assignment.ts_ns);
    }

    fn spool_run(&mut self) -> io::Result<()> {
        self.sort();
        let mut spool = match self.spool.take() {
            Some(spool) => spool,
            None => Spool::create()?,
        };
        spool.write_run(&self.run)?;
        self.run.clear();
        self.spool = Some(spool);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ordered(times: &[u64], run_rows: usize, max_bytes: u64) -> (Vec<(u64, u16)>, u64) {
        let mut order = WholeOrder::with_limits(run_rows, max_bytes);
        let mut out = Vec::new();
        let mut drain = |order: &mut WholeOrder| {
            while let Some(next_ns) = order.next_ns() {
                let one = order.pop().unwrap().unwrap();
                assert_eq!(one.ts_ns, next_ns);
                out.push((one.ts_ns, one.sport.unwrap()));
            }
        };
        for (nth, &ts_ns) in (1..).zip(times) {
            drain(&mut order);
            let one = Assignment { ts_ns, sport: Some(nth), ..Assignment::default() };
            order.push(one).unwrap();
        }
        drain(&mut order);
        order.release().unwrap();
        drain(&mut order);
        assert!(order.is_empty());
        (out, order.disordered())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the order: all come out sorted, and those of one time as they came in.
        #[test]
        fn any_order_comes_out_sorted(
            times in prop::collection::vec(0_u64..1000, 0..200), run_rows in 1_usize..50,
        ) {
            let mut sorted: Vec<(u64, u16)> = times.iter().copied().zip(1..).collect();
            sorted.sort_by_key(|(ts_ns, _)| *ts_ns);
            prop_assert_eq!(ordered(&times, run_rows, MAX_BYTES), (sorted, 0));
        }

        /// Beyond the bound of the file nothing is lost, and what is too late is counted.
        #[test]
        fn a_full_file_is_sorted_piece_by_piece(
            times in prop::collection::vec(0_u64..1000, 0..200), max_bytes in 1_u64..500,
        ) {
            let (out, disordered) = ordered(&times, 8, max_bytes);
            prop_assert_eq!(out.len(), times.len());
            let mut latest = 0;
            let late = out.iter().filter(|(ts_ns, _)| {
                let is_late = *ts_ns < latest;
                latest = latest.max(*ts_ns);
                is_late
            });
            prop_assert_eq!(late.count() as u64, disordered);
        }
    }
}
