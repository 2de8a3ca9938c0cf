//! Very many events: the number in each cell of a grid as strength of colour, one level for each
//! doubling.
//!
//! A cell with one event is drawn at nearly half of the full strength, and an isolated one also
//! gets a dot of fixed size, so that it is visible on a phone.

use std::{collections::BTreeMap, fmt::Write as _, ops::Range};

use maud::{Markup, html};

use super::{
    hues::{COLOURS, ColorAssignment},
    plot::{Cells, Drawing, HEIGHT, WIDTH},
    scale::Scale,
};
use crate::analyse::{
    charts::{Axis, Cell, Grid},
    real,
};

/// Number of levels above the lowest. More can't be told apart; fewer make a smaller file.
const LEVELS: u32 = 5;

/// Least distance between letters, as a share of the height; closer ones are left out.
const LETTER_ROOM: f64 = 0.05;

/// Function from a position on an axis of a grid to a value of a scale.
pub(super) type Value = fn(u64, u64) -> f64;

/// A grid with its scales.
pub(super) struct Density<'a> {
    pub(super) grid: &'a Grid,
    pub(super) x: Scale,
    pub(super) y: Scale,
    /// Functions to the values of both scales; their first argument is the position, their second
    /// that of zero.
    pub(super) value: (Value, Value),
    /// Position of zero on the horizontal axis.
    pub(super) zero: u64,
}

impl Density<'_> {
    /// Returns the drawing, with `behind` below the cells.
    pub(super) fn draw(&self, hues: &ColorAssignment, behind: &Markup) -> Drawing {
        let [left, top, width, height] = self.place();
        let (columns, rows) = self.used();
        let [across, down] = [width / size(&columns), height / size(&rows)];
        let paths = self.paths(hues);
        let lone = self.lone(hues);
        let shapes = html! {
            (behind)
            g.cells transform=(format!("translate({left:.4} {:.4}) scale({across:.6} \
                                        {down:.6})", top + down / 2.0)) {
                @for ((hue, level), path) in &paths {
                    path class=(format!("h{hue} l{level}")) d=(path) {}
                }
            }
            @for (hue, path) in &lone { path class=(format!("lone h{hue}")) d=(path) {} }
        };
        let cells = Cells {
            size: (columns.len(), rows.len()),
            place: [left, top, width, height],
            counts: self.counts(),
        };
        Drawing { shapes, cells: Some(cells), letters: Vec::new() }
    }

    /// Returns a letter at the last cell of each colour, unless there is one nearby.
    pub(super) fn letters(&self, hues: &ColorAssignment) -> Vec<(usize, f64, f64)> {
        let mut last = BTreeMap::new();
        self.each(|column, row, cell| {
            let at: &mut (usize, usize) = last.entry(hues.of_cell(cell)).or_default();
            *at = (*at).max((column, row));
        });
        last.retain(|&hue, _| hue < COLOURS);
        let [left, top, width, height] = self.place();
        let (columns, rows) = self.used();
        let places = last.into_iter().map(|(hue, (column, row))| {
            let x = left + (real(column as u64) + 0.5) * width / size(&columns);
            let y = top + (real(row as u64) + 0.5) * height / size(&rows);
            (hue, x / WIDTH, 1.0 - y / HEIGHT)
        });
        apart(places)
    }

    /// Returns the columns and rows that are drawn.
    fn used(&self) -> (Range<usize>, Range<usize>) {
        (self.grid.x().used(), self.grid.y().used())
    }

    /// Returns left, top, width and height of all drawn cells.
    fn place(&self) -> [f64; 4] {
        let (columns, rows) = self.used();
        let across =
            |bin| WIDTH * self.x.place((self.value.0)(self.grid.x().start(bin), self.zero));
        let down = |bin| HEIGHT * (1.0 - self.y.place((self.value.1)(self.grid.y().start(bin), 0)));
        let (left, right) = (across(columns.start), across(columns.end));
        let (top, bottom) = (down(rows.end), down(rows.start));
        [left, top, right - left, bottom - top]
    }

    /// Calls `visit` with each non-empty cell, rows counted from the top.
    fn each(&self, mut visit: impl FnMut(usize, usize, Cell)) {
        let (columns, rows) = self.used();
        for row in rows.clone().rev() {
            for column in columns.clone() {
                let cell = self.grid.cell(column, row);
                if cell.count > 0 {
                    visit(column - columns.start, rows.end - 1 - row, cell);
                }
            }
        }
    }

    /// Returns the cells of each colour and strength, with neighbours drawn as one.
    fn paths(&self, hues: &ColorAssignment) -> BTreeMap<(usize, u32), String> {
        let mut most = 1;
        self.each(|_, _, cell| most = most.max(cell.count));
        let mut paths = BTreeMap::<_, String>::new();
        let mut run = Run::default();
        self.each(|column, row, cell| {
            let look = (hues.of_cell(cell), level(cell.count, most));
            if !run.extend(look, column, row) {
                run.write(&mut paths);
                run = Run { look, column, row, length: 1 };
            }
        });
        run.write(&mut paths);
        paths
    }

    /// Returns the dots for cells without a neighbour, by colour.
    fn lone(&self, hues: &ColorAssignment) -> BTreeMap<usize, String> {
        let [left, top, width, height] = self.place();
        let (columns, rows) = self.used();
        let mut paths = BTreeMap::<_, String>::new();
        self.each(|column, row, cell| {
            let at = (columns.start + column, rows.end - 1 - row);
            if is_lone(self.grid, at) {
                let x = left + (real(column as u64) + 0.5) * width / size(&columns);
                let y = top + (real(row as u64) + 0.5) * height / size(&rows);
                let path = paths.entry(hues.of_cell(cell)).or_default();
                let _ = write!(path, "M{x:.1} {y:.1}h0");
            }
        });
        paths
    }

    fn counts(&self) -> String {
        let columns = self.used().0.len();
        let (mut text, mut next) = (String::new(), 0);
        self.each(|column, row, cell| {
            let index = row * columns + column;
            if index > next {
                let _ = write!(text, "-{},", index - next);
            }
            let _ = write!(text, "{},", cell.count);
            next = index + 1;
        });
        text.pop();
        text
    }
}

