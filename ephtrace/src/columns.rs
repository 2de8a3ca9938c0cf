//! Rough.
