//! Moving heads: where a counter has got to, kept apart from what disturbs it.
//!
//! "The last port" is a bad reference: one named port, one lost event or a change of the range
//! derails it. A few heads per counter, the one that was hit last on top, cost one event each
//! time instead.

use super::{frame::Frame, laws};

/// One place that a counter may have got to.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    port: u16,
    /// Hits, older ones counting less.
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
    /// Hits so far, and those of another head than the one on top: more than a few are of counters
    /// behind one name that take turns.
    hits: f32,
    turns: f32,
    takes_turns: bool,
}

/// How an event stands to the heads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Match {
    /// There is a head at all.
    pub(super) any: bool,
    /// How many there are.
    pub(super) places: u64,
    /// Step from the nearest head, if one is near.
    pub(super) step: Option<i32>,
    /// Weight of that head if one counter is at work: the top one has nearly all of it.
    pub(super) weight: f64,
    /// Weight of that head if each of them is a counter of its own.
    pub(super) even_weight: f64,
    /// When the reference was last hit: the nearest, else the top one.
    pub(super) at: u64,
    index: usize,
}

/// How much of the weight heads other than the top one can have together, if they were hit as
/// often: one counter at work does not jump between places.
const OTHERS: f64 = 0.12;
/// The same at most, where several counters take turns.
const MOST_OTHERS: f64 = 0.7;
/// So many hits of another head are no sign of that.
const FEW_TURNS: f32 = 1.0;
/// Least weight of a head.
const LEAST: f64 = 0.01;
/// Each event lets the score of earlier hits fade by this factor.
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

    /// The same for counters that may take turns behind one name, such as two machines behind one
    /// address.
    pub(super) const fn taking_turns() -> Self {
        let mut heads = Self::new(1);
        heads.takes_turns = true;
        heads
    }

    /// How the event stands to the heads. A new range makes all of them worthless.
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

    /// Prefers small steps ahead, and the top head among near equals.
    fn distance(&self, index: usize, step: i32) -> i32 {
        let away = if step > 0 { step } else { 8 - 4 * step };
        if index == usize::from(self.top) { away } else { away + 16 }
    }

    /// Share of hits by other heads than the one on top.
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

    /// Moves the head that was hit, or begins a new one; `restart` where the old reference is
    /// known to be worthless: the new one is then on top at once, and a port just behind the old
    /// one is not late, but where the counter goes on.
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
