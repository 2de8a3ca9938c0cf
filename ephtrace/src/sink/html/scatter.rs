//! The charts with a place for each event: ports by order and by time, the return map, the time of
//! the search and how many candidates it tried.

use maud::{Markup, html};

use super::{
    density::{Density, Value},
    hues::Hues,
    marks::{self, Dot},
    plot::{Drawing, HEIGHT, Plot, WIDTH},
    scale::{Scale, Unit, count},
    slices,
};
use crate::{
    analyse::{
        charts::{Charts, Grid, Mark, least},
        real,
    },
    sink::html::slices::Slices,
};

/// Where ports take up less than this share of the range, only they are shown, not all of the range.
const SPARSE: f64 = 0.25;

/// A whole number as it is.
fn plain(value: u64, _zero: u64) -> f64 {
    real(value)
}

/// Nanoseconds as seconds since `zero`.
fn seconds(value: u64, zero: u64) -> f64 {
    (real(value) - real(zero)) / 1e9
}

/// The least value of a magnitude.
fn of_magnitude(value: u64, _zero: u64) -> f64 {
    least(value)
}

/// What is common to these charts.
struct Scatter<'a> {
    charts: &'a Charts,
    hues: &'a Hues,
    grid: &'a Grid,
    x: Scale,
    y: Scale,
    value: (Value, Value),
    /// Where a mark lies, as values of the axes.
    at: fn(&Mark) -> Option<(u64, u64)>,
    lettered: bool,
}