/// Adjacent cells of one look.
#[derive(Default)]
struct Run {
    look: (usize, u32),
    column: usize,
    row: usize,
    length: usize,
}

impl Run {
    /// Adds the next cell, if it has the same look and is adjacent.
    fn extend(&mut self, look: (usize, u32), column: usize, row: usize) -> bool {
        let fits = self.length > 0
            && look == self.look
            && row == self.row
            && column == self.column + self.length;
        self.length += usize::from(fits);
        fits
    }

    fn write(&self, paths: &mut BTreeMap<(usize, u32), String>) {
        if self.length > 0 {
            let path = paths.entry(self.look).or_default();
            let _ = write!(path, "M{} {}h{}", self.column, self.row, self.length);
        }
    }
}

/// Returns 0 for a single event, [`LEVELS`] for more than half of the highest count, and one less
/// for each halving.
fn level(count: u64, most: u64) -> u32 {
    if count <= 1 { 0 } else { LEVELS.saturating_sub((most / count).ilog2()).max(1) }
}

/// Returns the letters that keep their distance from each other.
pub(super) fn apart(
    letters: impl IntoIterator<Item = (usize, f64, f64)>,
) -> Vec<(usize, f64, f64)> {
    let mut kept: Vec<(usize, f64, f64)> = Vec::new();
    for (hue, x, y) in letters {
        let near = |other: &(usize, f64, f64)| {
            (other.1 - x).abs() < LETTER_ROOM && (other.2 - y).abs() < LETTER_ROOM
        };
        if !kept.iter().any(near) {
            kept.push((hue, x, y));
        }
    }
    kept
}

fn is_lone(grid: &Grid, (column, row): (usize, usize)) -> bool {
    let around = |at: usize, axis: &Axis| at.saturating_sub(1)..(at + 2).min(axis.bins());
    let filled = around(row, grid.y())
        .flat_map(|row| around(column, grid.x()).map(move |column| (column, row)))
        .filter(|&(column, row)| grid.cell(column, row).count > 0);
    filled.count() == 1
}

fn size(bins: &Range<usize>) -> f64 {
    real(bins.len().max(1) as u64)
}
