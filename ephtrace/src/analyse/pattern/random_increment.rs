//! RFC 6056 Algorithm 5: random increments from 1 to N, N unknown.

use super::{frame::Frame, score::Score};

/// Number of values of N considered, each 1.15 times the previous one, from [`SMALLEST`] on.
const GRID: usize = 52;
const SMALLEST: f64 = 5.0;
const RATIO: f64 = 1.15;
/// Number of the smallest values of N, up to 15.
const COARSE: usize = 9;
/// Weight of the last port as the reference, of the one before, and so on: a stray or overtaken
/// port then costs one event.
const RECENCY: [f64; 4] = [0.93, 0.045, 0.015, 0.01];
/// The values of N.
const SIZES: [f64; GRID] = {
    let mut sizes = [SMALLEST; GRID];
    let mut i = 1;
    while i < GRID {
        sizes[i] = sizes[i - 1] * RATIO;
        i += 1;
    }
    sizes
};
/// Prior shares of the kinds of step: one increment, two (a lost event, an occupied port), many, or
/// an event that was overtaken. The shares are learned.
const PARTS: [f64; 4] = [0.90, 0.06, 0.02, 0.02];
/// Number of events that the prior shares count for.
const PATIENCE: f64 = 12.0;
/// Minimum share of single increments; below it, another policy is at work.
const LEAST_CLEAN: f64 = 0.35;
/// Maximum share of overtaken events: random ports move down every other time.
const MOST_LATE: f64 = 0.08;
/// Maximum distance of many increments, in units of N.
const FURTHEST: f64 = 6.0;
/// Share of ports that a program named.
const STRAY: f64 = 0.04;
/// Share of the range above which an increment can't be distinguished from a random port.
const WIDEST: f64 = 0.3;

/// The last few ports of one reference, the latest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent<const N: usize> {
    ports: [u16; N],
    len: usize,
}

impl<const N: usize> Recent<N> {
    pub(super) const fn new() -> Self {
        Self { ports: [0; N], len: 0 }
    }

    /// Returns the ports to compare with.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports[..self.len]
    }

    /// Returns the last port.
    pub(super) fn last(&self) -> Option<u16> {
        self.ports[..self.len].first().copied()
    }

    pub(super) fn push(&mut self, port: u16) {
        self.ports.copy_within(..N - 1, 1);
        self.ports[0] = port;
        self.len = (self.len + 1).min(N);
    }
}

/// The values of N and their scores.
#[derive(Clone)]
pub(super) struct RandomIncrement {
    weights: [f64; GRID],
    /// Bounds of the values still in the running; the others are dropped for good.
    from: usize,
    to: usize,
    parts: [f64; 4],
    score: Score,
    downwards: bool,
}

/// Weight below which a value of N at either end of those in the running is dropped.
const HOPELESS: f64 = 1e-7;

impl RandomIncrement {
    pub(super) fn new(downwards: bool) -> Self {
        Self {
            weights: [1.0; GRID],
            from: 0,
            to: GRID,
            parts: PARTS.map(|part| part * PATIENCE),
            score: Score::new(),
            downwards,
        }
        .scaled()
    }

