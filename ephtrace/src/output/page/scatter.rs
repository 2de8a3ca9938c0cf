//! The charts with a point for each event: ports by order and by time, the return map, the duration
//! of the search and the number of candidates that it tried.

use std::collections::VecDeque;

use maud::{Markup, html};

use super::slices::Slices;
use super::{
    density::{Density, Value},
    hues::ColorAssignment,
    marks::{self, Dot},
    plot::{Drawing, HEIGHT, Plot, Shape, WIDTH},
    scale::{Scale, Unit, count},
    slices,
};
use crate::{
    analyse::{
        charts::{Charts, Grid, Mark, ROWS, least},
        real,
    },
    model::PortRange,
};

/// Share of the range below which only the ports in use are shown, not all of the range.
const SPARSE: f64 = 0.25;

/// Returns a whole number unchanged.
fn plain(value: u64, _zero: u64) -> f64 {
    real(value)
}

/// Returns nanoseconds as seconds since `zero`.
fn seconds(value: u64, zero: u64) -> f64 {
    (real(value) - real(zero)) / 1e9
}

/// Returns the least value of a magnitude.
fn of_magnitude(value: u64, _zero: u64) -> f64 {
    least(value)
}

/// Function to the position of a mark on the scales.
type At = fn(&Mark, u64) -> Option<(f64, f64)>;

/// Common properties of these charts.
struct Scatter<'a> {
    /// Events that are drawn one by one, if there are few.
    marks: Option<&'a VecDeque<Mark>>,
    hues: &'a ColorAssignment,
    grid: &'a Grid,
    x: Scale,
    y: Scale,
    /// Position of zero on the time axis.
    zero: u64,
    value: (Value, Value),
    /// Function to the position of a mark on the scales; its second argument is zero on the time
    /// axis.
    at: At,
    lettered: bool,
}

impl Scatter<'_> {
    fn draw(&self, behind: &Markup) -> Drawing {
        let Self { hues, grid, x, y, value, zero, .. } = *self;
        let scales = (&self.x, &self.y);
        if let Some(marks) = self.marks {
            let dots: Vec<Dot<'_>> = marks
                .iter()
                .filter_map(|mark| {
                    let (x, y) = (self.at)(mark, zero)?;
                    Some(Dot { mark, x, y })
                })
                .collect();
            let mut drawing = marks::draw(&dots, scales, hues, behind);
            if self.lettered && hues.several() {
                drawing.letters = marks::letters(&dots, scales, hues);
            }
            return drawing;
        }
        let density = Density { grid, x, y, value, zero };
        let mut drawing = density.draw(hues, behind);
        if self.lettered && hues.several() {
            drawing.letters = density.letters(hues);
        }
        drawing
    }

    fn table(&self, x: &'static str, y: &'static str) -> Markup {
        let Self { hues, grid, value, zero, .. } = *self;
        let slices = Slices { grid, hues, value, zero, units: (self.x.unit, self.y.unit) };
        slices.table(x, y)
    }
}

/// Returns the chart of ports in the order of their assignment.
pub(super) fn by_number(charts: &Charts, hues: &ColorAssignment) -> Option<Plot> {
    let grid = charts.by_number();
    let y = ports(charts, grid)?;
    let x = numbers(charts);
    let rules = charts.epochs().unwrap_or(&[]);
    let rules = rules.iter().map(|epoch| x.place(real(epoch.number))).collect::<Vec<_>>();
    let at: At = |mark, _| Some((real(mark.number), f64::from(mark.port?)));
    let scatter = Scatter {
        marks: charts.marks(),
        hues,
        grid,
        x,
        y,
        zero: 0,
        value: (plain, plain),
        at,
        lettered: true,
    };
    Some(Plot {
        id: "by-number",
        title: "Ports in order of assignment",
        hint: html! {
            "One rising line: one global counter. Several lines: a counter per destination. A \
             cloud: random ports. "
            (epochs(charts, "Dashed"))
        },
        reading: reading(charts, grid),
        x: (x, "number of the assignment"),
        y: (y, "port"),
        drawing: scatter.draw(&behind(charts, &y, &rules)),
        shape: Shape::Wide,
        table: scatter.table("Assignments", "ports"),
    })
}

