//! RFC 6056 Algorithm 3: the port is a hash of the destination plus one counter for everybody.
//!
//! The counter is followed through every destination whose hash is known, never by counting events:
//! lost ones and named ports would break a count. Anything that may turn out wrong (the offset of a
//! destination that was first seen while the counter was off, a correction that was one
//! destination's own fault) is kept as an alternative *before* the next event is scored, so that
//! the likelihood does not cheat.

use super::{
    counter::{Start, parts},
    frame::Frame,
    laws::{Densities, Law},
    score::{CLEAN, LATE, NOISE, SKIP, Score, Shares},
};

/// Weight of an alternative besides the main assumption.
const DOUBT: f64 = 0.15;
/// Maximum share of events that start elsewhere.
const JUMP_CAP: f64 = 0.06;
/// Maximum share of events after lost events or occupied ports.
const SKIP_CAP: f64 = 0.45;
/// Maximum number of remembered destinations that were first seen since the counter was last
/// confirmed.
const PENDING: usize = 8;

/// State of one destination: its hash, relative to the counter's own zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HashOffset {
    known: bool,
    base: i64,
    other: Option<i64>,
    range_id: u32,
}

/// One counter that a host, or a namespace, has behind all hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashCounter {
    counter: i64,
    /// Correction that the last residual suggested but that was not made, or that was made and may
    /// have been wrong.
    alternative: Option<i32>,
    pending: [u64; PENDING],
    pending_len: usize,
}

/// The law and the score of the model.
#[derive(Clone)]
pub(super) struct SimpleHash {
    law: &'static Law,
    stride: i32,
    start: Start,
    shares: Shares,
    score: Score,
}

/// Result of [`SimpleHash::observe`] for the caller, who owns the offsets.
pub(super) struct Outcome {
    /// Density under the law alone, for mixtures.
    pub(super) law: f64,
    /// Amount by which offsets of destinations first seen since the counter was last confirmed may
    /// be off.
    pub(super) doubt: Option<i32>,
    /// Residual of the prediction, if the destination was known.
    pub(super) residual: Option<i32>,
}

impl SimpleHash {
    pub(super) fn new(law: &'static Law, stride: i32, start: Start) -> Self {
        Self { law, stride, start, shares: Shares::new(SKIP_CAP, JUMP_CAP), score: Score::new() }
    }

    pub(super) fn log(&self, n: f64) -> f64 {
        self.score.log(n)
    }

    /// Share of steps longer than the law's.
    pub(super) fn skips(&self) -> f64 {
        self.shares.now()[SKIP]
    }

    /// Scores one event and moves the counter.
    pub(super) fn observe(
        &mut self,
        counter: &mut HashCounter,
        frame: &Frame,
        key: u64,
        offset: &mut HashOffset,
    ) -> Outcome {
        let fresh = match self.start {
            Start::Anywhere => frame.fresh,
            Start::LowParity => frame.fresh_low,
        };
        if !offset.known || offset.range_id != frame.range_id {
            let noise = self.shares.now()[NOISE];
            self.score.add((1.0 - noise) * fresh + noise * frame.noise);
            counter.first(frame, key, offset, self.stride);
            return Outcome { law: fresh, doubt: None, residual: None };
        }
        let main = frame.step_from_place(offset.base + counter.counter);
        let candidates = counter.candidates(frame, offset, main);
        let shares = self.shares.now();
        let mut law = [0.0; 3];
        let mut best = None;
        let mut most = 0.0;
        for (which, candidate) in candidates.into_iter().enumerate() {
            let Some((step, weight)) = candidate else { continue };
            let densities = residual_law(self.law, step).map(|density| density * weight);
            let likely: f64 = densities.iter().zip(shares).map(|(d, share)| d * share).sum();
            if likely > most {
                (best, most) = (Some((which, step)), likely);
            }
            law.iter_mut().zip(densities).for_each(|(sum, density)| *sum += density);
        }
        let parts = parts(shares, law, fresh, frame.noise);
        let density = parts.iter().sum();
        self.score.add(density);
        self.shares.learn(parts, density);
        let law = (parts[CLEAN] + parts[SKIP] + parts[LATE])
            / (shares[CLEAN] + shares[SKIP] + shares[LATE]);
        let doubt = match best {
            Some((which, step)) => counter.follow(offset, which, step, self.stride),
            None => counter.lose(frame, offset, main),
        };
        Outcome { law: 0.96 * law + 0.04 * fresh, doubt, residual: Some(main - self.stride) }
    }
}

