//! Moving heads: the positions of a counter, kept apart from disturbances.
//!
//! "The last port" is a bad reference: one named port, one lost event or a change of the range
//! derails it. With a few heads per counter, the most recently hit on top, each disturbance costs
//! one event instead.

use super::{frame::Frame, laws};

/// One position that a counter may have reached.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    port: u16,
    /// Decayed number of hits.
    score: f32,
    /// Event time or epoch of the last hit.
    at: u64,
}

/// Up to `N` heads of one counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct CounterHeads<const N: usize> {
    items: [Head; N],
    len: u8,
    top: u8,
    range_id: u32,
    /// -1 for a counter that runs downwards.
    direction: i8,
    /// Hits so far, and those of another head than the top one: more than a few come from several
    /// counters behind one name that take turns.
    hits: f32,
    turns: f32,
    takes_turns: bool,
}

/// Relation of an event to the heads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Match {
    /// True if there is a head at all.
    pub(super) any: bool,
    /// Number of heads.
    pub(super) places: u64,
    /// Step from the nearest head, if one is near.
    pub(super) step: Option<i32>,
    /// Weight of that head if one counter is at work: the top one has nearly all of it.
    pub(super) weight: f64,
    /// Weight of that head if each head is a counter of its own.
    pub(super) even_weight: f64,
    /// Time of the last hit of the reference: of the nearest head, else of the top one.
    pub(super) at: u64,
    index: usize,
}

/// Maximum share of the weight that heads other than the top one have together while one counter is
/// at work: it does not jump between positions.
const OTHERS: f64 = 0.12;
/// Maximum share of the weight of the other heads if several counters take turns.
const MOST_OTHERS: f64 = 0.7;
/// Number of hits of another head that are no sign of turns.
const FEW_TURNS: f32 = 1.0;
/// Minimum weight of a head.
const LEAST: f64 = 0.01;
/// Factor by which each event fades the score of earlier hits.
const FADE: f32 = 0.85;
/// Score of a head that was never hit.
const NEW: f32 = 0.4;

impl<const N: usize> CounterHeads<N> {
    pub(super) const fn new(direction: i8) -> Self {
        let none = Head { port: 0, score: 0.0, at: 0 };
        Self {
            items: [none; N],
            len: 0,
            top: 0,
            range_id: 0,
            direction,
            hits: 0.0,
            turns: 0.0,
            takes_turns: false,
        }
    }

    /// Creates heads for counters that may take turns behind one name, such as two machines behind
    /// one address.
    pub(super) const fn taking_turns() -> Self {
        let mut heads = Self::new(1);
        heads.takes_turns = true;
        heads
    }

