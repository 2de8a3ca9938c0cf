//! Helpers that several test modules share.

pub(super) mod types;
