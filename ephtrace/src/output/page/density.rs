//! Very many events: how many there are in each cell of a grid, by strength of colour, a step for
//! each doubling.
//!
//! A cell with one event is drawn at nearly half of the full strength, and one that lies apart gets
//! a dot of fixed size besides, so that it is seen on a phone too.

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

/// Steps of strength above the least. More can't be told apart, and fewer make a shorter file.
const LEVELS: u32 = 5;

/// Letters closer than this to another one, in shares of the height, are left out.
const LETTER_ROOM: f64 = 0.05;

/// How an axis of a grid becomes values of a scale.
pub(super) type Value = fn(u64, u64) -> f64;

/// A grid with the scales that it is drawn on.
pub(super) struct Density<'a> {
    pub(super) grid: &'a Grid,
    pub(super) x: Scale,
    pub(super) y: Scale,
    /// What a value of the axes is on the scales; the first argument is where zero is.
    pub(super) value: (Value, Value),
    /// Where zero is on the axis from left to right.
    pub(super) zero: u64,
}

impl Density<'_> {
    /// The drawing, `behind` it what lies behind the cells.
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

    /// A letter at the last cell of each colour, unless there is one nearby.
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

    /// Columns and rows that are drawn.
    fn used(&self) -> (Range<usize>, Range<usize>) {
        (self.grid.x().used(), self.grid.y().used())
    }

    /// Left, top, width and height of all cells that are drawn.
    fn place(&self) -> [f64; 4] {
        let (columns, rows) = self.used();
        let across =
            |bin| WIDTH * self.x.place((self.value.0)(self.grid.x().start(bin), self.zero));
        let down = |bin| HEIGHT * (1.0 - self.y.place((self.value.1)(self.grid.y().start(bin), 0)));
        let (left, right) = (across(columns.start), across(columns.end));
        let (top, bottom) = (down(rows.end), down(rows.start));
        [left, top, right - left, bottom - top]
    }

    /// Each cell that is not empty, rows counted from the top.
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

    /// For each colour and strength the cells that have it, neighbours drawn as one.
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

    /// Dots for cells without a neighbour, by colour.
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

/// Cells of one look side by side.
#[derive(Default)]
struct Run {
    look: (usize, u32),
    column: usize,
    row: usize,
    length: usize,
}

impl Run {
    /// Takes the next cell in, if it is like this and next to it.
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

/// 0 for a single event, [`LEVELS`] for more than half of the most in one cell, and one less for
/// each halving.
fn level(count: u64, most: u64) -> u32 {
    if count <= 1 { 0 } else { LEVELS.saturating_sub((most / count).ilog2()).max(1) }
}

/// Letters that leave each other room.
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
