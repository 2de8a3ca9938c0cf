//! The live view: current assignments, on a whole terminal.
//!
//! ```text
//! event, losses ─ LiveSink ─┐
//! key, tick, snapshot ──────┴→ State::apply ─→ draw(frame, &State) ─→ terminal
//! ```
//!
//! [`State`] is pure: time, keys and results are arguments, so that tests drive it with scripted
//! keys and recordings; [`draw()`] only reads it. Only [`terminal`] knows a real terminal. The loop
//! that feeds them is in `pipeline`.

mod alerts;
mod draw;
mod failures;
mod filter;
mod handle_key;
mod keys;
mod live_sink;
mod marks;
mod rows;
mod sort;
mod state;
pub mod terminal;
#[cfg(test)]
mod tests;
mod timeline;
mod view_model;

pub use self::{
    draw::{HELP, MIN_HEIGHT, MIN_WIDTH, draw},
    keys::Key,
    live_sink::{LiveSink, Shared},
    rows::InUse,
    state::{About, Drawn, Effect, Input, State},
    view_model::TallySnapshot,
};
