//! Colours of destinations: one for each of the busiest, grey for all others.
//!
//! Colour is never the only mark: each has a letter, too, and can be switched off.

use std::collections::HashMap;

use maud::{Markup, html};
use rustc_hash::FxBuildHasher;

use super::{scale::count, text::escape_for_terminal};
use crate::{
    analyse::{
        charts::{Cell, Charts, Id},
        lanes::LaneKey,
    },
    output::summary::plots::hues,
};

/// Number of colours that can be told apart in dark and light, even by colour-blind people (Okabe
/// and Ito's, without yellow and black, with violet and olive). The style sheet has them.
pub(super) const COLOURS: usize = 8;

/// Hue of cells in which no destination prevails.
pub(super) const SEVERAL: Hue = COLOURS + 1;

/// Index of a colour; [`COLOURS`] is grey.
pub(super) type Hue = usize;

/// Colours of the lanes.
pub(super) struct ColorAssignment {
    of: HashMap<Id, Hue, FxBuildHasher>,
    named: Vec<(String, u64)>,
    others: u64,
    other_lanes: usize,
    /// True if cells of several destinations may be drawn.
    dense: bool,
}

impl ColorAssignment {
    pub(super) fn of(charts: &Charts) -> Self {
        let lane_ids = charts.lane_ids();
        let busiest = lane_ids.busiest(COLOURS);
        let of = busiest.iter().enumerate().map(|(hue, &(_, id, _))| (id, hue)).collect();
        let lanes: Vec<LaneKey> = busiest.iter().map(|&(lane, _, _)| lane).collect();
        let counts = busiest.iter().map(|&(_, _, count)| count);
        let named: Vec<_> = names(&lanes).into_iter().zip(counts).collect();
        let listed: u64 = named.iter().map(|(_, count)| count).sum();
        let others = charts.events().saturating_sub(listed);
        let dense = charts.marks().is_none();
        Self { of, dense, others, other_lanes: lane_ids.len().saturating_sub(named.len()), named }
    }

    /// Returns the colour of lane number `id`.
    pub(super) fn hue(&self, id: Id) -> Hue {
        self.of.get(&id).copied().unwrap_or(COLOURS)
    }

    /// Returns the colour of a cell.
    pub(super) fn of_cell(&self, cell: Cell) -> Hue {
        cell.owner().map_or(SEVERAL, |id| self.hue(id))
    }

    /// Returns the letter of a colour.
    pub(super) fn letter(hue: Hue) -> char {
        b"ABCDEFGH".get(hue).copied().map_or('·', char::from)
    }

    /// Returns the name of the lane with that colour.
    pub(super) fn name(&self, hue: Hue) -> &str {
        match self.named.get(hue) {
            Some((name, _)) => name,
            None if hue == SEVERAL => "several",
            None => "others",
        }
    }

    /// Returns true if there is more than one destination.
    pub(super) fn several(&self) -> bool {
        self.named.len() > 1
    }

    /// Returns the meaning of each colour, with a box to switch it off in all charts.
    pub(super) fn legend(&self) -> Markup {
        html! {
            @if self.several() {
                fieldset.legend {
                    legend { "Destinations shown in the charts" }
                    div {
                        @for (hue, (name, n)) in self.named.iter().enumerate() {
                            (entry(hue, name, Some(*n)))
                        }
                        @if self.other_lanes > 0 {
                            @let others = format!("{} others", count(self.other_lanes as u64));
                            (entry(COLOURS, &others, Some(self.others)))
                        }
                        @if self.dense { (entry(SEVERAL, "several at the same point", None)) }
                    }
                }
            }
        }
    }
}

fn entry(hue: Hue, name: &str, n: Option<u64>) -> Markup {
    html! {
        label class=(format!("h{hue}")) {
            input type="checkbox" checked id=(format!("show{hue}"));
            b { (ColorAssignment::letter(hue)) }
            span { (escape_for_terminal(name)) }
            @if let Some(n) = n { small { (count(n)) } }
        }
    }
}

/// Returns the names of lanes, with source and namespace only if they are needed to tell them
/// apart.
fn names(lanes: &[LaneKey]) -> Vec<String> {
    let names: Vec<String> = lanes.iter().map(hues::name).collect();
    let sourced: Vec<String> = lanes
        .iter()
        .zip(&names)
        .map(|(lane, name)| {
            let twice = is_twice(&names, name);
            if twice { format!("{} -> {name}", lane.flow.saddr) } else { name.clone() }
        })
        .collect();
    lanes
        .iter()
        .zip(&sourced)
        .map(|(lane, name)| {
            let netns = lane.flow.netns.filter(|_| is_twice(&sourced, name));
            netns.map_or_else(|| name.clone(), |netns| format!("{name} (netns {netns})"))
        })
        .collect()
}

fn is_twice(names: &[String], name: &str) -> bool {
    names.iter().filter(|other| *other == name).count() > 1
}
