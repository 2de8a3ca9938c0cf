//! The kernel side of the loader: everything that names aya, and nothing else does.
//!
//! [`support`] finds out what this machine offers, [`preflight`] whether a hook can work with it.
//! [`hooks`] and [`sites`] are the tables, out of which [`programs`] chooses what `load` loads;
//! [`attach`] makes a [`tracer`] of it, which proves itself by a `self_test`. [`ring`] reads its
//! records, [`totals`] its totals, [`cost`] its run time. [`btf`] and [`offsets`] answer where this
//! kernel keeps its fields: Rust's eBPF target has no relocations for that, so the loader passes
//! the answers on as read-only data. [`generation`] tells how it selects ports.

pub mod attach;
pub mod btf;
mod config;
pub mod cost;
pub mod decode;
pub mod error;
mod exclusive;
mod failed_calls;
pub mod filter;
pub mod generation;
pub mod hooks;
mod jiffies;
mod load;
pub mod maps;
pub mod module;
mod object;
pub mod offsets;
pub mod options;
pub mod preflight;
pub mod programs;
pub mod ring;
pub mod self_test;
pub mod sites;
pub mod support;
pub mod symbols;
#[cfg(test)]
mod tests;
pub mod totals;
pub mod tracer;
mod unnoticed;
