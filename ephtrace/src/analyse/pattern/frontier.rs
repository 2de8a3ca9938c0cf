//! Moving frontiers: where a counter has got to, kept apart from what disturbs it.
//!
//! "The last port" is a bad reference: one named port, one lost event or a change of the range
//! derails it. A few frontiers per counter, the one that was hit last on top, cost one event each
//! time instead.

use super::{frame::Frame, laws};

/// One place that a counter may have got to.
#[derive(Clone, Copy, Debug, Default)]
struct Frontier {
    port: u16,
    /// Hits, older ones counting less.
    score: f32,
    /// Event time or epoch of the last hit.
    at: u64,
}

/// Up to `N` frontiers of one counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frontiers<const N: usize> {
    items: [Frontier; N],
    len: u8,
    top: u8,
    range_id: u32,
    /// -1 for a counter that runs downwards.
    direction: i8,
}

/// How an event stands to the frontiers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sight {
    /// There is a frontier at all.
    pub(super) any: bool,
    /// How many there are.
    pub(super) places: u64,
    /// Step from the nearest frontier, if one is near.
    pub(super) step: Option<i32>,
    /// Weight of that frontier if one counter is at work: the top one has nearly all of it.
    pub(super) weight: f64,
    /// Weight of that frontier if each of them is a counter of its own.
    pub(super) even_weight: f64,
    /// When the reference was last hit: the nearest, else the top one.
    pub(super) at: u64,
    index: usize,
}

/// How much of the weight frontiers other than the top one can have together, if they were hit as
/// often: one counter at work does not jump between places.
const OTHERS: f64 = 0.12;
/// Least weight of a frontier.
const LEAST: f64 = 0.01;
/// Each event lets the score of earlier hits fade by this factor.
const FADE: f32 = 0.85;
/// Score of a frontier that was never hit.
const NEW: f32 = 0.4;

impl<const N: usize> Frontiers<N> {
    pub(super) const fn new(direction: i8) -> Self {
        let none = Frontier { port: 0, score: 0.0, at: 0 };
        Self { items: [none; N], len: 0, top: 0, range_id: 0, direction }
    }

    /// How the event stands to the frontiers. A new range makes all of them worthless.
    pub(super) fn sight(&mut self, frame: &Frame) -> Sight {
        if self.range_id != frame.range_id {
            self.len = 0;
            self.range_id = frame.range_id;
        }
        let items = &self.items[..usize::from(self.len)];
        let Some(top) = items.get(usize::from(self.top)) else { return Sight::default() };
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
        let mut sight = Sight { any: true, places, at: top.at, ..Sight::default() };
        if let Some((index, step)) = nearest {
            sight.step = Some(step);
            sight.index = index;
            sight.at = items[index].at;
            let total: f32 = items.iter().map(|item| item.score).sum();
            sight.even_weight = f64::from(items[index].score / total);
            sight.weight = self.weight(index);
        }
        sight
    }

    /// Prefers small steps ahead, and the top frontier among near equals.
    fn distance(&self, index: usize, step: i32) -> i32 {
        let away = if step > 0 { step } else { 8 - 4 * step };
        if index == usize::from(self.top) { away } else { away + 16 }
    }

    fn weight(&self, index: usize) -> f64 {
        if self.len == 1 {
            return 1.0;
        }
        let top = usize::from(self.top);
        let total: f32 = self.items[..usize::from(self.len)].iter().map(|item| item.score).sum();
        if index == top {
            return 1.0 - OTHERS * f64::from((total - self.items[top].score) / total);
        }
        (OTHERS * f64::from(self.items[index].score / total)).max(LEAST)
    }

    /// Moves the frontier that was hit, or begins a new one; `restart` where the old reference is
    /// known to be worthless: the new one is then on top at once, and a port just behind the old
    /// one is not late, but where the counter goes on.
    pub(super) fn advance(&mut self, frame: &Frame, sight: &Sight, at: u64, restart: bool) {
        for item in &mut self.items[..usize::from(self.len)] {
            item.score *= FADE;
        }
        match sight.step {
            Some(step) => self.hit(frame, sight.index, at, step > 0 || restart),
            None => self.begin(frame.port, at, restart),
        }
    }

    fn hit(&mut self, frame: &Frame, index: usize, at: u64, moves: bool) {
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
        self.items[index] = Frontier { port, score: NEW, at };
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

    fn feed(frontiers: &mut Frontiers<4>, port: u16) -> Sight {
        let frame = frame(port);
        let sight = frontiers.sight(&frame);
        frontiers.advance(&frame, &sight, 0, false);
        sight
    }

    #[test]
    fn a_stray_port_costs_one_event() {
        let mut frontiers = Frontiers::new(1);
        feed(&mut frontiers, 40000);
        assert_eq!(feed(&mut frontiers, 40002).step, Some(2));
        assert_eq!(feed(&mut frontiers, 50000).step, None);
        let sight = feed(&mut frontiers, 40004);
        assert_eq!(sight.step, Some(2));
        assert!(sight.weight > 0.9);
    }

    #[test]
    fn a_late_port_does_not_pull_the_frontier_back() {
        let mut frontiers = Frontiers::new(1);
        for port in [40000, 40001, 40003] {
            feed(&mut frontiers, port);
        }
        assert_eq!(feed(&mut frontiers, 40002).step, Some(-1));
        assert_eq!(feed(&mut frontiers, 40004).step, Some(1));
    }

    #[test]
    fn downwards_is_upwards_mirrored() {
        let mut frontiers = Frontiers::new(-1);
        feed(&mut frontiers, 40001);
        assert_eq!(feed(&mut frontiers, 40000).step, Some(1));
    }

    #[test]
    fn two_counters_keep_a_frontier_each() {
        let mut frontiers = Frontiers::new(1);
        feed(&mut frontiers, 40000);
        feed(&mut frontiers, 50000);
        for i in 1..5 {
            assert_eq!(feed(&mut frontiers, 40000 + i).step, Some(1));
            assert_eq!(feed(&mut frontiers, 50000 + i).step, Some(1));
        }
    }
}
