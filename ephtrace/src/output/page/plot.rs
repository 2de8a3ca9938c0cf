//! The frame of a chart: heading, axes, the drawing, and the same data as a table.
//!
//! Labels are text of the page at positions in percent, so that they stay readable at any screen
//! width; only the drawing itself is stretched. All drawings have the same coordinates: 0 to
//! [`WIDTH`] from left to right, 0 to [`HEIGHT`] from top to bottom.

use maud::{Markup, html};

use super::scale::{Scale, Tick};

/// Width of a drawing, in units of its own.
pub(super) const WIDTH: f64 = 1000.0;

/// Height of a drawing, in units of its own.
pub(super) const HEIGHT: f64 = 500.0;

/// Approximate number of labels on the horizontal axis; a phone leaves out every other one.
const TICKS_ACROSS: f64 = 8.0;

/// Approximate number of labels on the vertical axis.
const TICKS_UP: f64 = 6.0;

/// A chart.
pub(super) struct Plot {
    /// Identifier for links.
    pub(super) id: &'static str,
    /// Title of the chart.
    pub(super) title: &'static str,
    /// Help for reading the chart.
    pub(super) hint: Markup,
    /// The visible result in a sentence, which a screen reader reads in place of the drawing.
    pub(super) reading: String,
    /// Horizontal scale, and its title.
    pub(super) x: (Scale, &'static str),
    /// Vertical scale, and its title.
    pub(super) y: (Scale, &'static str),
    /// The drawing.
    pub(super) drawing: Drawing,
    /// Shape of the chart.
    pub(super) shape: Shape,
    /// The data as a table.
    pub(super) table: Markup,
}

/// Part of the page's width that a chart takes; on a phone, it takes all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The whole width.
    Wide,
    /// Half of the width.
    Half,
    /// Half of the width, and as high as wide: both axes are the same.
    Square,
}

/// The drawing inside of the axes.
pub(super) struct Drawing {
    /// SVG shapes.
    pub(super) shapes: Markup,
    /// Data from which the script makes tooltips, if shapes have none of their own.
    pub(super) cells: Option<Cells>,
    /// Letters at points of the drawing: colour, then position from left and from bottom, 0 to 1.
    pub(super) letters: Vec<(usize, f64, f64)>,
}

/// Counts of a grid, for tooltips.
pub(super) struct Cells {
    /// Number of columns and rows.
    pub(super) size: (usize, usize),
    /// Left, top, width and height in units of the drawing.
    pub(super) place: [f64; 4],
    /// Counts row by row from the top, separated by commas; a negative number stands for that many
    /// empty cells.
    pub(super) counts: String,
}

impl Plot {
    /// Returns the chart as a figure.
    pub(super) fn render(&self) -> Markup {
        let Self { id, title, hint, reading, x, y, drawing, shape, table } = self;
        let caption = format!("{id}-title");
        html! {
            figure.wide[*shape == Shape::Wide] id=(id) aria-labelledby=(caption) {
                figcaption {
                    h3 id=(caption) { (title) }
                    p { (hint) }
                }
                div.plot.square[*shape == Shape::Square]
                    data-x=(ends(&x.0)) data-y=(ends(&y.0))
                    data-x-unit=(x.0.unit.name()) data-y-unit=(y.0.unit.name())
                    data-x-name=(x.1) data-y-name=(y.1)
                {
                    div.name.up aria-hidden="true" { (y.1) }
                    div.axis.up aria-hidden="true" { (ticks(&y.0.ticks(TICKS_UP), true)) }
                    div.frame { div.area {
                        svg role="img" viewBox=(format!("0 0 {WIDTH} {HEIGHT}"))
                            preserveAspectRatio="none" aria-label=(format!("{title}: {reading}"))
                        {
                            (lines(&x.0.ticks(TICKS_ACROSS), &y.0.ticks(TICKS_UP)))
                            (drawing.shapes)
                        }
                        @if let Some(cells) = &drawing.cells { (cells.render()) }
                        @for &(hue, x, y) in &drawing.letters {
                            @let (left, top) = (x * 100.0, 100.0 - y * 100.0);
                            span class=(format!("letter h{hue}")) aria-hidden="true"
                                data-at=(format!("{x:.4} {:.4}", 1.0 - y))
                                style=(format!("left:{left:.2}%;top:{top:.2}%"))
                            { (super::hues::ColorAssignment::letter(hue)) }
                        }
                    } }
                    div.axis.across aria-hidden="true" { (ticks(&x.0.ticks(TICKS_ACROSS), false)) }
                    div.name.across aria-hidden="true" { (x.1) }
                }
                p.reading { (reading) }
                details {
                    summary { "The same as a table" }
                    div.scroll tabindex="0" role="region" aria-label="The same as a table" {
                        (table)
                    }
                }
            }
        }
    }
}

impl Cells {
    fn render(&self) -> Markup {
        let Self { size: (columns, rows), place: [left, top, width, height], counts } = self;
        html! {
            data hidden value=(counts)
                data-size=(format!("{columns} {rows}"))
                data-place=(format!("{left:.3} {top:.3} {width:.3} {height:.3}")) {}
        }
    }
}

fn ends(scale: &Scale) -> String {
    format!("{} {} {}", scale.low, scale.high, if scale.log { "log" } else { "linear" })
}

fn ticks(ticks: &[Tick], up: bool) -> Markup {
    html! {
        @for Tick { place, label } in ticks {
            @if up {
                span style=(format!("top:{:.2}%", 100.0 - place * 100.0)) { (label) }
            } @else {
                span style=(format!("left:{:.2}%", place * 100.0)) { (label) }
            }
        }
    }
}

/// Returns faint lines at the ticks.
fn lines(x: &[Tick], y: &[Tick]) -> Markup {
    let across = x.iter().map(|t| format!("M{:.1} 0V{HEIGHT}", t.place * WIDTH));
    let up = y.iter().map(|t| format!("M0 {:.1}H{WIDTH}", (1.0 - t.place) * HEIGHT));
    html! { path.lines d=(across.chain(up).collect::<String>()) {} }
}
