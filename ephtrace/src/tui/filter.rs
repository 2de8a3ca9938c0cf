//! Search text of the view: an address, a port, a name.

use crate::{
    analyse::lanes::LaneKey,
    model::Comm,
    output::summary::plots::hues::{is_without, name},
};

/// Maximum number of characters of a filter: no address is longer.
pub(crate) const MAX_FILTER: usize = 48;

/// A filter that keeps items that contain each word of its text, in upper or lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The text as typed.
    pub(crate) text: String,
}

impl Filter {
    /// Returns true if the filter keeps everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Returns true if an item with this description is kept.
    pub(crate) fn keeps(&self, described: &str) -> bool {
        let described = described.to_lowercase();
        self.text.to_lowercase().split_whitespace().all(|word| described.contains(word))
    }

    /// Returns true if a destination that this process used last is kept.
    pub(crate) fn keeps_lane(&self, lane: &LaneKey, pid: Option<u32>, comm: Option<&Comm>) -> bool {
        self.is_empty()
            || self.keeps(&format!("{} {} {}", lane.flow.saddr, title(lane), user(pid, comm)))
    }
}

/// Returns the title of a destination; a port without one is called by its origin and source.
pub(crate) fn title(lane: &LaneKey) -> String {
    if is_without(lane) { format!("{} {}", name(lane), lane.flow.saddr) } else { name(lane) }
}

/// Returns number and name of a process.
pub(crate) fn user(pid: Option<u32>, comm: Option<&Comm>) -> String {
    let pid = pid.map_or_else(|| "–".to_owned(), |pid| pid.to_string());
    format!("{pid} {}", comm.map_or("–", Comm::as_str))
}
