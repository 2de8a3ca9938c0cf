//! Assignments sorted by time, as far as a bounded window allows.
//!
//! Flow logs are written when a connection ends, captures of several interfaces are merged: rows of
//! a recording may be far from the order in which ports were assigned, and out of order a counter
//! looks random. So up to twice [`WINDOW`] assignments wait, are sorted, and the earlier half is handed
//! on. An assignment with at most [`WINDOW`] later ones before it comes out where it belongs; one
//! that is further behind is counted.

use std::collections::VecDeque;

use crate::model::Assignment;

/// An assignment may have so many later ones before it and is still put in order. 33 s of a log
/// that is written at the end of 1000 connections a second, in 16 MiB.
pub const WINDOW: usize = 1 << 15;

/// Puts assignments in order.
pub struct Order {
    /// Sorted, unless `is_sorted` says that the latest ones are not.
    waiting: VecDeque<Assignment>,
    is_sorted: bool,
    /// So many of the first ones have no earlier ones to wait for.
    released: usize,
    window: usize,
    /// Time of the latest one that was handed on.
    handed_ns: u64,
    disordered: u64,
}

impl Default for Order {
    fn default() -> Self {
        Self::with_window(WINDOW)
    }
}

impl Order {
    /// Sorts within `window` assignments, at least one.
    pub fn with_window(window: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            is_sorted: true,
            released: 0,
            window: window.max(1),
            handed_ns: 0,
            disordered: 0,
        }
    }

    /// Takes the next assignment of the recording in. All that [`Order::pop`] offers has to be
    /// taken before.
    pub fn push(&mut self, assignment: Assignment) {
        self.is_sorted &= self.waiting.back().is_none_or(|last| last.ts_ns <= assignment.ts_ns);
        self.waiting.push_back(assignment);
        if self.waiting.len() >= 2 * self.window {
            self.sort();
            self.released = self.window;
        }
    }

    /// Time of the assignment that [`Order::pop`] would return, in nanoseconds since the Unix epoch.
    pub fn next_ns(&self) -> Option<u64> {
        if self.released == 0 { None } else { self.waiting.front().map(|first| first.ts_ns) }
    }

    /// The next assignment in order, once enough others were read to know it.
    pub fn pop(&mut self) -> Option<Assignment> {
        self.released = self.released.checked_sub(1)?;
        let first = self.waiting.pop_front()?;
        self.disordered += u64::from(first.ts_ns < self.handed_ns);
        self.handed_ns = self.handed_ns.max(first.ts_ns);
        Some(first)
    }

    /// Lets all that wait go, in order: nothing earlier is expected any more.
    pub fn release(&mut self) {
        self.sort();
        self.released = self.waiting.len();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of assignments that were handed on after a later one.
    pub fn disordered(&self) -> u64 {
        self.disordered
    }

    /// Stable: of two at the same time, the first one of the recording stays the first.
    fn sort(&mut self) {
        if !self.is_sorted {
            self.waiting.make_contiguous().sort_by_key(|assignment| assignment.ts_ns);
            self.is_sorted = true;
        }
    }
}
