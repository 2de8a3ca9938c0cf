//! Arguments checked: numbers for names, limits kept, nothing left to fail later that can be known
//! now.
//!
//! This reads `/etc/passwd`, namespaces and cgroups, but changes nothing and does not touch the
//! kernel half.

mod error;
mod filter;
mod lookup;
pub(super) mod parse;
pub(super) mod ports;
mod question;

pub(super) use self::filter::{build_live_filter, build_recorded_filter, named_hook, which};
pub(super) use self::lookup::account;
pub(super) use self::question::{Asked, question};
pub use self::{
    error::UsageError,
    filter::{all_origins, namespace},
};

#[cfg(test)]
mod tests;
