//! Colours of destinations: one for each of the busiest, the terminal's own for all others.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};
use rustc_hash::FxBuildHasher;

use crate::{
    analyse::{lanes::LaneKey, picture::Point},
    model::Origin,
    output::counted::counted,
};

/// Colours that are easy to tell apart, on black, on white, and with Solarized. Yellow is
/// unreadable on white, and Solarized has greys in place of bright colours, one of which is its
/// background.
pub(crate) const PALETTE: [Color; 5] =
    [Color::Cyan, Color::Magenta, Color::Green, Color::Red, Color::Blue];

/// Style of text that is less important. Grey is a bright colour, and invisible with Solarized.
pub(crate) const QUIET: Style = Style::new().add_modifier(Modifier::DIM);

/// Index into [`PALETTE`]; `None` is the terminal's own colour.
pub(crate) type Hue = Option<usize>;

/// Returns the colour of a hue.
pub(crate) fn colour(hue: Hue) -> Color {
    hue.and_then(|index| PALETTE.get(index)).copied().unwrap_or(Color::Reset)
}

/// The colours of some points.
pub(crate) struct ColorAssignment {
    each: Vec<Hue>,
    /// Lanes that have a colour.
    coloured: Vec<Option<LaneKey>>,
    /// All lanes, busiest first.
    busiest: Vec<LaneKey>,
}

impl ColorAssignment {
    /// Assigns the colours of `marked`, or, if there are none, colours for the busiest.
    pub(crate) fn of(points: &[Point], marked: &[Option<LaneKey>]) -> Self {
        let mut counts = HashMap::<LaneKey, (usize, usize), FxBuildHasher>::default();
        for (n, point) in points.iter().enumerate() {
            counts.entry(point.lane).or_insert((0, n)).0 += 1;
        }
        let mut busiest: Vec<_> = counts.into_iter().collect();
        // Equally busy lanes stay in the order of their first points, so that each run looks the
        // same.
        busiest.sort_unstable_by_key(|&(_, (count, first))| (Reverse(count), first));
        let mut busiest: Vec<_> = busiest.into_iter().map(|(lane, _)| lane).collect();
        let coloured: Vec<_> = if marked.iter().any(Option::is_some) {
            marked.to_vec()
        } else {
            busiest.iter().take(PALETTE.len()).copied().map(Some).collect()
        };
        let hue = |lane| coloured.iter().position(|&other| other == Some(lane));
        let each = points.iter().map(|point| hue(point.lane)).collect();
        // Lanes with a colour come first, in the order of the colours.
        busiest.sort_by_key(|&lane| hue(lane).unwrap_or(usize::MAX));
        Self { each, coloured, busiest }
    }

    /// Returns the hue of each point, in their order.
    pub(crate) fn each(&self) -> &[Hue] {
        &self.each
    }

    /// Returns the number of destinations in words; bind has none.
    pub(crate) fn destinations(&self) -> Option<String> {
        let lanes = self.busiest.iter().filter(|lane| !is_without(lane));
        let n = lanes.map(|lane| lane.flow).collect::<HashSet<_>>().len();
        (n > 0).then(|| counted(n as u64, "destination"))
    }

    /// Returns the meaning of the colours, as many as fit into `width`; `None` if everything has
    /// one colour.
    pub(crate) fn legend(&self, width: u16) -> Option<Line<'static>> {
        let all = self.busiest.len();
        if all < 2 {
            return None;
        }
        let mut legend = Line::default();
        let mut named = 0;
        for (hue, name) in self.names() {
            let needed = legend.width() + 2 + name.len() + 2 + others(all - named - 1).len();
            if needed > usize::from(width) {
                break;
            }
            legend.push_span(Span::styled("● ", colour(hue)));
            legend.push_span(Span::raw(name + "  "));
            named += 1;
        }
        legend.push_span(Span::raw(others(all - named)));
        (named > 0).then_some(legend)
    }

    /// Returns the names of the lanes that have a colour, with their source if it is needed to tell
    /// them apart.
    fn names(&self) -> Vec<(Hue, String)> {
        let hue = |lane: &LaneKey| self.coloured.iter().position(|&other| other == Some(*lane));
        let lanes = || self.busiest.iter().take_while(|lane| hue(lane).is_some());
        let names: Vec<_> = lanes().map(name).collect();
        let is_twice = |name| names.iter().filter(|other| *other == name).count() > 1;
        lanes()
            .zip(&names)
            .map(|(lane, name)| {
                let saddr = lane.flow.saddr;
                let full = || format!("{saddr} -> {name}");
                (hue(lane), if is_twice(name) { full() } else { name.clone() })
            })
            .collect()
    }
}

fn others(n: usize) -> String {
    if n == 0 { String::new() } else { format!("and {}", counted(n as u64, "other")) }
}

/// Name of a flow with unknown destination and origin.
const NO_DESTINATION: &str = "no destination";

/// Returns true if there is no destination yet.
pub(crate) fn is_without(lane: &LaneKey) -> bool {
    !lane.flow.has_destination()
}

/// Returns the name of a destination; a port without one is called by its origin.
pub(crate) fn name(lane: &LaneKey) -> String {
    let Some(to) = lane.flow.remote() else {
        return lane.origin.map_or_else(|| NO_DESTINATION.to_owned(), |o| o.name().to_owned());
    };
    match lane.origin {
        None | Some(Origin::Connect) => to.to_string(),
        Some(origin) => format!("{} {to}", origin.name()),
    }
}