    /// Matches the event with the heads. A new range invalidates all of them.
    pub(super) fn matched(&mut self, frame: &Frame) -> Match {
        if self.range_id != frame.range_id {
            self.range_id = frame.range_id;
            if self.len > 0 {
                self.len = 0;
                return Match { any: true, ..Match::default() };
            }
        }
        let items = &self.items[..usize::from(self.len)];
        let Some(top) = items.get(usize::from(self.top)) else { return Match::default() };
        let nearest = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let step = frame.step_from(item.port) * i32::from(self.direction);
                let near = step > -laws::BACK && step < laws::AHEAD;
                near.then_some((index, step))
            })
            .min_by_key(|&(index, step)| self.distance(index, step));
        let places = u64::from(self.len);
        let mut matched = Match { any: true, places, at: top.at, ..Match::default() };
        if let Some((index, step)) = nearest {
            matched.step = Some(step);
            matched.index = index;
            matched.at = items[index].at;
            let total: f32 = items.iter().map(|item| item.score).sum();
            matched.even_weight = f64::from(items[index].score / total);
            matched.weight = self.weight(index);
        }
        matched
    }

    /// Returns the distance of a head. Small steps ahead count as near, and the top head wins among
    /// near equals.
    fn distance(&self, index: usize, step: i32) -> i32 {
        let away = if step > 0 { step } else { 8 - 4 * step };
        if index == usize::from(self.top) { away } else { away + 16 }
    }

    /// Share of hits by other heads than the top one.
    fn others(&self) -> f64 {
        f64::from((self.turns - FEW_TURNS) / (self.hits + 1.0)).clamp(OTHERS, MOST_OTHERS)
    }

    fn weight(&self, index: usize) -> f64 {
        if self.len == 1 {
            return 1.0;
        }
        let others = if self.takes_turns { self.others() } else { OTHERS };
        let top = usize::from(self.top);
        let total: f32 = self.items[..usize::from(self.len)].iter().map(|item| item.score).sum();
        if index == top {
            return 1.0 - others * f64::from((total - self.items[top].score) / total);
        }
        (others * f64::from(self.items[index].score / total)).max(LEAST)
    }

    /// Moves the head that was hit, or creates a new one. With `restart`, the old reference is
    /// known to be invalid: the new head is on top at once, and a port just behind the old head is
    /// not late, but the counter's new position.
    pub(super) fn advance(&mut self, frame: &Frame, matched: &Match, at: u64, restart: bool) {
        for item in &mut self.items[..usize::from(self.len)] {
            item.score *= FADE;
        }
        match matched.step {
            Some(step) => self.hit(frame, matched.index, at, step > 0 || restart),
            None => self.begin(frame.port, at, restart),
        }
    }

    fn hit(&mut self, frame: &Frame, index: usize, at: u64, moves: bool) {
        self.hits += 1.0;
        self.turns += f32::from(u8::from(index != usize::from(self.top)));
        let item = &mut self.items[index];
        item.score += 1.0;
        if moves {
            item.port = frame.port;
            item.at = at;
            self.top = u8::try_from(index).unwrap_or(0);
        }
    }

    fn begin(&mut self, port: u16, at: u64, restart: bool) {
        let len = usize::from(self.len);
        let index = if len < N {
            self.len += 1;
            len
        } else {
            self.weakest()
        };
        self.items[index] = Head { port, score: NEW, at };
        if restart || len == 0 {
            self.top = u8::try_from(index).unwrap_or(0);
        }
    }

    fn weakest(&self) -> usize {
        (0..N)
            .filter(|&index| index != usize::from(self.top))
            .min_by(|&a, &b| self.items[a].score.total_cmp(&self.items[b].score))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analyse::pattern::frame::Space, model::PortRange};

    fn frame(port: u16) -> Frame {
        let range = PortRange::new(32768, 60999);
        Space::new().frame(port, Some(range), 0.0)
    }

    fn feed(heads: &mut CounterHeads<4>, port: u16) -> Match {
        let frame = frame(port);
        let matched = heads.matched(&frame);
        heads.advance(&frame, &matched, 0, false);
        matched
    }

    #[test]
    fn a_stray_port_costs_one_event() {
        let mut heads = CounterHeads::new(1);
        feed(&mut heads, 40000);
        assert_eq!(feed(&mut heads, 40002).step, Some(2));
        assert_eq!(feed(&mut heads, 50000).step, None);
        let matched = feed(&mut heads, 40004);
        assert_eq!(matched.step, Some(2));
        assert!(matched.weight > 0.9);
    }

    #[test]
    fn a_late_port_does_not_pull_the_frontier_back() {
        let mut heads = CounterHeads::new(1);
        for port in [40000, 40001, 40003] {
            feed(&mut heads, port);
        }
        assert_eq!(feed(&mut heads, 40002).step, Some(-1));
        assert_eq!(feed(&mut heads, 40004).step, Some(1));
    }

    #[test]
    fn downwards_is_upwards_mirrored() {
        let mut heads = CounterHeads::new(-1);
        feed(&mut heads, 40001);
        assert_eq!(feed(&mut heads, 40000).step, Some(1));
    }

    #[test]
    fn two_counters_keep_a_frontier_each() {
        let mut heads = CounterHeads::new(1);
        feed(&mut heads, 40000);
        feed(&mut heads, 50000);
        for i in 1..5 {
            assert_eq!(feed(&mut heads, 40000 + i).step, Some(1));
            assert_eq!(feed(&mut heads, 50000 + i).step, Some(1));
        }
    }
}
