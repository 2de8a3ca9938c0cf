//! Pictures for the terminal: a run at a glance.
//!
//! [`draw`] turns a [`PlotData`] into text with the widgets of ratatui, off the screen. It chooses
//! the magnification by the visible structure, and describes how a counter and chance look, but
//! gives no verdict: that is the task of [`pattern`](crate::analyse::pattern).
//!
//! | plot | shows |
//! |---|---|
//! | ports by order | one rising line: one counter; several: by destination; a cloud: chance |
//! | climb by order | only where lines are too level to be seen rising: each from where it began |
//! | return map | port against the one before of the same destination: a diagonal or a cloud |
//! | steps | bars, for each size if most are small, else over the width of the range |

use std::fmt::{self, Write};

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Modifier,
    text::Line,
    widgets::{Paragraph, Widget as _},
};

use super::{
    ansi,
    bars::{Bars, MANY},
    hues::{ColorAssignment, QUIET},
    ports::Ports,
    scatter::{self, Scatter},
};
use crate::{
    analyse::{
        lanes::LaneKey,
        picture::{PlotData, Point},
    },
    output::counted::counted,
};

/// Number of columns if the width of the terminal is unknown.
pub const DEFAULT_WIDTH: u16 = 80;

/// Least number of columns that hold the titles. In a narrower terminal, lines will be broken.
pub const MIN_WIDTH: u16 = 60;

/// Maximum number of columns: in more, the points get lost.
pub const MAX_WIDTH: u16 = 160;

/// Least width with two plots in a row.
const TWO_COLUMNS: u16 = 120;

/// Columns and lines between plots.
const GAP: u16 = 2;

/// Least number of points for a picture.
const FEWEST: usize = 8;

/// One picture with its title and a hint for reading it.
struct Panel {
    title: String,
    hint: String,
    body: Body,
}

enum Body {
    Scatter(Box<Scatter>),
    Bars(Bars),
    Nothing,
}

/// Draws `picture` in `width` columns, or the nearest sensible number, with the colours of a
/// terminal if `colour`. Each line ends with a line feed.
///
/// # Errors
///
/// Returns the errors of `out`.
pub fn draw(picture: &PlotData, width: u16, colour: bool, out: &mut impl Write) -> fmt::Result {
    if picture.len() < FEWEST {
        return writeln!(out, "{}: too few to draw", counted(picture.assignments(), "assignment"));
    }
    for (n, row) in rows(picture, width, colour, &[]).iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        ansi::write(row, colour, out)?;
    }
    Ok(())
}

/// Returns the plots of `picture` in rows from top to bottom, two in each if there is room; none if
/// there is too little to see. The `marked` lanes have the colours of their places.
pub(crate) fn rows(
    picture: &PlotData,
    width: u16,
    colour: bool,
    marked: &[Option<LaneKey>],
) -> Vec<Buffer> {
    if picture.len() < FEWEST {
        return Vec::new();
    }
    let width = width.clamp(MIN_WIDTH, MAX_WIDTH);
    let columns = if width < TWO_COLUMNS { 1 } else { 2 };
    let each = (width - GAP * (columns - 1)) / columns;
    let panels = View::new(picture, each, colour, marked).panels();
    panels.chunks(usize::from(columns)).map(|row| side_by_side(row, each)).collect()
}

fn side_by_side(row: &[Panel], each: u16) -> Buffer {
    let height = row.iter().map(Panel::height).max().unwrap_or(0);
    let mut buffer = Buffer::empty(Rect::new(0, 0, (each + GAP) * 2, height));
    let mut left = 0;
    for panel in row {
        panel.render(Rect::new(left, 0, each, panel.height()), &mut buffer);
        left += each + GAP;
    }
    buffer
}

/// Data that all plots of one drawing share.
struct View<'a> {
    picture: &'a PlotData,
    points: Vec<Point>,
    climbs: Vec<Option<i32>>,
    hues: ColorAssignment,
    ports: Ports,
    /// Columns of one plot.
    width: u16,
    colour: bool,
}

impl<'a> View<'a> {
    fn new(picture: &'a PlotData, width: u16, colour: bool, marked: &[Option<LaneKey>]) -> Self {
        let points: Vec<Point> = picture.points().copied().collect();
        let (hues, ports) = (ColorAssignment::of(&points, marked), Ports::of(&points));
        Self { picture, climbs: picture.climbs(), points, hues, ports, width, colour }
    }

    /// Returns the panels, in an order in which they explain each other.
    fn panels(&self) -> Vec<Panel> {
        let mut panels = vec![self.by_order()];
        if self.is_level() {
            panels.push(self.by_climb());
        }
        panels.push(self.return_map());
        panels.push(self.steps());
        panels
    }

    /// Returns true if many steps are small, but their lines would hardly appear to rise.
    fn is_level(&self) -> bool {
        /// Least visible rise, as a divisor of the height of the plot.
        const SEEN: u32 = 4;
        let steps = self.picture.steps();
        let highest = self.climbs.iter().flatten().map(|climb| climb.unsigned_abs()).max();
        let many = steps.close().saturating_mul(MANY) > steps.total();
        many && highest.unwrap_or(0) < self.ports.shown() / SEEN
    }

