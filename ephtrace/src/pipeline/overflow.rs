//! Losses that the kernel half counts because the ring buffer has no room, taken during the run:
//! its maps have room for a thousand rows at a time.

use std::io;

use super::counting::{CumulativeTotals, Naming};
use crate::{
    analyse::overflow::Overflow,
    kernel::totals::TotalsReader,
    model::{Filter, grouping::By},
};

/// Maximum number of remembered rows, of 600 bytes each; further losses are added to the others.
const ROWS: usize = 8192;

/// Totals of the lost assignments.
pub(crate) struct OverflowTotals {
    reader: TotalsReader,
    sums: CumulativeTotals,
    /// Losses known at the last look.
    known: u64,
}

impl OverflowTotals {
    /// Creates empty totals.
    pub(crate) fn new(reader: TotalsReader) -> Self {
        Self { reader, sums: CumulativeTotals::bounded(ROWS), known: 0 }
    }

    /// Takes the losses up to the previous look, if `ring_full` has grown since. Call it seldom
    /// enough for programs to have left the previous maps.
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

    /// Returns all losses, once nothing is added any more; `None` if there are none.
    pub(crate) fn finish(mut self, end_ns: u64) -> io::Result<Option<Overflow>> {
        // One call for each of the two maps.
        self.take()?;
        self.take()?;
        Ok(self.sums.overflow(end_ns, &mut Naming::new(&Filter::default(), By::Process)))
    }
}
