//! The kernel side of the loader: the only code that names aya.
//!
//! [`support`] determines the features of this machine, [`preflight`] whether a hook can work with
//! them. [`hooks`] and [`sites`] are the tables, from which [`programs`] chooses the programs for
//! `load`; [`attach`] turns them into a [`tracer`], which proves itself by a `self_test`. [`ring`]
//! reads its records, [`totals`] its totals, [`cost`] its run time. [`btf`] and [`offsets`] find
//! the fields of this kernel: Rust's eBPF target has no relocations for that, so the loader passes
//! the offsets on as read-only data. [`generation`] determines how the kernel selects ports.

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
