//! Laws that are learned: the open set. They catch strides, pinned ports and small pools, so that
//! these are not mistaken for the nearest known policy.

use super::{frame::Frame, score::Score};

/// Maximum number of distinct steps that are remembered.
const STEPS: usize = 32;
/// Minimum share of a step that is a stride.
const ONE_STEP: f64 = 0.3;
/// Strength of "a step never seen before".
const NOVELTY: f64 = 1.0;
/// Share of new starts.
const RESTART: f64 = 0.25;
/// Share of ports that a program named.
const STRAY: f64 = 0.03;
/// Strength of "a port never seen before".
const NEW_PORT: f64 = 10.0;
/// Maximum number of distinct ports that are remembered.
const PORTS: usize = 256;

/// Steps by frequency (a Chinese restaurant process over a range-wide base).
#[derive(Clone)]
pub(super) struct StepHistogram {
    counts: Vec<(i32, u32)>,
    total: u32,
    score: Score,
}

impl StepHistogram {
    pub(super) const fn new() -> Self {
        Self { counts: Vec::new(), total: 0, score: Score::new() }
    }

    /// Evidence for a policy that mostly moves by one step; without such a step there is none,
    /// since any law can be learned in time.
    pub(super) fn evidence(&self, n: f64) -> f64 {
        match self.commonest() {
            Some((step, share)) if step != 0 && share >= ONE_STEP => self.score.log(n),
            _ => f64::NEG_INFINITY,
        }
    }

    /// Evidence for such a policy, unless the step is that of a known one: by one, up or down, or
    /// up by two.
    pub(super) fn unknown(&self, n: f64) -> f64 {
        match self.commonest() {
            Some((-1..=2, _)) => f64::NEG_INFINITY,
            _ => self.evidence(n),
        }
    }

    /// Returns the commonest step and its share.
    pub(super) fn commonest(&self) -> Option<(i32, f64)> {
        let (step, count) = self.counts.iter().max_by_key(|(_, count)| *count)?;
        Some((*step, f64::from(*count) / f64::from(self.total.max(1))))
    }

    /// Scores an event at `step` from its reference; `weight` is the reference's own.
    pub(super) fn observe(&mut self, frame: &Frame, step: Option<i32>, weight: f64) {
        let stray = STRAY * frame.noise;
        let Some(step) = step else {
            // Nothing is near: another start.
            self.score.add((1.0 - STRAY) * frame.fresh * RESTART + stray);
            return;
        };
        let seen = self.counts.iter().find(|(s, _)| *s == step).map_or(0, |(_, count)| *count);
        let total = f64::from(self.total) + NOVELTY;
        let density = (f64::from(seen) * weight + NOVELTY * novel(frame, step, weight)) / total;
        self.score.add((1.0 - STRAY) * density + stray);
        self.count(step);
    }

    /// Scores the first event of a reference.
    pub(super) fn first(&mut self, frame: &Frame) {
        self.score.add((1.0 - STRAY) * frame.fresh + STRAY * frame.noise);
    }

    fn count(&mut self, step: i32) {
        self.total += 1;
        if let Some((_, count)) = self.counts.iter_mut().find(|(s, _)| *s == step) {
            *count += 1;
            return;
        }
        if self.counts.len() < STEPS {
            self.counts.push((step, 1));
        } else if let Some(rarest) = self.counts.iter_mut().min_by_key(|(_, count)| *count)
            && rarest.1 <= 1
        {
            *rarest = (step, 1);
        }
    }
}

/// Density of a step never seen before: anywhere in the range, or a small one.
fn novel(frame: &Frame, step: i32, weight: f64) -> f64 {
    let away = f64::from(step.abs().max(1));
    // Small steps are uniform in their logarithm: both directions, up to 1024.
    let small = if away <= 1024.0 { 1.0 / (2.0 * 7.5 * away) } else { 0.0 };
    0.5 * frame.fresh + 0.5 * small * weight
}

