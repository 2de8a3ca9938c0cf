//! Reads the ring buffer on demand: the kernel side never wakes the reader.

use aya::maps::{MapData, RingBuf};

/// Maximum number of records that one call takes, so that a storm can't keep it from returning: two
/// rounds through the default ring.
pub const MAX_PER_DRAIN: usize = 1 << 17;

/// The reading end of the ring buffer.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    /// Creates a reader of `ring`.
    pub fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }

    /// Passes each waiting record to `take`, oldest first, until none is left, [`MAX_PER_DRAIN`]
    /// were taken, or `take` fails. Returns the number taken.
    pub fn drain<E>(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<usize, E> {
        for taken in 0..MAX_PER_DRAIN {
            let Some(item) = self.0.next() else { return Ok(taken) };
            take(&item)?;
        }
        Ok(MAX_PER_DRAIN)
    }
}
