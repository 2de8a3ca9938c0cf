//! ephtrace: every ephemeral port that Linux assigns, the rule by which it was chosen, and why a
//! connect was slow or failed when ports run short.
//!
//! The flow, and with it the modules in their order:
//!
//! ```text
//! kernel half ─ ring ─→ kernel ─→ host::enrich ─┐
//!                 recording ─→ replay ──────────┴→ pipeline: steps → filter → tally → output, tui
//!                                                                              └→ summary ─┘
//! ```
//!
//! [`cli`] is what was typed, [`commands`] makes settings of it and runs them, [`pipeline`] is a
//! run. [`kernel`] alone names aya; [`host`] reads what this machine says of itself; [`replay`]
//! reads recordings; [`output`] and [`tui`] show. [`inventory`] (what is in use now) and
//! [`analyse`] (what it means) work on the types of [`model`], read no clock and do no I/O.
//!
//! ARCHITECTURE.md has the map and its rules, docs/extending.md says where a finding, a column, a
//! format, a command or a hook site goes.

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
