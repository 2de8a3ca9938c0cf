//! Counts of events in two dimensions, however many events and wherever they lie.
//!
//! Nothing is sampled: each event is in exactly one cell, so that a single outlier keeps a cell of
//! its own.

use super::Axis;

/// Number of the lane that an event belongs to: see [`LaneIds`](super::LaneIds).
pub type Id = u16;

/// Contents of one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Number of events.
    pub count: u64,
    /// Lane that more than half of the events belong to, if there is one.
    id: Id,
    /// Number of events of `id` that are left after each event of another lane has cancelled one
    /// out (Boyer–Moore majority vote).
    lead: u32,
}

/// A lane owns a cell only if at least one in this many of the cell's events is left over for it:
/// among about equally busy lanes, chance would choose the colour.
const OWNER_LEADS_BY: u64 = 4;

impl Cell {
    /// Returns the lane that nearly all events belong to: one that leads all others together by a
    /// quarter of the events.
    pub fn owner(&self) -> Option<Id> {
        (u64::from(self.lead) * OWNER_LEADS_BY >= self.count.max(1)).then_some(self.id)
    }

    fn add(&mut self, id: Id) {
        self.count += 1;
        self.vote(id, 1);
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.vote(other.id, other.lead);
    }

    fn vote(&mut self, id: Id, votes: u32) {
        if self.id == id {
            self.lead = self.lead.saturating_add(votes);
        } else if self.lead < votes {
            (self.id, self.lead) = (id, votes - self.lead);
        } else {
            self.lead -= votes;
        }
    }
}

/// Counts of events by two numbers, in cells whose size adapts.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    x: Axis,
    y: Axis,
    /// Cells in row-major order.
    cells: Vec<Cell>,
    total: u64,
}

impl Grid {
    /// Creates a grid of `columns` times `rows` cells.
    pub fn new(columns: usize, rows: usize) -> Self {
        let (x, y) = (Axis::new(columns), Axis::new(rows));
        let cells = vec![Cell::default(); x.bins() * y.bins()];
        Self { x, y, cells, total: 0 }
    }

    /// Counts an event at (`x`, `y`).
    pub fn add(&mut self, x: u64, y: u64, id: Id) {
        let columns = self.x.cover(x);
        let rows = self.y.cover(y);
        if columns.is_some() || rows.is_some() {
            self.regroup(|column, row| {
                (columns.map_or(column, |to| to.of(column)), rows.map_or(row, |to| to.of(row)))
            });
        }
        let index = self.y.bin(y) * self.x.bins() + self.x.bin(x);
        self.cells[index].add(id);
        self.total += 1;
    }

    /// Number of events in all cells.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The axis of the columns.
    pub fn x(&self) -> &Axis {
        &self.x
    }

    /// The axis of the rows.
    pub fn y(&self) -> &Axis {
        &self.y
    }

    /// The cell at `column` and `row`.
    pub fn cell(&self, column: usize, row: usize) -> Cell {
        self.cells[row * self.x.bins() + column]
    }

    fn regroup(&mut self, to: impl Fn(usize, usize) -> (usize, usize)) {
        let columns = self.x.bins();
        let mut cells = vec![Cell::default(); self.cells.len()];
        let filled = self.cells.iter().enumerate().filter(|(_, cell)| cell.count > 0);
        for (index, cell) in filled {
            let (column, row) = to(index % columns, index / columns);
            cells[row * columns + column].merge(*cell);
        }
        self.cells = cells;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_that_lies_apart_keeps_its_cell() {
        let mut grid = Grid::new(16, 16);
        for n in 0..100_000 {
            grid.add(n, 100 + n % 8, 1);
        }
        grid.add(50_000, 30_000, 2);
        let (column, row) = (grid.x().bin(50_000), grid.y().bin(30_000));
        assert_eq!(grid.cell(column, row), Cell { count: 1, id: 2, lead: 1 });
    }

    #[test]
    fn a_cell_is_of_whom_most_in_it_are() {
        let mut grid = Grid::new(2, 2);
        for (n, id) in [7, 7, 3, 7, 5].into_iter().enumerate() {
            grid.add(n as u64, 0, id);
        }
        assert_eq!(grid.cell(0, 0), Cell { count: 4, id: 7, lead: 2 });
        assert_eq!(grid.cell(0, 0).owner(), Some(7));
    }

    #[test]
    fn a_cell_of_several_is_of_nobody() {
        let mut grid = Grid::new(2, 2);
        (0..600).for_each(|n| grid.add(0, 0, n % 6));
        assert_eq!(grid.cell(0, 0).owner(), None);
        assert_eq!(Cell::default().owner(), None);
    }

    proptest! {
        /// Events of any kind, in any order.
        #[test]
        fn every_event_is_in_the_cell_of_its_place(
            events in prop::collection::vec((any::<u64>(), 0_u64..3000, any::<u16>()), 0..200),
            scale in 0_u32..60,
        ) {
            let mut grid = Grid::new(13, 8);
            let events: Vec<_> = events.iter().map(|&(x, y, id)| (x >> scale, y, id)).collect();
            for &(x, y, id) in &events {
                grid.add(x, y, id);
            }
            let mut sum = 0;
            for row in 0..8 {
                for column in 0..13 {
                    let within = |x, y| grid.x().bin(x) == column && grid.y().bin(y) == row;
                    let here = events.iter().filter(|&&(x, y, _)| within(x, y)).count() as u64;
                    prop_assert_eq!(grid.cell(column, row).count, here);
                    sum += here;
                }
            }
            prop_assert_eq!(sum, grid.total());
            prop_assert_eq!(sum, events.len() as u64);
            for &(x, y, _) in &events {
                let bin = grid.x().bin(x);
                let (from, to) = (grid.x().start(bin), grid.x().start(bin + 1));
                prop_assert!(from <= x && (x < to || to == u64::MAX));
                let bin = grid.y().bin(y);
                let (from, to) = (grid.y().start(bin), grid.y().start(bin + 1));
                prop_assert!(from <= y && y < to);
            }
        }
    }
}
