//! Letters and colours of destinations. A destination keeps its mark as long as it is busy, so that
//! its colour does not change under the user's eyes.

use std::cmp::Reverse;

use crate::output::summary::plots::hues::PALETTE;

/// The letters, each with the colour of the same place in [`PALETTE`].
const LETTERS: [char; PALETTE.len()] = ['a', 'b', 'c', 'd', 'e'];

/// Factor by which a newcomer must be busier than the holder of a mark to take it over.
const BUSIER: u64 = 2;

/// The rows that have a mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    holders: [Option<u32>; PALETTE.len()],
}

impl Marks {
    /// Returns the rows that have a mark, in the order of the letters.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Option<u32>> {
        self.holders.iter().copied()
    }

    /// Returns the index of a row's mark, if it has one.
    pub(crate) fn of(&self, serial: u32) -> Option<usize> {
        self.holders.iter().position(|holder| *holder == Some(serial))
    }

    /// Returns the letter of a mark; all other destinations have a dot.
    pub(crate) fn letter(mark: Option<usize>) -> char {
        mark.and_then(|mark| LETTERS.get(mark)).copied().unwrap_or('·')
    }

    /// Gives marks to the busiest rows; each element is a serial and how busy the row is.
    pub(crate) fn update(&mut self, rows: &[(u32, u64)]) {
        let busy = |serial: u32| rows.iter().find(|(other, _)| *other == serial).map(|row| row.1);
        for holder in &mut self.holders {
            *holder = holder.filter(|serial| busy(*serial).is_some());
        }
        let mut busiest = rows.to_vec();
        busiest.sort_unstable_by_key(|&(serial, busy)| (Reverse(busy), serial));
        busiest.truncate(self.holders.len());
        for (serial, wanted) in busiest {
            if self.of(serial).is_some() {
                continue;
            }
            let rank = |holder: Option<u32>| holder.and_then(busy).map_or(0, |busy| busy + 1);
            let quietest = self.holders.iter_mut().min_by_key(|holder| rank(**holder));
            if let Some(holder) = quietest
                && holder.and_then(busy).is_none_or(|has| wanted > has.saturating_mul(BUSIER))
            {
                *holder = Some(serial);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equally_busy_ones_keep_their_marks() {
        let mut marks = Marks::default();
        let rows: Vec<(u32, u64)> = (0..12).map(|serial| (serial, 100)).collect();
        marks.update(&rows);
        let before = marks.clone();
        let shaken: Vec<(u32, u64)> = (0..12).map(|n| (n, 100 + u64::from(n * 7))).collect();
        marks.update(&shaken);
        assert_eq!(marks.holders, before.holders);
        assert_eq!((marks.of(0), marks.of(6)), (Some(0), None));
    }

    #[test]
    fn a_much_busier_one_takes_over() {
        let mut marks = Marks::default();
        marks.update(&[(1, 10), (2, 1), (3, 10), (4, 10), (5, 10)]);
        marks.update(&[(1, 10), (2, 1), (3, 10), (4, 10), (5, 10), (7, 90)]);
        assert_eq!((marks.of(7), marks.of(2)), (Some(4), None));
        assert_eq!((Marks::letter(Some(4)), Marks::letter(None)), ('e', '·'));
    }
}
