//! Options for loading the kernel half.

use ephtrace_common::totals::mode;

use crate::model::Filter;

/// Options of the kernel half.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Filter of assignments; it has no more values than the kernel half compares.
    pub filter: &'a Filter,
    /// Size of the ring buffer in bytes.
    pub ring_bytes: u32,
    /// Assignments that the kernel half adds up.
    pub totals: TotalsMode,
    /// Level of the kernel half's own log messages: 0 none … 5 trace.
    pub log_level: u8,
}

/// Assignments that the kernel half adds up itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalsMode {
    /// None.
    Off,
    /// Assignments that find no room in the ring buffer.
    Fallback,
    /// All assignments; the ring buffer stays empty. The number of rows is the one given, or as
    /// many as the memory bound allows.
    Only(Option<u32>),
    /// All assignments, and the ring buffer gets a copy of each for which it has room. The number
    /// of rows is that of [`TotalsMode::Only`] without one.
    Both,
}

impl TotalsMode {
    /// Value in the kernel half's settings.
    pub(super) fn mode(self) -> u32 {
        match self {
            Self::Off => mode::OFF,
            Self::Fallback => mode::FALLBACK,
            Self::Only(_) => mode::ONLY,
            Self::Both => mode::BOTH,
        }
    }
}
