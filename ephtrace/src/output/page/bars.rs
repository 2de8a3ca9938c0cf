//! The charts of counts: steps and the range.

use maud::{Markup, html};

use super::{
    plot::{Drawing, HEIGHT, Plot, Shape, WIDTH},
    scale::{Scale, Unit, count},
};
use crate::{
    analyse::{
        charts::Charts,
        picture::{NEAR, PlotData, StepHistogram},
        real,
    },
    model::{PortRange, human_share::HumanShare},
};

/// Number of bars of the range, for each parity. The default range has 28,232 ports, so that a bar
/// stands for 220.
const BARS: u32 = 128;

/// A rectangle in units of the drawing, with a sentence of its own.
pub(super) struct Bar {
    pub(super) class: String,
    pub(super) left: f64,
    pub(super) width: f64,
    /// Height of its lower and upper end, 0 to 1 from the bottom.
    pub(super) ends: (f64, f64),
    pub(super) title: String,
}

/// Draws bars, with `over` above them.
pub(super) fn bars(all: &[Bar], over: &Markup) -> Drawing {
    let shapes = html! {
        @for Bar { class, left, width, ends: (foot, head), title } in all {
            path class=(class) d=(format!(
                "M{:.2} {:.2}h{:.2}V{:.2}h{:.2}z",
                left * WIDTH, (1.0 - foot) * HEIGHT, width * WIDTH, (1.0 - head) * HEIGHT,
                -width * WIDTH
            )) {
                title { (title) }
            }
        }
        (over)
    };
    Drawing { shapes, cells: None, letters: Vec::new() }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { real(part) / real(of) }
}

/// One size of steps, or a span of sizes: its number among steps to the same destination, and among
/// all.
struct Size {
    from: f64,
    to: f64,
    name: String,
    same: u64,
    any: u64,
}

/// Returns the chart of steps of up to 40 ports in both directions.
pub(super) fn near_steps(picture: &PlotData, charts: &Charts) -> Option<Plot> {
    let (same, any) = (picture.steps(), charts.any_steps());
    let sizes = same.near().zip(any.near()).map(|((step, same), (_, any))| {
        let from = f64::from(step) - 0.5;
        Size { from, to: from + 1.0, name: Unit::Step.label(f64::from(step)), same, any }
    });
    let mut sizes: Vec<Size> = sizes.collect();
    if sizes.iter().all(|size| size.from > -1.0 || size.same + size.any == 0) {
        sizes.retain(|size| size.from > -1.0);
    }
    let far = same.total() - same.near_total();
    let reading = format!(
        "{} steps within a destination, {} of them longer than {NEAR} ports.{}",
        count(same.total()),
        if far == 0 { "none".to_owned() } else { count(far) },
        commonest(&sizes, same.total()),
    );
    let hint = html! {
        "From each port to the next one of the same destination; " span.ghost { "outlined" }
        ", to the next one of any. Linux 5.18 and later has eight bars of equal height, +2 to +16."
    };
    steps(same, any, &sizes, None)
        .map(|parts| parts.plot("near-steps", "Steps of a destination", hint, reading))
}

/// Returns the chart of all steps over the width of the range.
pub(super) fn far_steps(picture: &PlotData, charts: &Charts) -> Option<Plot> {
    let (same, any) = (picture.steps(), charts.any_steps());
    let starts: Vec<_> = same.bins().map(|(start, _)| start).collect();
    let width = starts.last()? - starts.first()?;
    let bin = f64::from(width) / real(starts.len() as u64 - 1);
    let any_bins: Vec<_> = any.bins().map(|(_, n)| n).collect();
    let sizes: Vec<Size> = same
        .bins()
        .zip(any_bins)
        .map(|((start, same), any)| {
            let from = f64::from(start);
            let name = format!(
                "{} to {}",
                Unit::Step.label(from),
                Unit::Step.label((from + bin - 1.0).round().max(from))
            );
            Size { from, to: from + bin, name, same, any }
        })
        .collect();
    let chance = 1.0 / real(sizes.len() as u64);
    let reading = format!(
        "{} of {} steps within a destination are shorter than one bar.",
        count(same.close()),
        count(same.total())
    );
    let hint = html! {
        "All steps over the whole range, with wrap-around undone. Random ports make every bar as \
         high as the dashed line; a counter makes a peak in the middle. "
        span.ghost { "Outlined" } ": from any port to the next one."
    };
    steps(same, any, &sizes, Some(chance))
        .map(|parts| parts.plot("far-steps", "Steps over the range", hint, reading))
}

