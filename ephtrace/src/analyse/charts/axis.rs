//! An axis of a fixed number of bins over values whose span is not known beforehand.
//!
//! Bins are a power of two wide. If a value does not fit, they double until it does, and pairs of
//! old bins merge: no event is dropped or counted twice.

/// Bins of equal width over the values seen so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    bins: usize,
    /// Base-2 logarithm of the width of a bin.
    shift: u32,
    /// Number of the first bin, counted from value 0 in bins of the present width.
    first: u64,
    /// Lowest and highest value so far.
    seen: Option<(u64, u64)>,
}

/// Map from old to new bins after an axis made room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Regrouping {
    was_first: u64,
    first: u64,
    doublings: u32,
}

impl Regrouping {
    /// Returns the new index of old bin `bin`; valid only for bins that hold something.
    pub(super) fn of(self, bin: usize) -> usize {
        let numbered = (self.was_first + bin as u64) >> self.doublings;
        usize::try_from(numbered.saturating_sub(self.first)).unwrap_or(0)
    }
}

impl Axis {
    /// Creates an axis of `bins` bins, at least two, each one wide at first.
    pub fn new(bins: usize) -> Self {
        Self { bins: bins.max(2), shift: 0, first: 0, seen: None }
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Lowest and highest value seen.
    pub fn seen(&self) -> Option<(u64, u64)> {
        self.seen
    }

    /// Returns the bin of `value`, which must have been seen.
    pub fn bin(&self, value: u64) -> usize {
        let bin = (value >> self.shift).saturating_sub(self.first);
        usize::try_from(bin).map_or(self.bins - 1, |bin| bin.min(self.bins - 1))
    }

    /// Returns the lowest value of bin `bin`, or of the bin after the last.
    pub fn start(&self, bin: usize) -> u64 {
        self.first.saturating_add(bin as u64).saturating_mul(self.width())
    }

    /// Number of values that a bin spans.
    pub fn width(&self) -> u64 {
        1 << self.shift
    }

    /// Returns the bins from the lowest to the highest value seen.
    pub fn used(&self) -> std::ops::Range<usize> {
        self.seen.map_or(0..0, |(lowest, highest)| self.bin(lowest)..self.bin(highest) + 1)
    }

    /// Makes room for `value`; returns where the old bins went, if they moved.
    pub(super) fn cover(&mut self, value: u64) -> Option<Regrouping> {
        let Some((lowest, highest)) = self.seen else {
            self.seen = Some((value, value));
            self.first = value;
            return None;
        };
        if (lowest..=highest).contains(&value) {
            return None;
        }
        let (lowest, highest) = (lowest.min(value), highest.max(value));
        self.seen = Some((lowest, highest));
        let (was_first, was_shift) = (self.first, self.shift);
        let bins = self.bins as u64;
        while (highest >> self.shift) - (lowest >> self.shift) >= bins {
            self.shift += 1;
        }
        let doublings = self.shift - was_shift;
        self.first = was_first >> doublings;
        let (low, high) = (lowest >> self.shift, highest >> self.shift);
        if low < self.first {
            // All spare room goes below, so that steadily falling values don't move the axis each
            // time.
            self.first = (high + 1).saturating_sub(bins).min(low);
        } else if high - self.first >= bins {
            self.first = low;
        }
        let regrouping = Regrouping { was_first, first: self.first, doublings };
        (self.first != was_first || doublings > 0).then_some(regrouping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_until_all_fits() {
        let mut axis = Axis::new(4);
        for value in 1..=4 {
            assert_eq!(axis.cover(value), None);
        }
        assert_eq!((axis.width(), axis.start(0), axis.used()), (1, 1, 0..4));
        // 1 | 2 3 | 4 5
        let regrouping = axis.cover(5).unwrap();
        assert_eq!((axis.width(), axis.start(0), axis.used()), (2, 0, 0..3));
        assert_eq!([0, 1, 2, 3].map(|bin| regrouping.of(bin)), [0, 1, 1, 2]);
        assert_eq!([1, 2, 3, 4, 5].map(|value| axis.bin(value)), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn grows_downwards_with_room_to_spare() {
        let mut axis = Axis::new(8);
        axis.cover(100);
        let regrouping = axis.cover(99).unwrap();
        assert_eq!((axis.start(0), regrouping.of(0)), (93, 7));
        assert_eq!(axis.cover(93), None);
        assert_eq!((axis.bin(93), axis.bin(100), axis.used()), (0, 7, 0..8));
    }

    #[test]
    fn the_whole_of_64_bits_fits() {
        let mut axis = Axis::new(3);
        axis.cover(u64::MAX);
        axis.cover(0);
        assert_eq!((axis.bin(0), axis.bin(u64::MAX)), (0, 1));
        assert_eq!((axis.start(0), axis.start(3)), (0, u64::MAX));
    }
}