    fn by_order(&self) -> Panel {
        let (shown, all) = (self.points.len(), self.picture.assignments());
        let last = if all > shown as u64 { format!("last {shown} of ") } else { String::new() };
        let mut scatter = Scatter::by_order(self.picture.first_number(), shown, self.ports.ends());
        scatter.y_labels = self.ports.labels(scatter::LABELS);
        for (x, (point, hue)) in (0_u32..).zip(self.points.iter().zip(self.hues.each())) {
            scatter.dot(*hue, f64::from(x), f64::from(self.ports.place(point.port)));
        }
        scatter.below = self.below();
        Panel {
            title: format!("Port by order of assignment: {last}{all}"),
            hint: "one line: a counter; several: by destination; cloud: random".to_owned(),
            body: Body::Scatter(scatter.into()),
        }
    }

    /// Returns the lines under the first plot: facts, and the meaning of the colours.
    fn below(&self) -> Vec<Line<'static>> {
        let parity = parity(&self.points).map(str::to_owned);
        let facts = [self.hues.destinations(), parity, self.ports.passed_end()];
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        let facts = (!facts.is_empty()).then(|| Line::from(facts.join("; ")));
        let legend = if self.colour { self.hues.legend(self.width) } else { None };
        facts.into_iter().chain(legend).collect()
    }

    fn by_climb(&self) -> Panel {
        let all = || self.climbs.iter().flatten().copied();
        let lowest = f64::from(all().min().unwrap_or(0));
        let highest = f64::from(all().max().unwrap_or(0)).max(lowest + 1.0);
        let first = self.picture.first_number();
        let mut scatter = Scatter::by_order(first, self.climbs.len(), [lowest, highest]);
        scatter.y_labels = scatter::signed(lowest, highest);
        for (x, (climb, hue)) in (0_u32..).zip(self.climbs.iter().zip(self.hues.each())) {
            if let Some(climb) = climb {
                scatter.dot(*hue, f64::from(x), f64::from(*climb));
            }
        }
        Panel {
            title: "Each destination from its start or last jump".to_owned(),
            hint: "rising: counter; one slope: shared; all fall: random".to_owned(),
            body: Body::Scatter(scatter.into()),
        }
    }

    fn return_map(&self) -> Panel {
        let title = "Port (y) against the previous port (x) to the same destination".to_owned();
        let before = self.picture.before();
        let pairs = before.iter().flatten().count();
        if pairs < FEWEST {
            return Panel::too_few(title, &pairs.to_string());
        }
        let mut scatter = Scatter::new([self.ports.ends(); 2]);
        scatter.x_labels = self.ports.labels(3);
        scatter.y_labels = self.ports.labels(scatter::LABELS);
        for ((point, before), hue) in self.points.iter().zip(before).zip(self.hues.each()) {
            if let Some(before) = before {
                let [x, y] = [before, point.port].map(|port| self.ports.place(port));
                scatter.dot(*hue, f64::from(x), f64::from(y));
            }
        }
        let hint = "a diagonal: counters; cloud: random".to_owned();
        Panel { title, hint, body: Body::Scatter(scatter.into()) }
    }

    fn steps(&self) -> Panel {
        let steps = self.picture.steps();
        let total = steps.total();
        let title = "Steps between ports of the same destination".to_owned();
        if total < FEWEST as u64 {
            return Panel::too_few(title, &total.to_string());
        }
        let (bars, hint) = Bars::of(steps);
        Panel { title: format!("{title}: {total}"), hint, body: Body::Bars(bars) }
    }
}

/// Returns a remark on the parity of all ports, if it is remarkable.
fn parity(points: &[Point]) -> Option<&'static str> {
    /// Number of ports that are all of one parity by chance once in two billion times.
    const TELLING: usize = 32;
    let odd = points.iter().filter(|point| point.port % 2 == 1).count();
    match points.len() {
        n if n < TELLING => None,
        n if n == odd => Some("all ports are odd"),
        _ if odd == 0 => Some("all ports are even"),
        _ => None,
    }
}

impl Panel {
    fn too_few(title: String, n: &str) -> Self {
        Self { title, hint: format!("too few to draw: {n}"), body: Body::Nothing }
    }

    fn height(&self) -> u16 {
        let body = match &self.body {
            Body::Scatter(scatter) => scatter.height(),
            Body::Bars(bars) => bars.height(),
            Body::Nothing => 0,
        };
        2 + body
    }

    fn render(&self, area: Rect, buffer: &mut Buffer) {
        let line = |n: u16| Rect { y: area.y + n, height: 1, ..area };
        Paragraph::new(Line::styled(&*self.title, Modifier::BOLD)).render(line(0), buffer);
        Paragraph::new(Line::styled(&*self.hint, QUIET)).render(line(1), buffer);
        let rest = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
        match &self.body {
            Body::Scatter(scatter) => scatter.render(rest, buffer),
            Body::Bars(bars) => bars.render(rest, buffer),
            Body::Nothing => {}
        }
    }
}
