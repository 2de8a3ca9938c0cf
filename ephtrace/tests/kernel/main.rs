//! ephtrace beside a program that knows the truth, on a real kernel.
//!
//! The example `assign` makes the kernel assign ports in every way and asks the kernel which ones
//! it chose; ephtrace runs beside it and must report exactly these. Needs root, and a kernel with
//! the hooks under test:
//!
//! ```text
//! cargo test --test kernel -- --ignored --test-threads=1
//! ```
//!
//! What can be set by environment variables is in [`setup`]. All traffic stays on loopback devices.

mod assign;
mod bpf;
mod compare;
mod exits;
mod filters;
mod modules;
mod mptcp;
mod patterns;
mod ports;
mod record;
mod refusals;
mod sctp;
mod search;
mod setup;
mod shortage;
mod step_width;
mod storm;
mod totals;
mod tracer;
mod ways;