/// Returns the last of very many assignments one by one, which the density of all can't show.
pub(super) fn last(charts: &Charts, hues: &ColorAssignment) -> Option<Plot> {
    let (None, marks) = (charts.marks(), charts.last()) else { return None };
    let mut grid = Grid::new(marks.len(), ROWS);
    for mark in marks {
        if let Some(port) = mark.port {
            grid.add(mark.number, port.into(), mark.id);
        }
    }
    let y = ports(charts, &grid)?;
    let (first, last) = (marks.front()?.number, marks.back()?.number);
    let x = Scale::linear(real(first), real(last) + 1.0, Unit::Count);
    let rules = charts.epochs().unwrap_or(&[]);
    let rules = rules.iter().filter(|epoch| epoch.number >= first);
    let rules = rules.map(|epoch| x.place(real(epoch.number))).collect::<Vec<_>>();
    let at: At = |mark, _| Some((real(mark.number), f64::from(mark.port?)));
    let (marks, value): (_, (Value, Value)) = (Some(marks), (plain, plain));
    let scatter = Scatter { marks, hues, grid: &grid, x, y, zero: 0, value, at, lettered: true };
    Some(Plot {
        id: "last",
        title: "The last ports, one by one",
        hint: html! { "The end of the recording, magnified; each port has a tooltip." },
        reading: format!(
            "{} ports of the last {} assignments.",
            count(grid.total()),
            count(last - first + 1)
        ),
        x: (x, "number of the assignment"),
        y: (y, "port"),
        drawing: scatter.draw(&behind(charts, &y, &rules)),
        shape: Shape::Wide,
        table: scatter.table("Assignments", "ports"),
    })
}

/// Returns the chart of ports over time.
pub(super) fn by_time(charts: &Charts, hues: &ColorAssignment) -> Option<Plot> {
    let grid = charts.by_time();
    let y = ports(charts, grid)?;
    let (first, last) = grid.x().seen()?;
    let x = Scale::linear(0.0, seconds(last, first).max(1e-6), Unit::Seconds);
    let rules = charts.epochs().unwrap_or(&[]);
    let rules = rules.iter().map(|e| x.place(seconds(e.ts_ns, first))).collect::<Vec<_>>();
    let at: At = |mark, zero| Some((seconds(mark.ts_ns, zero), f64::from(mark.port?)));
    let scatter = Scatter {
        marks: charts.marks(),
        hues,
        grid,
        x,
        y,
        zero: first,
        value: (seconds, plain),
        at,
        lettered: true,
    };
    Some(Plot {
        id: "by-time",
        title: "Ports over time",
        hint: html! {
            "The same ports over time: how fast they are used up, and where there are pauses. "
            (epochs(charts, "Dashed"))
        },
        reading: reading(charts, grid),
        x: (x, "seconds since the first assignment"),
        y: (y, "port"),
        drawing: scatter.draw(&behind(charts, &y, &rules)),
        shape: Shape::Wide,
        table: scatter.table("Time", "ports"),
    })
}

/// Returns the chart of each port against the previous one in its lane.
pub(super) fn returns(charts: &Charts, hues: &ColorAssignment) -> Option<Plot> {
    let grid = charts.returns();
    let y = ports(charts, charts.by_number())?;
    grid.x().seen()?;
    let at: At = |mark, _| Some((f64::from(mark.before?), f64::from(mark.port?)));
    let scatter = Scatter {
        marks: charts.marks(),
        hues,
        grid,
        x: y,
        y,
        zero: 0,
        value: (plain, plain),
        at,
        lettered: false,
    };
    Some(Plot {
        id: "returns",
        title: "Return map of each destination",
        hint: html! {
            "Each port against the previous one to the same destination. Near the diagonal: a \
             counter. A cloud: random ports."
        },
        reading: format!("{} repeat assignments to a destination.", count(grid.total())),
        x: (y, "previous port, same destination"),
        y: (y, "port"),
        drawing: scatter.draw(&html! { path.rule d=(format!("M0 {HEIGHT}L{WIDTH} 0")) {} }),
        shape: Shape::Square,
        table: scatter.table("Previous ports", "ports"),
    })
}

/// Returns the chart of the searches' durations.
pub(super) fn latency(charts: &Charts, hues: &ColorAssignment) -> Option<Plot> {
    let at: At = |mark, _| Some((real(mark.number), real(mark.latency_ns?.max(1))));
    let grid = charts.latency();
    let ends = charts.latency_ends()?;
    let y = magnitudes(grid, Unit::Nanoseconds, 0.0)?;
    Some(searches(charts, hues, (grid, at), y).plot(
        ("latency", "Port search latency", "port search latency"),
        html! { "Port search latency of each assignment (log scale)." },
        grid.total(),
        ends.map(|end| Unit::Nanoseconds.label(real(end))),
        "",
    ))
}

