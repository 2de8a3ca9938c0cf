//! The kernel side of the loader: everything that names aya, and nothing else does.
//!
//! [`support`] finds out what this machine offers, [`hooks`] is the table of hooks, [`attach`] loads
//! and attaches one of them, [`tracer`] is what is attached, [`ring`] reads its records and [`totals`] its
//! totals, [`cost`] what it costs. [`btf`] and
//! [`offsets`] answer where this kernel keeps its fields: Rust's eBPF target has no relocations for
//! that, so the loader hands the answers over as read-only data.

pub mod attach;
pub mod btf;
mod config;
pub mod cost;
pub mod decode;
pub mod error;
pub mod hooks;
mod jiffies;
pub mod module;
mod object;
pub mod offsets;
pub mod ring;
pub mod support;
pub mod symbols;
pub mod totals;
pub mod tracer;
