//! A small number for each lane, so that a cell can name its lane in two bytes.

use std::{cmp::Reverse, collections::HashMap};

use rustc_hash::FxBuildHasher;

use super::Id;
use crate::analyse::lanes::LaneKey;

/// Maximum number of lanes with a number of their own, as many as two bytes distinguish; 8 MiB.
/// Later lanes share [`OTHERS`].
pub const MAX_LANES: usize = u16::MAX as usize;

/// Number shared by all lanes that came after [`MAX_LANES`].
pub const OTHERS: Id = u16::MAX;

/// Lanes in order of arrival, with their numbers of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneIds {
    ids: HashMap<LaneKey, Id, FxBuildHasher>,
    counts: Vec<u64>,
    others: u64,
}

impl LaneIds {
    /// Counts an event of `lane`, and returns the lane's number.
    pub fn count(&mut self, lane: LaneKey) -> Id {
        let next = self.counts.len();
        let id = match self.ids.get(&lane) {
            Some(&id) => id,
            None if next == MAX_LANES => OTHERS,
            None => {
                let id = u16::try_from(next).unwrap_or(OTHERS);
                self.ids.insert(lane, id);
                self.counts.push(0);
                id
            }
        };
        match self.counts.get_mut(usize::from(id)) {
            Some(count) => *count += 1,
            None => self.others += 1,
        }
        id
    }

    /// Number of lanes that have a number.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Returns whether no lane has a number.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Number of events of lanes without a number.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Returns the `n` busiest lanes with their numbers and counts; equally busy ones in order of
    /// arrival.
    pub fn busiest(&self, n: usize) -> Vec<(LaneKey, Id, u64)> {
        let count = |id: Id| self.counts.get(usize::from(id)).copied().unwrap_or(0);
        let mut all: Vec<_> = self.ids.iter().map(|(&lane, &id)| (lane, id, count(id))).collect();
        all.sort_unstable_by_key(|&(_, id, count)| (Reverse(count), id));
        all.truncate(n);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Assignment, FlowKey};

    fn lane(n: u32) -> LaneKey {
        let flow = FlowKey { netns: Some(n), ..FlowKey::default() };
        LaneKey::of(&Assignment { flow, ..Assignment::default() })
    }

    #[test]
    fn the_busiest_come_first_and_late_ones_share_a_number() {
        let mut lane_ids = LaneIds::default();
        for n in 0..70_000 {
            lane_ids.count(lane(n));
        }
        assert_eq!(lane_ids.count(lane(65_534)), 65_534);
        assert_eq!(lane_ids.count(lane(65_535)), OTHERS);
        assert_eq!((lane_ids.len(), lane_ids.others()), (MAX_LANES, 70_000 - 65_535 + 1));
        assert_eq!(lane_ids.busiest(2), [(lane(65_534), 65_534, 2), (lane(0), 0, 1)]);
    }
}
