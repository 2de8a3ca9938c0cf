//! Settings of a run, checked: commands make them from what was typed.

use std::{path::PathBuf, time::Duration};

use crate::{
    host::rights::Account,
    model::{Filter, Hook},
    output::{Format, View, stream::parquet},
    replay::MaxMemory,
};

/// Size of the ring buffer unless asked otherwise: 8 MiB hold 50 000 records, a quarter of a second
/// of the fastest storm that one kernel makes.
pub const DEFAULT_RING_BYTES: u32 = 8 << 20;

/// Largest ring buffer: more would sit in kernel memory to no use.
pub const MAX_RING_BYTES: u32 = 1 << 30;

/// Smallest ring buffer: the smallest page. Where pages are larger, the loader rounds up to one.
pub const MIN_RING_BYTES: u32 = 4 << 10;

/// Settings of a trace, live or from a recording.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Which assignments to keep.
    pub filter: Filter,
    /// The hook that was named; `None` for the first that works.
    pub hook: Option<Hook>,
    /// The user to become; `None` to stay who it is.
    pub user: Option<Account>,
    /// Where to read the kernel's types, if not where the kernel shows them.
    pub btf: Option<PathBuf>,
    /// Size of the ring buffer, in bytes: a power of two, at least [`MIN_RING_BYTES`].
    pub ring_bytes: u32,
    /// Whether the kernel measures what the programs cost.
    pub measures_cost: bool,
    /// How events are written.
    pub format: Format,
    /// How events are shown.
    pub view: View,
    /// Where events go; `None` for standard output.
    pub output: Option<PathBuf>,
    /// Who may read and write that file if it is new; its owner alone unless this says otherwise.
    pub mode: Option<u32>,
    /// Stop after so many events.
    pub count: Option<u64>,
    /// Stop after so long.
    pub duration: Option<Duration>,
    /// The recordings to read in place of the kernel; none to trace it.
    pub from: Vec<PathBuf>,
    /// Most memory that reading it may take.
    pub max_memory: MaxMemory,
    /// Where rows go, in place of `output`.
    pub record: Option<parquet::Options>,
}
