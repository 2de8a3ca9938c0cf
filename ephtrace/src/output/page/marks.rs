//! A few events, each as a dot with a sentence of its own.

use maud::{Markup, html};

use super::{
    density,
    hues::{COLOURS, ColorAssignment},
    plot::{Drawing, HEIGHT, WIDTH},
    scale::{Scale, Unit, count},
    text::escape_for_terminal,
};
use crate::{
    analyse::{charts::Mark, real},
    model::errno_name,
};

/// One event and its position in the drawing.
pub(super) struct Dot<'a> {
    pub(super) mark: &'a Mark,
    /// Value on the horizontal axis.
    pub(super) x: f64,
    /// Value on the vertical axis.
    pub(super) y: f64,
}

/// Draws dots on these scales, with `behind` below them.
pub(super) fn draw(
    dots: &[Dot<'_>],
    (x, y): (&Scale, &Scale),
    hues: &ColorAssignment,
    behind: &Markup,
) -> Drawing {
    let shapes = html! {
        (behind)
        @for dot in dots {
            @let (left, top) = (x.place(dot.x) * WIDTH, (1.0 - y.place(dot.y)) * HEIGHT);
            @let class = format!("m h{}", hues.hue(dot.mark.id));
            path class=(class) d=(format!("M{left:.2} {top:.2}h0")) {
                title { (sentence(dot.mark, hues)) }
            }
        }
    };
    Drawing { shapes, cells: None, letters: Vec::new() }
}

/// Returns a letter at the last dot of each colour.
pub(super) fn letters(
    dots: &[Dot<'_>],
    (x, y): (&Scale, &Scale),
    hues: &ColorAssignment,
) -> Vec<(usize, f64, f64)> {
    let last = (0..COLOURS).filter_map(|hue| {
        let dot = dots.iter().rev().find(|dot| hues.hue(dot.mark.id) == hue)?;
        Some((hue, x.place(dot.x), y.place(dot.y)))
    });
    density::apart(last)
}

/// Returns all that is known of an event, as a sentence.
fn sentence(mark: &Mark, hues: &ColorAssignment) -> String {
    let hue = hues.hue(mark.id);
    let name = if hue == COLOURS {
        crate::output::summary::plots::hues::name(&mark.lane)
    } else {
        hues.name(hue).to_owned()
    };
    let what = match (mark.port, mark.errno) {
        (Some(port), _) => format!("port {port}"),
        (None, Some(errno)) => {
            errno_name(errno).map_or_else(|| format!("errno {errno}"), str::to_owned)
        }
        (None, None) => "no port chosen by the kernel".to_owned(),
    };
    let step = mark.before.zip(mark.step).map(|(before, step)| {
        let step = Unit::Step.label(f64::from(step));
        format!("{step} from {before}")
    });
    let latency = mark.latency_ns.map(|ns| format!("in {}", Unit::Nanoseconds.label(real(ns))));
    let tried = mark.tried.map(|tried| format!("tried {}", count(tried.into())));
    let process = mark.pid.map(|pid| match mark.comm {
        Some(comm) => format!("{} ({pid})", escape_for_terminal(comm.as_str())),
        None => format!("process {pid}"),
    });
    let first = format!("#{}: {what}, {} {name}", count(mark.number), ColorAssignment::letter(hue));
    let parts = [Some(first), step, latency, tried, process];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
