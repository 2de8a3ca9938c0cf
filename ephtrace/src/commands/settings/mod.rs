//! Checks arguments: resolves names to numbers, keeps limits, and reports early every error that
//! can be known early.
//!
//! The checks read `/etc/passwd`, namespaces and cgroups, but change nothing and do not touch the
//! kernel half.

mod error;
mod filter;
mod lookup;
pub(super) mod parse;
pub(super) mod ports;
mod question;

pub(super) use self::filter::{
    build_kernel_filter, build_live_filter, build_recorded_filter, grouping, named_hook, which,
};
pub(super) use self::lookup::account;
pub(super) use self::question::{Asked, question};
pub use self::{
    error::UsageError,
    filter::{all_origins, namespace},
};

#[cfg(test)]
mod tests;
