//! A grid as a table: the content of each of a few slices from left to right.

use maud::{Markup, html};

use super::{
    density::Value,
    hues::ColorAssignment,
    scale::{Unit, count},
    text::escape_for_terminal,
};
use crate::analyse::charts::Grid;

/// Number of rows, few enough to be read aloud.
const SLICES: usize = 16;

/// A grid and the meaning of its axes.
pub(super) struct Slices<'a> {
    pub(super) grid: &'a Grid,
    pub(super) hues: &'a ColorAssignment,
    pub(super) value: (Value, Value),
    pub(super) zero: u64,
    pub(super) units: (Unit, Unit),
}

/// Content of one slice.
struct Slice {
    from: String,
    to: String,
    count: u64,
    lowest: String,
    highest: String,
    busiest: Option<usize>,
}

impl Slices<'_> {
    /// Returns the table; `x` and `y` are the titles of the axes.
    pub(super) fn table(&self, x: &'static str, y: &'static str) -> Markup {
        html! {
            table {
                @if self.grid.y().width() > 1 {
                    caption { "Lowest and highest to the cells of the drawing." }
                }
                thead { tr {
                    th scope="col" { (x) } th scope="col" { "Events" }
                    th scope="col" { "Lowest of the " (y) } th scope="col" { "Highest" }
                    @if self.hues.several() { th.text scope="col" { "Mostly to" } }
                } }
                tbody {
                    @for slice in self.slices() {
                        tr {
                            th scope="row" {
                                (slice.from) @if slice.from != slice.to { " to " (slice.to) }
                            }
                            td { (count(slice.count)) } td { (slice.lowest) } td { (slice.highest) }
                            @if self.hues.several() {
                                td.text {
                                    @if let Some(hue) = slice.busiest {
                                        (escape_for_terminal(self.hues.name(hue)))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn slices(&self) -> Vec<Slice> {
        let used = self.grid.x().used();
        let wide = used.len().div_ceil(SLICES).max(1);
        used.clone()
            .step_by(wide)
            .filter_map(|first| self.slice(first..(first + wide).min(used.end)))
            .collect()
    }

    fn slice(&self, columns: std::ops::Range<usize>) -> Option<Slice> {
        let (x, y) = (self.grid.x(), self.grid.y());
        let (mut total, mut rows) = (0, None::<(usize, usize)>);
        let mut by_hue = [0; super::hues::SEVERAL + 1];
        for row in y.used() {
            for cell in columns.clone().map(|column| self.grid.cell(column, row)) {
                if cell.count > 0 {
                    total += cell.count;
                    by_hue[self.hues.of_cell(cell)] += cell.count;
                    rows = Some((rows.map_or(row, |(low, _)| low), row));
                }
            }
        }
        let (low, high) = rows?;
        let (units, value) = (self.units, self.value);
        let across = |v: u64| units.0.label((value.0)(v, self.zero));
        let up = |v: u64| units.1.label((value.1)(v, 0).round());
        let (seen_x, seen_y) = (x.seen()?, y.seen()?);
        let last =
            |axis: &crate::analyse::charts::Axis, bin: usize| axis.start(bin + 1).saturating_sub(1);
        let busiest = (0..by_hue.len()).rev().max_by_key(|&hue| by_hue[hue]);
        Some(Slice {
            from: across(x.start(columns.start).max(seen_x.0)),
            to: across(last(x, columns.end - 1).min(seen_x.1)),
            count: total,
            lowest: up(y.start(low).max(seen_y.0)),
            highest: up(last(y, high).min(seen_y.1)),
            busiest,
        })
    }
}

/// Returns `word` in the plural, unless `n` is 1.
pub(super) fn plural(n: u64, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}
