//! What the kernel half counts because it finds no room in the ring buffer, taken while a run
//! lasts: its maps have room for a thousand rows at a time.

use std::io;

use super::counting::CumulativeTotals;
use crate::{
    analyse::overflow::Overflow, host::containers::Containers, kernel::totals::TotalsReader,
};

/// Rows that are remembered, of 600 bytes: beyond, losses are summed up as others'.
const ROWS: usize = 8192;

/// The totals of what was lost.
pub(crate) struct OverflowTotals {
    reader: TotalsReader,
    sums: CumulativeTotals,
    /// Losses that were known at the last look.
    known: u64,
}

impl OverflowTotals {
    /// Nothing yet.
    pub(crate) fn new(reader: TotalsReader) -> Self {
        Self { reader, sums: CumulativeTotals::bounded(ROWS), known: 0 }
    }

    /// Takes what was counted up to the last look, if anything was lost since: `ring_full` so far.
    /// To be called seldom enough for programs to have left the maps of the last time alone.
    pub(crate) fn look(&mut self, ring_full: u64) -> io::Result<()> {
        if ring_full == self.known {
            return Ok(());
        }
        self.known = ring_full;
        self.take()
    }

    fn take(&mut self) -> io::Result<()> {
        self.sums.add(&self.reader.take()?);
        self.reader.switch()
    }

    /// All of it, once nothing is added any more; `None` if there is nothing.
    pub(crate) fn finish(mut self, end_ns: u64) -> io::Result<Option<Overflow>> {
        // Each of the two maps.
        self.take()?;
        self.take()?;
        Ok(self.sums.overflow(end_ns, &mut Containers::of_traced()))
    }
}