/// Ports by frequency.
#[derive(Clone)]
pub(super) struct PortPool {
    counts: Vec<(u16, u32)>,
    total: u32,
    score: Score,
}

impl PortPool {
    pub(super) const fn new() -> Self {
        Self { counts: Vec::new(), total: 0, score: Score::new() }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    /// Share of earlier events that had this port.
    pub(super) fn repeated(&self, port: u16) -> f64 {
        match self.counts.binary_search_by_key(&port, |(p, _)| *p) {
            Ok(index) => f64::from(self.counts[index].1) / (f64::from(self.total) + NEW_PORT),
            Err(_) => 0.0,
        }
    }

    pub(super) fn observe(&mut self, frame: &Frame) {
        let novelty = NEW_PORT / (f64::from(self.total) + NEW_PORT);
        self.score.add(self.repeated(frame.port) + novelty * frame.fresh);
        self.total += 1;
        match self.counts.binary_search_by_key(&frame.port, |(p, _)| *p) {
            Ok(index) => self.counts[index].1 += 1,
            Err(index) if self.counts.len() < PORTS => self.counts.insert(index, (frame.port, 1)),
            Err(_) => {}
        }
    }
}

/// Ports that programs name: few, each used again and again.
#[derive(Clone)]
pub(super) struct FixedPorts {
    counts: Vec<(u16, u32)>,
    total: u32,
    score: Score,
}

/// Strength of "a port never named before".
const NEW_NAME: f64 = 0.5;
/// Maximum number of distinct ports that are remembered.
const NAMES: usize = 32;

impl FixedPorts {
    pub(super) const fn new() -> Self {
        Self { counts: Vec::new(), total: 0, score: Score::new() }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    /// Number of distinct ports, up to a bound.
    pub(super) fn distinct(&self) -> u32 {
        u32::try_from(self.counts.len()).unwrap_or(u32::MAX)
    }

    /// Scores an event: a program may name any port, inside of the range or not.
    pub(super) fn observe(&mut self, frame: &Frame) {
        let total = f64::from(self.total) + NEW_NAME;
        let novel = NEW_NAME / total / 65536.0;
        let index = self.counts.iter().position(|(port, _)| *port == frame.port);
        let again = index.map_or(0.0, |index| f64::from(self.counts[index].1) / total);
        self.score.add(again + novel);
        self.total += 1;
        match index {
            Some(index) => self.counts[index].1 += 1,
            None if self.counts.len() < NAMES => self.counts.push((frame.port, 1)),
            None => {}
        }
    }
}

/// Number of step sizes that are counted apart: powers of two.
const GAPS: usize = 15;
/// Divisor of the range: a step of up to this part of it can be a counter's, seen in part.
const FURTHEST: i32 = 3;
/// Share of steps of 1 to 3 from which on there are no gaps.
const WITHOUT_GAPS: f64 = 0.8;
/// Share of steps back: events that were overtaken.
const BACK: f64 = 0.02;

/// A counter that is seen only in part: steps ahead of any size, by a learned law.
#[derive(Clone)]
pub(super) struct Gaps {
    counts: [f64; GAPS],
    total: f64,
    score: Score,
}

impl Gaps {
    pub(super) const fn new() -> Self {
        Self { counts: [0.1; GAPS], total: 1.5, score: Score::new() }
    }

    /// Evidence for a counter seen in part: if nearly all steps are of 1 to 3, all of it is seen.
    pub(super) fn evidence(&self, n: f64) -> f64 {
        if self.counts[0] + self.counts[1] > WITHOUT_GAPS * self.total {
            return f64::NEG_INFINITY;
        }
        self.score.log(n)
    }

