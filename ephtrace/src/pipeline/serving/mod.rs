//! Metrics of a run without an end: one thread measures, another answers.
//!
//! ```text
//! measuring (totals, sockets) ─→ board ─→ http, textfile
//! ```

pub(crate) mod board;
pub(crate) mod http;
pub(crate) mod measuring;
