//! Metrics of a run without an end: one thread measures, another answers.
//!
//! ```text
//! measuring (totals, sockets) ─┬→ board ─→ http, textfile
//!   └ recorder (events, if asked) ─→ incidents
//! ```

pub(crate) mod board;
pub(crate) mod http;
pub(crate) mod measuring;
pub(crate) mod recorder;
mod sockets;