    /// Scores an event by its step from the last port; `None` for the first one.
    pub(super) fn observe(&mut self, frame: &Frame, step: Option<i32>) {
        let stray = STRAY * frame.noise;
        let Some(step) = step else {
            self.score.add((1.0 - STRAY) * frame.fresh + stray);
            return;
        };
        let mut density = BACK * frame.fresh;
        if step > 0 && step < frame.size / FURTHEST {
            let bin = usize::try_from(step.ilog2()).unwrap_or(0).min(GAPS - 1);
            let width = f64::from(1_u32 << bin);
            density += (1.0 - BACK) * self.counts[bin] / self.total / width;
            self.counts[bin] += 1.0;
            self.total += 1.0;
        }
        self.score.add((1.0 - STRAY) * density + stray);
    }
}

/// A window of the range that is used alone: uniform between two ends that are learned.
#[derive(Clone, Copy)]
pub(super) struct Window {
    low: f64,
    high: f64,
    inside: u32,
    score: Score,
}

/// Minimum width of a window.
const NARROWEST: f64 = 64.0;

impl Window {
    pub(super) const fn new() -> Self {
        Self { low: 0.0, high: 0.0, inside: 0, score: Score::new() }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    pub(super) fn observe(&mut self, frame: &Frame) {
        let port = f64::from(frame.port);
        let (law, stray) = ((1.0 - STRAY) * self.density(frame, port), STRAY * frame.noise);
        self.score.add(law + stray);
        if self.inside == 0 {
            (self.low, self.high) = (port, port);
        }
        if law > stray || self.inside < 2 {
            self.inside += 1;
            self.low = self.low.min(port);
            self.high = self.high.max(port);
        }
    }

    /// Returns the density of the next port given the ends so far, with a prior of one over the
    /// width squared.
    fn density(&self, frame: &Frame, port: f64) -> f64 {
        if self.inside < 2 {
            return frame.fresh;
        }
        let n = f64::from(self.inside);
        let width = (self.high - self.low + 1.0).max(NARROWEST);
        let beyond = (self.low - port).max(port - self.high).max(0.0);
        (n - 1.0) / ((n + 1.0) * width) * (width / (width + beyond)).powf(n.min(64.0))
    }
}

/// Number of blocks of the port space that are counted apart.
const BLOCKS: usize = 512;
/// Number of ports in a block.
const BLOCK: f64 = 128.0;
/// Strength of "a block never seen before", all blocks together.
const SPREAD: f64 = 2.0;

/// Ports by block: several parts of the range that are used alone.
#[derive(Clone)]
pub(super) struct Spread {
    counts: [u16; BLOCKS],
    total: u32,
    score: Score,
}

impl Spread {
    pub(super) const fn new() -> Self {
        Self { counts: [0; BLOCKS], total: 0, score: Score::new() }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    pub(super) fn observe(&mut self, frame: &Frame) {
        let count = &mut self.counts[usize::from(frame.port >> 7)];
        let density =
            (f64::from(*count) / BLOCK + SPREAD * frame.fresh) / (f64::from(self.total) + SPREAD);
        self.score.add((1.0 - STRAY) * density + STRAY * frame.noise);
        // Full after 65,535 in one block: by then the shares are settled.
        if *count < u16::MAX {
            *count += 1;
            self.total += 1;
        }
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

    #[test]
    fn a_stride_is_learned() {
        let mut steps = StepHistogram::new();
        for port in 0..50 {
            steps.observe(&frame(40000 + 7 * port), Some(7), 1.0);
        }
        assert_eq!(steps.commonest().map(|(step, _)| step), Some(7));
        assert!(steps.evidence(50.0) / 50.0 > -0.5, "{}", steps.evidence(50.0));
    }

    #[test]
    fn a_pinned_port_is_learned() {
        let mut pool = PortPool::new();
        for _ in 0..50 {
            pool.observe(&frame(45000));
        }
        assert!(pool.repeated(45000) > 0.7 && pool.repeated(45001) <= 0.0);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut steps, mut pool) = (StepHistogram::new(), PortPool::new());
        for i in 0..2000_u16 {
            steps.observe(&frame(32768 + i), Some(i32::from(i)), 1.0);
            pool.observe(&frame(32768 + i));
        }
        assert!(steps.counts.len() <= STEPS && pool.counts.len() <= PORTS);
    }
}
