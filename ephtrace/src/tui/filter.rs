//! The text that is searched for while the view runs: an address, a port, a name.

use crate::{
    analyse::lanes::LaneKey,
    model::Comm,
    output::summary::plots::hues::{is_without, name},
};

/// How many characters a filter has at most: no address is longer.
pub(crate) const MAX_FILTER: usize = 48;

/// What is shown: what contains each word of the text, upper or lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// As it was typed.
    pub(crate) text: String,
}

impl Filter {
    /// Whether it keeps everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether something that is called like this is kept.
    pub(crate) fn keeps(&self, described: &str) -> bool {
        let described = described.to_lowercase();
        self.text.to_lowercase().split_whitespace().all(|word| described.contains(word))
    }

    /// Whether a destination is kept that this process used last.
    pub(crate) fn keeps_lane(&self, lane: &LaneKey, pid: Option<u32>, comm: Option<&Comm>) -> bool {
        self.is_empty()
            || self.keeps(&format!("{} {} {}", lane.flow.saddr, title(lane), user(pid, comm)))
    }
}

/// What a destination is called; a port that has none by how it came about and from where.
pub(crate) fn title(lane: &LaneKey) -> String {
    if is_without(lane) { format!("{} {}", name(lane), lane.flow.saddr) } else { name(lane) }
}

/// Number and name of a process.
pub(crate) fn user(pid: Option<u32>, comm: Option<&Comm>) -> String {
    let pid = pid.map_or_else(|| "–".to_owned(), |pid| pid.to_string());
    format!("{pid} {}", comm.map_or("–", Comm::as_str))
}
