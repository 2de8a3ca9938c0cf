//! What a reader of recordings hands out.

use thiserror::Error;

use crate::model::Assignment;

/// What comes next in a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An assignment.
    Assignment(Assignment),
    /// Something that should have been one.
    Broken(Broken),
}

/// A piece of a recording that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{unit} {number}: {reason}")]
pub struct Broken {
    /// What is counted: lines, packets, or bytes.
    pub unit: &'static str,
    /// Which of them, from 1 on.
    pub number: u64,
    /// What is wrong with it.
    pub reason: String,
}
