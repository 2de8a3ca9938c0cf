//! Which destination gets which colour: the busiest ones one each, all others grey.

use std::{cmp::Reverse, collections::HashMap, net::SocketAddr};

use ratatui::{
    style::Color,
    text::{Line, Span},
};
use rustc_hash::FxBuildHasher;

use super::counted;
use crate::{
    analyse::{lanes::Lane, picture::Point},
    event::{Origin, origin_name},
};

/// The colours that are easy to tell apart, on black as on white.
pub(super) const PALETTE: [Color; 6] =
    [Color::Cyan, Color::Magenta, Color::Green, Color::Yellow, Color::Red, Color::LightBlue];

/// Index into [`PALETTE`]; `None` is grey.
pub(super) type Hue = Option<usize>;

/// The colour of a hue.
pub(super) fn colour(hue: Hue) -> Color {
    hue.and_then(|index| PALETTE.get(index)).copied().unwrap_or(Color::DarkGray)
}

/// The colours of some points.
pub(super) struct Hues {
    each: Vec<Hue>,
    /// All lanes with the number of their points, busiest first.
    busiest: Vec<(Lane, usize)>,
}

impl Hues {
    pub(super) fn of(points: &[Point]) -> Self {
        let mut counts = HashMap::<Lane, (usize, usize), FxBuildHasher>::default();
        for (n, point) in points.iter().enumerate() {
            counts.entry(point.lane).or_insert((0, n)).0 += 1;
        }
        let mut busiest: Vec<_> = counts.into_iter().collect();
        // Equally busy ones in the order in which they came, so that each run looks the same.
        busiest.sort_unstable_by_key(|&(_, (count, first))| (Reverse(count), first));
        let coloured = &busiest[..busiest.len().min(PALETTE.len())];
        let hue = |lane| coloured.iter().position(|&(other, _)| other == lane);
        let each = points.iter().map(|point| hue(point.lane)).collect();
        let busiest = busiest.into_iter().map(|(lane, (count, _))| (lane, count)).collect();
        Self { each, busiest }
    }

    /// The hue of each point, in their order.
    pub(super) fn each(&self) -> &[Hue] {
        &self.each
    }

    /// How many destinations there are; bind has none.
    pub(super) fn destinations(&self) -> Option<String> {
        let n = self.busiest.iter().filter(|(lane, _)| !is_without(lane)).count();
        (n > 0).then(|| counted(n as u64, "destination"))
    }

    /// Which colour is what, as many as fit into `width`; nothing if all is of one colour.
    pub(super) fn legend(&self, width: u16) -> Option<Line<'static>> {
        let all = self.busiest.len();
        if all < 2 {
            return None;
        }
        let mut legend = Line::default();
        for (n, (lane, _)) in self.busiest.iter().take(PALETTE.len()).enumerate() {
            let name = name(lane);
            let needed = legend.width() + 2 + name.len() + 2 + others(all - n - 1).len();
            if needed > usize::from(width) {
                legend.push_span(Span::raw(others(all - n)));
                return Some(legend);
            }
            legend.push_span(Span::styled("● ", colour(Some(n))));
            legend.push_span(Span::raw(name + "  "));
        }
        legend.push_span(Span::raw(others(all.saturating_sub(PALETTE.len()))));
        Some(legend)
    }
}

fn others(n: usize) -> String {
    if n == 0 { String::new() } else { format!("and {}", counted(n as u64, "other")) }
}

fn is_without(lane: &Lane) -> bool {
    lane.destination.dport == 0 && lane.destination.daddr.is_unspecified()
}

fn name(lane: &Lane) -> String {
    let to = SocketAddr::new(lane.destination.daddr, lane.destination.dport);
    match lane.origin {
        Some(origin) if is_without(lane) => origin_name(origin).to_owned(),
        None | Some(Origin::Connect) => to.to_string(),
        Some(origin) => format!("{} {to}", origin_name(origin)),
    }
}
