//! What tests of several files here share.

pub(super) mod types;