impl HashCounter {
    pub(super) const fn new() -> Self {
        Self { counter: 0, alternative: None, pending: [0; PENDING], pending_len: 0 }
    }

    /// Takes the destinations whose offset may be off after a correction.
    pub(super) fn take_pending(&mut self) -> impl Iterator<Item = u64> + use<> {
        let (pending, len) = (self.pending, self.pending_len);
        self.pending_len = 0;
        pending.into_iter().take(len)
    }

    /// Returns the step from the counter under each assumption, with its weight: everything is as
    /// it seems, the destination's other offset is right, or the counter's alternative is.
    fn candidates(&self, frame: &Frame, offset: &HashOffset, main: i32) -> [Option<(i32, f64)>; 3] {
        let other = offset.other.map(|base| frame.step_from_place(base + self.counter));
        let shifted = self.alternative.map(|shift| frame.wrapped(main - shift));
        let doubts = [other, shifted].iter().flatten().count();
        let sure = [1.0, 1.0 - DOUBT, 1.0 - 2.0 * DOUBT][doubts];
        [Some((main, sure)), other.map(|step| (step, DOUBT)), shifted.map(|step| (step, DOUBT))]
    }

    /// Handles the first port of a destination: its offset follows from the counter.
    fn first(&mut self, frame: &Frame, key: u64, offset: &mut HashOffset, stride: i32) {
        self.counter += i64::from(stride);
        *offset = HashOffset {
            known: true,
            base: i64::from(frame.port) - self.counter,
            other: None,
            range_id: frame.range_id,
        };
        if let Some(slot) = self.pending.get_mut(self.pending_len) {
            *slot = key;
            self.pending_len += 1;
        }
    }

    /// Handles an event that fits: adopts the assumption under which it does.
    fn follow(
        &mut self,
        offset: &mut HashOffset,
        which: usize,
        step: i32,
        stride: i32,
    ) -> Option<i32> {
        match which {
            1 => {
                if let Some(base) = offset.other.replace(offset.base) {
                    offset.base = base;
                }
            }
            2 => self.counter += i64::from(self.alternative.unwrap_or(0)),
            _ => {}
        }
        self.alternative = None;
        if step <= 0 {
            // Either the event is late, or one counted event was none: a return here confirms the
            // latter.
            self.alternative = (step < 0).then_some(step);
            return None;
        }
        self.counter += i64::from(step);
        if step == stride {
            self.pending_len = 0;
            if which == 0 {
                offset.other = None;
            }
            return None;
        }
        // Events were lost, or this destination's offset is off.
        let excess = step - stride;
        self.alternative = Some(-excess);
        offset.other = Some(offset.base + i64::from(excess));
        Some(excess)
    }

    /// Handles an event that fits nowhere: a named port, a new range, a wrong offset.
    fn lose(&mut self, frame: &Frame, offset: &mut HashOffset, main: i32) -> Option<i32> {
        // Or the counter jumped over a block of reserved ports: the next destination will show it.
        self.alternative = Some(main);
        offset.other = Some(offset.base);
        offset.base = i64::from(frame.port) - self.counter;
        None
    }
}

impl HashOffset {
    /// Allows for `excess` events lost before the offset was taken.
    pub(super) fn doubt(&mut self, excess: i32) {
        self.other = Some(self.base - i64::from(excess));
    }
}

/// Maximum residual that is considered: the counter moves over a block of occupied or reserved
/// ports by its whole length.
const BLOCK: i32 = 1200;
/// Share of such blocks among the skips.
const BLOCKS: f64 = 0.12;

/// Returns the law's densities, with the residuals of an event wrongly counted (a named port's) and
/// of a block.
fn residual_law(law: &Law, step: i32) -> Densities {
    let [clean, skip, late] = law.at(step);
    let mut block = 0.0;
    if step > 0 && step < BLOCK {
        let length = f64::from(BLOCK);
        block = 2.0 * (1.0 - f64::from(step) / length) / length;
    }
    let late = 0.6 * late + if step == 0 { 0.4 } else { 0.0 };
    [clean, (1.0 - BLOCKS) * skip + BLOCKS * block, late]
}
