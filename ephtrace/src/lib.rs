//! ephtrace: every ephemeral port that Linux assigns, the rule by which it was chosen, and why a
//! connect was slow or failed when ports run short.
//!
//! The flow, and with it the modules in their order:
//!
//! ```text
//! kernel half ── ring ─→ kernel ─→ decode ─→ event ─→ enrich ─→ analyse ─→ sink
//!                         recording ─→ replay ─┘                  │          ↑
//!                                       losses, counters ─────────┴─ summary ┘
//! ```
//!
//! [`run`] wires them for the live trace, [`report`] for a recording; [`cli`] is what was typed and
//! [`settings`] what it means; [`doctor`] tells what this machine allows, [`ports`] what is in use
//! now ([`inventory`]). Only [`kernel`] names aya. Behind it everything works without root, reads
//! no clock and gets time as an argument.

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
