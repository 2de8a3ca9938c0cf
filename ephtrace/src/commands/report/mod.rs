//! `ephtrace report`: a recording, judged: how ports are assigned, over all and to each
//! destination, which attempts failed, which events are missing.
//!
//! ```text
//! replay ─→ stages ─┬→ tally ─→ Report ─→ text, JSON
//!                   └→ charts (if a page is wanted) ─→ page
//! ```
//!
//! The analysis takes one pass, and bounded memory however long the recording:
//! [`MAX_DESTINATIONS`](crate::analyse::destinations::MAX_DESTINATIONS),
//! [`MAX_PROCESSES`](crate::analyse::processes::MAX_PROCESSES).

mod compare;
mod page;
mod reading;
mod run;
#[cfg(test)]
mod tests;

pub use self::{
    page::page_of,
    reading::{Report, read},
    run::run,
};