    /// Creates a model without the smallest values of N, which Linux's own increments resemble.
    pub(super) fn coarse() -> Self {
        Self { from: COARSE, ..Self::new(false) }.scaled()
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    /// Returns the likeliest N.
    pub(super) fn n(&self) -> f64 {
        let best =
            (self.from..self.to).max_by(|&a, &b| self.weights[a].total_cmp(&self.weights[b]));
        SIZES[best.unwrap_or(0)]
    }

    /// Scores one event; returns its density under the law alone, for mixtures.
    pub(super) fn observe(&mut self, frame: &Frame, recent: &[u16]) -> f64 {
        if recent.is_empty() {
            self.score.add((1.0 - STRAY) * frame.fresh + STRAY * frame.noise);
            return frame.fresh;
        }
        let shares = self.shares();
        let mut laws = [0.0; GRID];
        let mut seen = [0.0; 4];
        self.densities(frame, recent, shares, &mut laws, &mut seen);
        let law: f64 = seen.iter().sum();
        let stray = STRAY * (0.5 * frame.fresh + 0.5 * frame.noise);
        let density = (1.0 - STRAY) * law + stray;
        self.score.add(density);
        let (kept, floor) = ((1.0 - STRAY) / density, stray / density);
        let running = self.from..self.to;
        for (weight, law) in self.weights[running.clone()].iter_mut().zip(&laws[running]) {
            *weight *= kept * law + floor;
        }
        for (part, seen) in self.parts.iter_mut().zip(seen) {
            *part += seen * kept;
        }
        self.narrow();
        0.96 * law + 0.04 * frame.fresh
    }

    /// Returns the learned share of each part.
    fn shares(&self) -> [f64; 4] {
        let total: f64 = self.parts.iter().sum();
        let clean = (self.parts[0] / total).max(LEAST_CLEAN);
        let late = (self.parts[3] / total).min(MOST_LATE);
        let rest = (1.0 - clean - late) / (self.parts[1] + self.parts[2]);
        [clean, self.parts[1] * rest, self.parts[2] * rest, late]
    }

    /// Returns the density under each N, and the overall contribution of each part.
    fn densities(
        &self,
        frame: &Frame,
        recent: &[u16],
        shares: [f64; 4],
        laws: &mut [f64; GRID],
        seen: &mut [f64; 4],
    ) {
        let widest = WIDEST * f64::from(frame.size);
        let scale = 1.0 / RECENCY[..recent.len().min(RECENCY.len())].iter().sum::<f64>();
        for (&port, recency) in recent.iter().zip(RECENCY) {
            let step = f64::from(frame.step_from(port) * if self.downwards { -1 } else { 1 });
            // Smaller values of N don't reach this far.
            let least = if step > 0.0 { step / FURTHEST } else { -step };
            let reach = self.from..self.to;
            let from = self.from + SIZES[reach.clone()].partition_point(|n| *n < least);
            for i in from..reach.end {
                let n = SIZES[i];
                if n > widest {
                    break;
                }
                let parts = parts(recency * scale / n, step / n);
                for part in 0..4 {
                    let density = parts[part] * shares[part];
                    laws[i] += density;
                    seen[part] += self.weights[i] * density;
                }
            }
        }
    }

    fn narrow(&mut self) {
        while self.to - self.from > 1 && self.weights[self.from] < HOPELESS {
            self.from += 1;
        }
        while self.to - self.from > 1 && self.weights[self.to - 1] < HOPELESS {
            self.to -= 1;
        }
    }

    fn scaled(mut self) -> Self {
        let total: f64 = self.weights[self.from..self.to].iter().sum();
        self.weights.iter_mut().for_each(|weight| *weight /= total);
        self
    }
}

/// Returns the density of a step, part by part: `step` in units of N, `scale` one over N.
fn parts(scale: f64, step: f64) -> [f64; 4] {
    if step > 0.0 {
        let once = if step <= 1.0 { 1.0 } else { 0.0 };
        let twice = (1.0 - (step - 1.0).abs()).max(0.0);
        // Falls linearly: as good as an exponential here, and cheaper.
        let often = (1.0 - step / FURTHEST).max(0.0) * 2.0 / FURTHEST;
        [scale * once, scale * twice, scale * often, 0.0]
    } else if (-1.0..0.0).contains(&step) {
        [0.0, 0.0, 0.0, scale]
    } else {
        [0.0; 4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analyse::pattern::frame::Space, model::PortRange};

    #[test]
    fn n_is_found() {
        let (mut space, mut wide, mut recent) =
            (Space::new(), RandomIncrement::new(false), Recent::<4>::new());
        let mut port = 10000;
        for i in 0_u16..200 {
            port += 1 + i * 37 % 100;
            let range = PortRange::new(1024, 65535);
            let frame = space.frame(port, Some(range), 0.0);
            let ports = recent.ports();
            wide.observe(&frame, ports);
            recent.push(port);
        }
        assert!((90.0..140.0).contains(&wide.n()), "{}", wide.n());
    }

    #[test]
    fn the_density_of_a_step_sums_to_one() {
        let mut sums = [0.0; 4];
        for step in -3000..9000 {
            let parts = parts(1e-3, f64::from(step) / 1000.0);
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        for sum in sums {
            assert!((sum - 1.0).abs() < 0.01, "{sum}");
        }
    }
}