struct Parts {
    x: Scale,
    y: Scale,
    drawing: Drawing,
    table: Markup,
}

impl Parts {
    fn plot(self, id: &'static str, title: &'static str, hint: Markup, reading: String) -> Plot {
        let Self { x, y, drawing, table } = self;
        let (x, y) = ((x, "step, in ports"), (y, "share of all steps"));
        Plot { id, title, hint, reading, x, y, drawing, shape: Shape::Half, table }
    }
}

fn steps(
    same: &StepHistogram,
    any: &StepHistogram,
    sizes: &[Size],
    chance: Option<f64>,
) -> Option<Parts> {
    let (first, last) = (sizes.first()?, sizes.last()?);
    if same.total() + any.total() == 0 {
        return None;
    }
    let shares = |size: &Size| [share(size.same, same.total()), share(size.any, any.total())];
    let most = sizes.iter().flat_map(shares).chain(chance).fold(0.001, f64::max);
    let x = Scale::linear(first.from, last.to, Unit::Step);
    let y = Scale::linear(0.0, most * 1.05, Unit::Share);
    let bar = |size: &Size, class: &str, share: f64, n: u64, of: &str| Bar {
        class: class.to_owned(),
        left: x.place(size.from),
        width: x.place(size.to) - x.place(size.from),
        ends: (0.0, y.place(share)),
        title: format!("{}: {} of {of} ({})", size.name, count(n), HumanShare(share)),
    };
    let mut all = Vec::new();
    for size in sizes {
        let [of_same, of_any] = shares(size);
        if size.same > 0 {
            all.push(bar(size, "bar", of_same, size.same, "the same destination"));
        }
        if size.any > 0 {
            all.push(bar(size, "bar ghost", of_any, size.any, "any"));
        }
    }
    let line = html! {
        @if let Some(chance) = chance {
            path.rule d=(format!("M0 {:.1}H{WIDTH}", (1.0 - y.place(chance)) * HEIGHT)) {
                title { "Expected of random ports" }
            }
        }
    };
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "Step" } th scope="col" { "Same destination" }
                    th scope="col" { "Any" }
                }
            }
            tbody {
                @for size in sizes.iter().filter(|size| size.same + size.any > 0) {
                    tr {
                        th scope="row" { (size.name) } td { (count(size.same)) }
                        td { (count(size.any)) }
                    }
                }
            }
        }
    };
    Some(Parts { x, y, drawing: bars(&all, &line), table })
}

fn commonest(sizes: &[Size], total: u64) -> String {
    match sizes.iter().rev().max_by_key(|size| size.same).filter(|size| size.same > 0) {
        Some(size) => {
            format!(" Most often {} ({}).", size.name, HumanShare(share(size.same, total)))
        }
        None => String::new(),
    }
}

/// Ports of one parity in one part of the range.
#[derive(Clone, Copy, Default)]
struct Piece {
    assignments: u64,
    different: u32,
    ports: u32,
}

/// Returns a bar for each piece of `wide` ports and each parity that has assignments.
fn occupancy_bars(pieces: &[(u32, [Piece; 2])], wide: u32, (x, y): (&Scale, &Scale)) -> Vec<Bar> {
    let mut all = Vec::new();
    for (from, two) in pieces {
        for (parity, sign) in [(0, 1.0), (1, -1.0)] {
            let Piece { assignments, different, ports } = two[parity];
            if assignments > 0 {
                let parity = ["even", "odd"][parity];
                all.push(Bar {
                    class: format!("bar {parity}"),
                    left: x.place(f64::from(*from)),
                    width: x.place(f64::from(from + wide)) - x.place(f64::from(*from)),
                    ends: (y.place(0.0), y.place(real(assignments) * sign)),
                    title: format!(
                        "{from} to {}: {} assignments of {different} of {ports} {parity} ports",
                        from + wide - 1,
                        count(assignments)
                    ),
                });
            }
        }
    }
    all
}

