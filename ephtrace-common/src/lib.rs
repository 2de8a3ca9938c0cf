//! The wire between the eBPF half and the user half, and nothing else.
//!
//! The contract, in prose:
//!
//! 1. Before load, the user half writes one [`Settings`] into the eBPF object's read-only data:
//!    offsets of fields in kernel structures ([`Offsets`]), features of the kernel, and a filter of
//!    assignments ([`Filter`]). The kernel freezes it, so the verifier sees constants and removes
//!    code that is switched off.
//! 2. Each kept assignment becomes one [`AssignmentRecord`] in the ring buffer `EVENTS`: always the
//!    same size, submitted without waking the reader, who drains on a timer.
//! 3. Every search that does not become a record is counted in the per-CPU array `COUNTERS`, one
//!    slot for each [`Counter`]. Over a whole run, once nothing is in flight any more: `Seen =
//!    Filtered + Emitted + Totalled + RingFull + InFlightFull + ReturnMissed` plus the searches
//!    whose end was never seen.
//!
//! 4. In the modes of [`totals::mode`] that keep totals, an assignment that is not emitted is added
//!    to one [`totals::Totals`], in one of two maps: the one that `TOTALS_SWITCH` names. The user
//!    half switches, waits until no program can still be adding to the other, and reads that.
//!    Assignments that find no room are added to `TOTALS_OTHER`, so that sums are always right.
//!
//! 5. ephtrace's own searches are tests of the hook. The record of the last one is in `SELF_TEST`,
//!    whatever the filter, and it is counted only as [`Counter::SelfTest`].
//!
//! Both halves ship in one binary, so nothing here carries a version. All integers are native
//! endian unless a field says otherwise; the eBPF target is little-endian only.
#![no_std]

mod assignment;
mod counters;
mod enums;
mod settings;
pub mod totals;

pub use assignment::{AssignmentRecord, OUTSIDE, id_here, known};
pub use counters::Counter;
pub use enums::{Hook, Origin, Protocol, Site};
pub use settings::{Cidr, Features, Filter, Offsets, PortSpan, Settings, bounds};
