//! Settings of a run, checked: commands derive them from the command line.

use std::{path::PathBuf, time::Duration};

use crate::{
    host::rights::Account,
    model::{Filter, Hook},
    output::{Format, View, stream::parquet},
    replay::MaxMemory,
};

/// Default size of the ring buffer: 8 MiB hold 50 000 records, a quarter of a second of the fastest
/// storm that one kernel makes.
pub const DEFAULT_RING_BYTES: u32 = 8 << 20;

/// Maximum size of the ring buffer: more would occupy kernel memory without use.
pub const MAX_RING_BYTES: u32 = 1 << 30;

/// Minimum size of the ring buffer: the smallest page. If pages are larger, the loader rounds up to
/// one.
pub const MIN_RING_BYTES: u32 = 4 << 10;

/// Settings of a trace, live or from a recording.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Filter of assignments.
    pub filter: Filter,
    /// Requested hook; `None` for the first that works.
    pub hook: Option<Hook>,
    /// User to become; `None` to stay the same.
    pub user: Option<Account>,
    /// File with the kernel's types, if not the kernel's own.
    pub btf: Option<PathBuf>,
    /// Size of the ring buffer, in bytes: a power of two, at least [`MIN_RING_BYTES`].
    pub ring_bytes: u32,
    /// True if the kernel measures the programs' cost.
    pub measures_cost: bool,
    /// Format of the events.
    pub format: Format,
    /// View of the events.
    pub view: View,
    /// Output file; `None` for standard output.
    pub output: Option<PathBuf>,
    /// Mode of the output file if it is new; by default, only its owner may read and write it.
    pub mode: Option<u32>,
    /// Number of events after which to stop.
    pub count: Option<u64>,
    /// Time after which to stop.
    pub duration: Option<Duration>,
    /// Recordings to read in place of the kernel; empty to trace it.
    pub from: Vec<PathBuf>,
    /// Maximum memory for reading them.
    pub max_memory: MaxMemory,
    /// Recording to write, in place of `output`.
    pub record: Option<parquet::Options>,
}