/// Returns the chart of the range's use, even ports upwards and odd ones downwards.
pub(super) fn occupancy(charts: &Charts) -> Option<Plot> {
    let occupancy = charts.occupancy();
    let used = occupancy.used()?;
    let range = occupancy.range().map_or(used, |range| range.hull(used));
    // Even, so that each piece has as many even as odd ports.
    let wide = (range.len().div_ceil(BARS).next_multiple_of(2)).max(2);
    let start = u32::from(range.low) & !1;
    let pieces: Vec<(u32, [Piece; 2])> = (start..=u32::from(range.high))
        .step_by(usize::try_from(wide).unwrap_or(2))
        .map(|from| (from, piece(charts, from, wide, range)))
        .collect();
    let most = pieces.iter().flat_map(|(_, two)| two.map(|one| one.assignments)).max()?;
    let end = pieces.last().map_or(start, |(from, _)| from + wide);
    let x = Scale::linear(f64::from(start), f64::from(end), Unit::Port);
    let y = Scale::linear(-real(most) * 1.05, real(most) * 1.05, Unit::Size);
    let all = occupancy_bars(&pieces, wide, (&x, &y));
    let sum = [0, 1].map(|parity| {
        pieces.iter().fold(Piece::default(), |sum, (_, two)| Piece {
            assignments: sum.assignments + two[parity].assignments,
            different: sum.different + two[parity].different,
            ports: sum.ports + two[parity].ports,
        })
    });
    let half = |parity: usize, name: &str| {
        let Piece { assignments, different, ports } = sum[parity];
        let (different, ports) = (count(different.into()), count(ports.into()));
        format!("{different} of {ports} {name} ports in {} assignments", count(assignments))
    };
    Some(Plot {
        id: "occupancy",
        title: "The range",
        hint: html! {
            "Assignments by port: even ports upwards, odd ones downwards. On Linux, connect \
             prefers the parity of the low end of the range, and bind the other parity."
        },
        reading: format!("{}; {}.", half(0, "even"), half(1, "odd")),
        x: (x, "port"),
        y: (y, "assignments: odd below, even above"),
        drawing: bars(
            &all,
            &html! { path.limit d=(format!("M0 {:.1}H{WIDTH}", (1.0 - y.place(0.0)) * HEIGHT)) {} },
        ),
        shape: Shape::Half,
        table: pieces_table(&pieces, wide),
    })
}

fn piece(charts: &Charts, from: u32, wide: u32, range: PortRange) -> [Piece; 2] {
    let mut two = [Piece::default(); 2];
    for port in (from..from + wide).filter_map(|port| u16::try_from(port).ok()) {
        if range.contains(port) {
            let piece = &mut two[usize::from(port % 2)];
            let n = charts.occupancy().count(port);
            piece.ports += 1;
            piece.assignments += n;
            piece.different += u32::from(n > 0);
        }
    }
    two
}

/// Returns the table, with eight pieces a row to keep it readable.
fn pieces_table(pieces: &[(u32, [Piece; 2])], wide: u32) -> Markup {
    let cell = |rows: &[(u32, [Piece; 2])], parity: usize| {
        let all = rows.iter().map(|(_, two)| two[parity]);
        let (n, different, ports) = all.fold((0, 0, 0), |(n, different, ports), one| {
            (n + one.assignments, different + one.different, ports + one.ports)
        });
        format!("{} ({different} of {ports} ports)", count(n))
    };
    html! {
        table {
            thead {
                tr { th scope="col" { "Ports" } th scope="col" { "Even" } th scope="col" { "Odd" } }
            }
            tbody {
                @for rows in pieces.chunks(8) {
                    @let from = rows.first().map_or(0, |(from, _)| *from);
                    @let to = rows.last().map_or(0, |(from, _)| from + wide - 1);
                    tr {
                        th scope="row" { (from) " to " (to) }
                        td { (cell(rows, 0)) } td { (cell(rows, 1)) }
                    }
                }
            }
        }
    }
}
