//! Items that a reader of recordings returns.

use thiserror::Error;

use crate::model::Assignment;

/// Next item of a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An assignment.
    Assignment(Assignment),
    /// A broken item in place of an assignment.
    Broken(Broken),
}

/// What a recording tells of when its ports were assigned, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chronology {
    /// Nothing: it lists the ports of one moment.
    Nothing,
    /// The order, but no times.
    Order,
    /// The time of each.
    Times,
}

/// A piece of a recording that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{unit} {number}: {reason}")]
pub struct Broken {
    /// Unit of counting: lines, packets, or bytes.
    pub unit: &'static str,
    /// Number of the piece, from 1 on.
    pub number: u64,
    /// Error in the piece.
    pub reason: String,
}
