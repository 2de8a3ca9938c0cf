//! Dots between two axes, drawn with Braille patterns: eight dots in each cell.

use ratatui::{
    buffer::Buffer,
    layout::{Alignment, Rect},
    style::Style,
    symbols::Marker,
    text::Line,
    widgets::{Axis, Chart, Dataset, GraphType, Widget as _},
};

use super::hues::{Hue, PALETTE, QUIET, colour};

/// Number of lines of the area of the dots: with four rows of dots in each, ten lanes can be told
/// apart.
const GRAPH: u16 = 10;

/// Number of labels on the y axis: one on each third line, so that they are at their exact values.
pub(crate) const LABELS: u32 = 4;

/// Dots of several colours, and their axes.
pub(crate) struct Scatter {
    x: [f64; 2],
    y: [f64; 2],
    /// Labels of both ends and the middle.
    pub(crate) x_labels: Vec<String>,
    /// Number of lines of the area of the dots.
    pub(crate) graph: u16,
    /// Labels from the lowest to the highest.
    pub(crate) y_labels: Vec<String>,
    /// Lines below the plot.
    pub(crate) below: Vec<Line<'static>>,
    /// Dots by colour; the last are those without a colour of their own.
    dots: [Vec<(f64, f64)>; PALETTE.len() + 1],
}

impl Scatter {
    /// Creates an empty plot with the ends of both axes, x first.
    pub(crate) fn new([x, y]: [[f64; 2]; 2]) -> Self {
        let (x_labels, y_labels, below) = (Vec::new(), Vec::new(), Vec::new());
        Self { x, y, graph: GRAPH, x_labels, y_labels, below, dots: Default::default() }
    }

    /// Creates a plot whose x axis is the number of an assignment, from `first` on, with labels.
    pub(crate) fn by_order(first: u64, len: usize, y: [f64; 2]) -> Self {
        let last = len.saturating_sub(1) as u64;
        let end = f64::from(u32::try_from(last).unwrap_or(u32::MAX));
        let x_labels = [0, last / 2, last].map(|n| (first + n).to_string()).into();
        Self { x_labels, ..Self::new([[0.0, end.max(1.0)], y]) }
    }

    /// Adds a dot.
    pub(crate) fn dot(&mut self, hue: Hue, x: f64, y: f64) {
        let hue = hue.unwrap_or(PALETTE.len()).min(PALETTE.len());
        self.dots[hue].push((x, y));
    }

    /// Returns the number of lines that it takes: two are for the x axis.
    pub(crate) fn height(&self) -> u16 {
        self.graph + 2 + u16::try_from(self.below.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn render(&self, area: Rect, buffer: &mut Buffer) {
        let graph = Rect { height: self.graph + 2, ..area };
        for (line, y) in self.below.iter().zip(graph.bottom()..) {
            line.render(Rect { y, height: 1, ..area }, buffer);
        }
        let axis = |bounds, labels: &[String]| {
            Axis::default().bounds(bounds).labels(labels.to_vec()).style(QUIET)
        };
        let x = axis(self.x, &self.x_labels).labels_alignment(Alignment::Right);
        let y = axis(self.y, &self.y_labels).labels_alignment(Alignment::Right);
        Chart::new(self.datasets()).x_axis(x).y_axis(y).legend_position(None).render(graph, buffer);
    }

    /// Returns the dots without a colour of their own first, then the busiest lanes: a cell of
    /// several dots has the colour of the last one, so that a line in a cloud is visible.
    fn datasets(&self) -> Vec<Dataset<'_>> {
        let (others, coloured) = (PALETTE.len(), 0..PALETTE.len());
        let only_one = self.dots[1..].iter().all(Vec::is_empty);
        let dataset = |hue: usize| {
            let style = if only_one { Style::new() } else { Style::new().fg(colour(Some(hue))) };
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(GraphType::Scatter)
                .style(style)
                .data(&self.dots[hue])
        };
        std::iter::once(others).chain(coloured).map(dataset).collect()
    }
}

/// Returns labels from `low` to `high`, with a sign.
pub(crate) fn signed(low: f64, high: f64) -> Vec<String> {
    let value = |n| low + (high - low) * f64::from(n) / f64::from(LABELS - 1);
    let label = |value: f64| if value == 0.0 { "0".to_owned() } else { format!("{value:+.0}") };
    (0..LABELS).map(value).map(label).collect()
}
