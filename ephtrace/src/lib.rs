//! ephtrace: every ephemeral port that Linux assigns, the rule by which it was chosen, and why a
//! connect was slow or failed when ports run short.
//!
//! The modules, in the order of the data flow:
//!
//! ```text
//! kernel half ─ ring ─→ kernel ─→ host::enrich ─┐
//!                 recording ─→ replay ──────────┴→ pipeline: steps → filter → tally → output, tui
//!                                                                              └→ summary ─┘
//! ```
//!
//! [`cli`] defines the command line, [`commands`] turns it into settings and runs them,
//! [`pipeline`] is a run. Only [`kernel`] uses aya; [`host`] reads the state of this machine;
//! [`replay`] reads recordings; [`output`] and [`tui`] show results. [`inventory`] (the ports in
//! use now) and [`analyse`] (their meaning) work on the types of [`model`], read no clock and do no
//! I/O.
//!
//! ARCHITECTURE.md has the map and its rules; docs/extending.md says where to add a finding, a
//! column, a format, a command or a hook site.

pub mod analyse;
pub mod cli;
pub mod commands;
pub mod host;
pub mod inventory;
pub mod kernel;
pub mod messages;
pub mod model;
pub mod output;
pub mod pipeline;
pub mod replay;
pub mod tui;