impl Scatter<'_> {
    fn zero(&self) -> u64 {
        self.charts.by_time().x().seen().map_or(0, |(first, _)| first)
    }

    fn draw(&self, behind: &Markup) -> Drawing {
        let Self { hues, grid, x, y, value, .. } = *self;
        let scales = (&self.x, &self.y);
        let zero = self.zero();
        if let Some(marks) = self.charts.marks() {
            let dots: Vec<Dot<'_>> = marks
                .iter()
                .filter_map(|mark| {
                    let (x, y) = (self.at)(mark)?;
                    Some(Dot { mark, x: (value.0)(x, zero), y: (value.1)(y, zero) })
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
        let Self { hues, grid, value, .. } = *self;
        let slices =
            Slices { grid, hues, value, zero: self.zero(), units: (self.x.unit, self.y.unit) };
        slices.table(x, y)
    }
}

/// Ports in the order of their assignment.
pub(super) fn by_number(charts: &Charts, hues: &Hues) -> Option<Plot> {
    let grid = charts.by_number();
    let y = ports(charts, grid)?;
    let x = numbers(charts);
    let rules = charts.epochs().unwrap_or(&[]);
    let rules = rules.iter().map(|epoch| x.place(real(epoch.number))).collect::<Vec<_>>();
    let at: fn(&Mark) -> _ = |mark| Some((mark.number, u64::from(mark.port?)));
    let scatter = Scatter { charts, hues, grid, x, y, value: (plain, plain), at, lettered: true };
    Some(Plot {
        id: "by-number",
        title: "Ports in the order of their assignment",
        hint: html! {
            "One rising line: one counter for everybody. Several lines: a counter for each destination. A cloud: chance. "
            (epochs(charts, "Dashed"))
        },
        reading: reading(charts, grid),
        x: (x, "number of the assignment"),
        y: (y, "port"),
        drawing: scatter.draw(&behind(charts, &y, &rules)),
        square: false,
        table: scatter.table("Assignments", "ports"),
    })
}

/// The same over time.
pub(super) fn by_time(charts: &Charts, hues: &Hues) -> Option<Plot> {
    let grid = charts.by_time();
    let y = ports(charts, grid)?;
    let (first, last) = grid.x().seen()?;
    let x = Scale::linear(0.0, seconds(last, first).max(1e-6), Unit::Seconds);
    let rules = charts.epochs().unwrap_or(&[]);
    let rules = rules.iter().map(|e| x.place(seconds(e.ts_ns, first))).collect::<Vec<_>>();
    let at: fn(&Mark) -> _ = |mark| Some((mark.ts_ns, u64::from(mark.port?)));
    let scatter = Scatter { charts, hues, grid, x, y, value: (seconds, plain), at, lettered: true };
    Some(Plot {
        id: "by-time",
        title: "Ports over time",
        hint: html! {
            "The same by the clock: how fast ports are used up, and where there are pauses. "
            (epochs(charts, "Dashed"))
        },
        reading: reading(charts, grid),
        x: (x, "seconds since the first assignment"),
        y: (y, "port"),
        drawing: scatter.draw(&behind(charts, &y, &rules)),
        square: false,
        table: scatter.table("Time", "ports"),
    })
}

/// Each port against the one before it in its lane.
pub(super) fn returns(charts: &Charts, hues: &Hues) -> Option<Plot> {
    let grid = charts.returns();
    let y = ports(charts, charts.by_number())?;
    grid.x().seen()?;
    let at: fn(&Mark) -> _ = |mark| Some((u64::from(mark.before?), u64::from(mark.port?)));
    let scatter =
        Scatter { charts, hues, grid, x: y, y, value: (plain, plain), at, lettered: false };
    Some(Plot {
        id: "returns",
        title: "Return map of each destination",
        hint: html! {
            "Each port against the one before it to the same destination. Near the diagonal: a counter. A cloud: chance."
        },
        reading: format!("{} returns to a destination.", count(grid.total())),
        x: (y, "port before, of the same destination"),
        y: (y, "port"),
        drawing: scatter.draw(&html! { path.rule d=(format!("M0 {HEIGHT}L{WIDTH} 0")) {} }),
        square: true,
        table: scatter.table("Ports before", "ports"),
    })
}

/// How long each search took.
pub(super) fn latency(charts: &Charts, hues: &Hues) -> Option<Plot> {
    let grid = charts.latency();
    let at: fn(&Mark) -> _ =
        |mark| Some((mark.number, crate::analyse::charts::magnitude(mark.latency_ns?)));
    magnitudes(charts, hues, grid, at, Unit::Nanoseconds).map(|(scatter, [low, high])| Plot {
        id: "latency",
        title: "Time of the search",
        hint: html! { "How long the kernel looked for each port. Each line of the scale is ten times the one below." },
        reading: format!(
            "{} searches, from {low} to {high} (to 9 %).",
            count(grid.total())
        ),
        x: (scatter.x, "number of the assignment"),
        y: (scatter.y, "time of the search"),
        drawing: scatter.draw(&html! {}),
        square: false,
        table: scatter.table("Assignments", "times"),
    })
}

/// How many candidates each search looked at.
pub(super) fn tried(charts: &Charts, hues: &Hues) -> Option<Plot> {
    let grid = charts.tried();
    let at: fn(&Mark) -> _ =
        |mark| Some((mark.number, crate::analyse::charts::magnitude(u64::from(mark.tried?))));
    magnitudes(charts, hues, grid, at, Unit::Count).map(|(scatter, [low, high])| Plot {
        id: "tried",
        title: "Candidates tried",
        hint: html! {
            "How many ports each search looked at; 1 means that the first was free. From half of the range in use for one destination on, each connect walks through half of the range first."
        },
        reading: format!("{} searches, from {low} to {high} candidates (to 9 %).", count(grid.total())),
        x: (scatter.x, "number of the assignment"),
        y: (scatter.y, "candidates tried"),
        drawing: scatter.draw(&html! {}),
        square: false,
        table: scatter.table("Assignments", "candidates"),
    })
}

fn magnitudes<'a>(
    charts: &'a Charts,
    hues: &'a Hues,
    grid: &'a Grid,
    at: fn(&Mark) -> Option<(u64, u64)>,
    unit: Unit,
) -> Option<(Scatter<'a>, [String; 2])> {
    let (lowest, highest) = grid.y().seen()?;
    // Some room below and above, so that nothing lies on the edge.
    let y = Scale::log(least(lowest) / 1.3, least(highest + 1) * 1.3, unit);
    let ends = [lowest, highest].map(|end| unit.label(least(end).round()));
    let (x, value): (_, (Value, Value)) = (numbers(charts), (plain, of_magnitude));
    Some((Scatter { charts, hues, grid, x, y, value, at, lettered: false }, ends))
}

/// All events from the first to the last.
fn numbers(charts: &Charts) -> Scale {
    Scale::linear(1.0, real(charts.events().max(1)) + 1.0, Unit::Count)
}

/// The range, or the ports in use if they are few of it.
fn ports(charts: &Charts, grid: &Grid) -> Option<Scale> {
    let (lowest, highest) = grid.y().seen()?;
    let (mut low, mut high) = (real(lowest), real(highest) + 1.0);
    if let Some(range) = charts.occupancy().range() {
        let range = (f64::from(range.0), f64::from(range.1) + 1.0);
        if high - low > SPARSE * (range.1 - range.0) {
            (low, high) = (low.min(range.0), high.max(range.1));
        }
    }
    let room = ((high - low) / 50.0).max(1.0);
    Some(Scale::linear((low - room).max(0.0), (high + room).min(65_536.0), Unit::Port))
}

/// Rules where the secret changes, and at the ends of the range.
fn behind(charts: &Charts, y: &Scale, rules: &[f64]) -> Markup {
    let (low, high) = charts.occupancy().range().unwrap_or((0, 0));
    let ends = [f64::from(low), f64::from(high) + 1.0].map(|end| y.place(end));
    html! {
        @if low < high {
            @for end in ends.into_iter().filter(|end| (0.0..=1.0).contains(end)) {
                path.limit d=(format!("M0 {:.1}H{WIDTH}", (1.0 - end) * HEIGHT)) { title { "End of the range" } }
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
            None => "The kernel drew a new hash secret too often to draw a rule for each.",
            Some([]) => "",
            Some(_) => { (how) " rules: the kernel drew a new hash secret, as it does every ten seconds." }
        }
    }
}

fn reading(charts: &Charts, grid: &Grid) -> String {
    let Some((lowest, highest)) = grid.y().seen() else { return String::new() };
    let used = (0..=u16::MAX).filter(|&port| charts.occupancy().count(port) > 0).count();
    let lanes = charts.roster().len();
    let how = if charts.marks().is_some() { "each one drawn" } else { "drawn by density" };
    format!(
        "{} ports, {} different ones, from {lowest} to {highest}, of {} {}; {how}.",
        count(grid.total()),
        count(used as u64),
        count(lanes as u64),
        slices::plural(lanes as u64, "lane"),
    )
}