/// Returns the chart of the number of candidates that each search tried.
pub(super) fn tried(charts: &Charts, hues: &ColorAssignment) -> Option<Plot> {
    let at: At = |mark, _| Some((real(mark.number), f64::from(mark.tried?.max(1))));
    let grid = charts.tried();
    let ends = charts.tried_ends()?;
    let y = magnitudes(grid, Unit::Count, 12.0)?;
    Some(searches(charts, hues, (grid, at), y).plot(
        ("tried", "Candidates tried", "candidates tried"),
        html! {
            "How many ports each search tried; 1 means that the first was free. Once half of the \
             range is in use for one destination, each connect first scans that half (log scale)."
        },
        grid.total(),
        ends.map(count),
        " tried",
    ))
}

fn searches<'a>(
    charts: &'a Charts,
    hues: &'a ColorAssignment,
    (grid, at): (&'a Grid, At),
    y: Scale,
) -> Scatter<'a> {
    let (x, value): (_, (Value, Value)) = (numbers(charts), (plain, of_magnitude));
    Scatter { marks: charts.marks(), hues, grid, x, y, zero: 0, value, at, lettered: false }
}

impl Scatter<'_> {
    fn plot(
        &self,
        (id, title, y_name): (&'static str, &'static str, &'static str),
        hint: Markup,
        total: u64,
        [low, high]: [String; 2],
        what: &str,
    ) -> Plot {
        let span = if low == high {
            format!("{low}{what} each")
        } else {
            format!("{low} to {high}{what}")
        };
        Plot {
            id,
            title,
            hint,
            reading: format!(
                "{} {}, {span}.",
                count(total),
                if total == 1 { "search" } else { "searches" }
            ),
            x: (self.x, "number of the assignment"),
            y: (self.y, y_name),
            drawing: self.draw(&html! {}),
            shape: Shape::Half,
            table: self.table("Assignments", "values"),
        }
    }
}

/// Returns the scale of a grid's magnitudes, at least up to `least_high`.
fn magnitudes(grid: &Grid, unit: Unit, least_high: f64) -> Option<Scale> {
    let (lowest, highest) = grid.y().seen()?;
    // Leaves some room below and above, so that nothing lies on the edge.
    let high = (least(highest + 1) * 1.3).max(least_high);
    Some(Scale::log(least(lowest) / 1.3, high, unit))
}

/// Returns the scale of all events, from the first to the last.
fn numbers(charts: &Charts) -> Scale {
    Scale::linear(1.0, real(charts.events().max(1)) + 1.0, Unit::Count)
}

/// Returns the range, or the ports in use if they are only a small part of it.
fn ports(charts: &Charts, grid: &Grid) -> Option<Scale> {
    let (lowest, highest) = grid.y().seen()?;
    let (mut low, mut high) = (real(lowest), real(highest) + 1.0);
    if let Some(range) = charts.occupancy().range() {
        let range = (f64::from(range.low), f64::from(range.high) + 1.0);
        if high - low > SPARSE * (range.1 - range.0) {
            (low, high) = (low.min(range.0), high.max(range.1));
        }
    }
    let room = ((high - low) / 50.0).max(1.0);
    Some(Scale::linear((low - room).max(0.0), (high + room).min(65_536.0), Unit::Port))
}

/// Returns rules at the changes of the secret and at the ends of the range.
fn behind(charts: &Charts, y: &Scale, rules: &[f64]) -> Markup {
    let PortRange { low, high } = charts.occupancy().range().unwrap_or(PortRange::new(0, 0));
    let ends = [f64::from(low), f64::from(high) + 1.0].map(|end| y.place(end));
    html! {
        @if low < high {
            @for end in ends.into_iter().filter(|end| (0.0..=1.0).contains(end)) {
                path.limit d=(format!("M0 {:.1}H{WIDTH}", (1.0 - end) * HEIGHT)) {
                    title { "End of the range" }
                }
            }
        }
        @for rule in rules {
            path.rule d=(format!("M{:.2} 0V{HEIGHT}", rule * WIDTH)) { title { "New hash secret" } }
        }
    }
}

fn epochs(charts: &Charts, how: &str) -> Markup {
    html! {
        @match charts.epochs() {
            None => "The kernel changed the hash secret too often to mark each change.",
            Some([]) => "",
            Some(_) => { (how) " rules: the kernel drew a new hash secret, as it does every ten \
                                seconds." }
        }
    }
}

fn reading(charts: &Charts, grid: &Grid) -> String {
    let Some((lowest, highest)) = grid.y().seen() else { return String::new() };
    let used = (0..=u16::MAX).filter(|&port| charts.occupancy().count(port) > 0).count();
    let lanes = charts.lane_ids().len();
    let how = if charts.marks().is_some() { "each one drawn" } else { "drawn by density" };
    format!(
        "{} ports, {} different ones, from {lowest} to {highest}, of {} {}; {how}.",
        count(grid.total()),
        count(used as u64),
        count(lanes as u64),
        slices::plural(lanes as u64, "destination"),
    )
}
