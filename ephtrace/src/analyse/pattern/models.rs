//! The models by their reference: everybody, a destination, or nothing.

use super::{
    counter::{Counter, Start},
    counter_heads::{CounterHeads, Match},
    either::Either,
    frame::Frame,
    kernel::SearchStart,
    laws,
    learned::{FixedPorts, Gaps, PortPool, Spread, StepHistogram, Window},
    observation::{Clock, Observation},
    random_increment::{RandomIncrement, Recent},
    score::{Score, log_sum_exp},
    simple_hash::{HashCounter, HashOffset},
};

/// Maximum step that counts as near.
pub(super) const NEAR: i32 = 16;

/// Positions that a counter for everybody may have reached.
#[derive(Clone)]
pub(super) struct HostReference {
    up: CounterHeads<6>,
    down: CounterHeads<3>,
    recent: Recent<4>,
    /// Counters for the simple hash by one and by two.
    pub(super) hash_counters: [HashCounter; 2],
    /// Destination and address of the last assignment.
    last: Option<(u64, u32)>,
}

impl HostReference {
    pub(super) const fn new() -> Self {
        Self {
            up: CounterHeads::new(1),
            down: CounterHeads::new(-1),
            recent: Recent::new(),
            hash_counters: [HashCounter::new(); 2],
            last: None,
        }
    }
}

/// Prior probability that a counter for everybody runs downwards, as NetBSD's does.
const DOWNWARDS: f64 = 0.2;

/// Policies with one counter for everybody.
#[derive(Clone)]
pub(super) struct HostModels {
    pub(super) up: Counter,
    pub(super) down: Counter,
    direction: Either,
    pub(super) random_up: RandomIncrement,
    pub(super) random_down: RandomIncrement,
    pub(super) stride: StepHistogram,
    pub(super) many: StepHistogram,
    /// A counter with other, unseen users.
    pub(super) gaps: Gaps,
}

/// Result of [`HostModels::observe`] for mixtures and the evidence.
#[derive(Clone, Copy, Default)]
pub(super) struct HostDensities {
    pub(super) up: f64,
    /// Density of a step by one, up or down.
    pub(super) by_one: f64,
    pub(super) random_up: f64,
    /// Density of a step by one from the nearest of several positions.
    pub(super) among: f64,
    pub(super) step: Option<i32>,
    /// Step from the nearest of several positions, and the weight of each.
    pub(super) near: Option<i32>,
    pub(super) near_weight: f64,
    /// True if the previous assignment went to another destination; `switched_peer`, to another
    /// address.
    pub(super) switched: bool,
    /// True if the port is close to one of the positions, up or down.
    pub(super) close: bool,
    pub(super) switched_peer: bool,
}

impl HostModels {
    pub(super) fn new() -> Self {
        Self {
            up: Counter::new(&laws::PLUS_ONE, Start::Anywhere),
            down: Counter::new(&laws::PLUS_ONE, Start::Anywhere),
            direction: Either::new(DOWNWARDS),
            random_up: RandomIncrement::new(false),
            random_down: RandomIncrement::new(true),
            stride: StepHistogram::new(),
            many: StepHistogram::new(),
            gaps: Gaps::new(),
        }
    }

    /// Moves the counter, and scores the event unless the models `rest`.
    pub(super) fn observe(
        &mut self,
        reference: &mut HostReference,
        event: &Observation,
        frame: &Frame,
        rest: bool,
    ) -> HostDensities {
        let up = reference.up.matched(frame);
        reference.up.advance(frame, &up, 0, false);
        let down = reference.down.matched(frame);
        reference.down.advance(frame, &down, 0, false);
        let recent = reference.recent.ports();
        let mut seen = HostDensities {
            step: recent.first().map(|&port| frame.step_from(port)),
            near: up.step,
            near_weight: up.even_weight,
            close: [up.step, down.step].iter().flatten().any(|step| step.abs() <= NEAR),
            switched: reference.last.is_some_and(|last| last.0 != event.key),
            switched_peer: reference.last.is_some_and(|last| last.1 != event.peer),
            ..HostDensities::default()
        };
        if !rest {
            self.score(frame, &up, &down, recent, &mut seen);
        }
        reference.recent.push(frame.port);
        reference.last = Some((event.key, event.peer));
        seen
    }

    fn score(
        &mut self,
        frame: &Frame,
        up: &Match,
        down: &Match,
        recent: &[u16],
        seen: &mut HostDensities,
    ) {
        seen.up = self.up.observe(frame, up, Clock::Unknown);
        let down = self.down.observe(frame, down, Clock::Unknown);
        seen.by_one = self.direction.observe(seen.up, down);
        seen.among = 0.02 * frame.fresh;
        if let Some(step) = up.step {
            let [clean, skip, _] = laws::PLUS_ONE.at(step);
            seen.among += (0.9 * clean + 0.08 * skip) * up.even_weight;
        }
        if up.any {
            self.many.observe(frame, up.step, up.even_weight);
        } else {
            self.many.first(frame);
        }
        seen.random_up = self.random_up.observe(frame, recent);
        self.random_down.observe(frame, recent);
        self.gaps.observe(frame, seen.step);
        match seen.step {
            Some(step) => self.stride.observe(frame, Some(step), 1.0),
            None => self.stride.first(frame),
        }
    }
}

/// State of one destination.
#[derive(Clone)]
pub(super) struct Lane {
    heads: CounterHeads<4>,
    recent: Recent<2>,
    /// Offsets for the simple hash by one and by two, with a counter of the host.
    pub(super) hash_offsets: [HashOffset; 2],
    /// Number of the last event to this destination.
    pub(super) last: u64,
    /// Number of changes of the destination until then.
    pub(super) changes: u64,
    /// Number of times that the last port was repeated in a row.
    pub(super) tries: u32,
    /// Search of the last event, if it was seen.
    pub(super) search_start: Option<SearchStart>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            heads: CounterHeads::taking_turns(),
            recent: Recent::new(),
            hash_offsets: [HashOffset::default(); 2],
            last: 0,
            changes: 0,
            tries: 0,
            search_start: None,
        }
    }
}

/// Maximum number of tries of one connect from one port; further repetitions are assignments.
const MOST_TRIES: u32 = 5;

impl Lane {
    /// Returns whether `port` repeats the last one: a refused connect that is retried.
    pub(super) fn is_retry(&mut self, port: u16) -> bool {
        if self.recent.last() != Some(port) {
            self.tries = 0;
            return false;
        }
        self.tries += 1;
        self.tries < MOST_TRIES
    }
}

/// Policies with a counter for each destination.
#[derive(Clone)]
pub(super) struct LaneModels {
    pub(super) by_one: Counter,
    pub(super) noisy_two: Counter,
    pub(super) even: Counter,
    /// Like `even`, with one secret that never changes.
    pub(super) even_for_good: Counter,
    pub(super) any: Counter,
    pub(super) stride: StepHistogram,
    pub(super) random_up: RandomIncrement,
}

/// Result of [`LaneModels::observe`] for mixtures and the evidence.
#[derive(Clone, Copy, Default)]
pub(super) struct LaneDensities {
    pub(super) by_one: f64,
    pub(super) noisy_two: f64,
    pub(super) even: f64,
    pub(super) any: f64,
    /// Step from the last port of the destination.
    pub(super) step: Option<i32>,
    /// Number of positions that the destination's counter may have reached.
    pub(super) places: u64,
    /// Step from the nearest of them, and the probability that no new secret came in between.
    pub(super) near: Option<i32>,
    pub(super) same: f64,
}

impl LaneModels {
    pub(super) fn new() -> Self {
        Self {
            by_one: Counter::new(&laws::PLUS_ONE, Start::Anywhere),
            noisy_two: Counter::new(&laws::NOISY_TWO, Start::LowParity),
            even: Counter::salted(&laws::EVEN_TO_16, Start::LowParity),
            even_for_good: Counter::new(&laws::EVEN_TO_16, Start::LowParity),
            any: Counter::salted(&laws::ANY_TO_8, Start::Anywhere),
            stride: StepHistogram::new(),
            random_up: RandomIncrement::coarse(),
        }
    }

    /// Moves the destination's counters, and scores the event unless the models `rest`.
    pub(super) fn observe(
        &mut self,
        lane: &mut Lane,
        frame: &Frame,
        clock: Clock,
        rest: bool,
    ) -> LaneDensities {
        let matched = lane.heads.matched(frame);
        let same = self.even.same(&matched, clock);
        lane.heads.advance(frame, &matched, clock.stamp(), same < 0.5);
        let recent = lane.recent.ports();
        let step = recent.first().map(|&port| frame.step_from(port));
        let (near, places) = (matched.step, matched.places);
        let mut seen = LaneDensities { step, places, near, same, ..LaneDensities::default() };
        if !rest {
            seen.by_one = self.by_one.observe(frame, &matched, clock);
            seen.noisy_two = self.noisy_two.observe(frame, &matched, clock);
            seen.even = self.even.observe(frame, &matched, clock);
            self.even_for_good.observe(frame, &matched, clock);
            seen.any = self.any.observe(frame, &matched, clock);
            self.random_up.observe(frame, recent);
            self.observe_stride(frame, &matched, step);
        }
        lane.recent.push(frame.port);
        seen
    }

    fn observe_stride(&mut self, frame: &Frame, matched: &Match, step: Option<i32>) {
        match (matched.step, step) {
            (near @ Some(_), Some(_)) => self.stride.observe(frame, near, matched.weight),
            (None, Some(_)) => self.stride.observe(frame, step, 1.0),
            _ => self.stride.first(frame),
        }
    }
}

/// Policies without a memory.
#[derive(Clone)]
pub(super) struct RandomModels {
    uniform: Score,
    odd: Score,
    piled_uniform: Pileup,
    piled_odd: Pileup,
    /// Uniform on the parity of the low end: no known system does that.
    pub(super) low_parity: Score,
    pub(super) pool: PortPool,
    pub(super) fixed: FixedPorts,
    pub(super) window: Window,
    pub(super) spread: Spread,
    reuse: f64,
    odd_seen: f64,
}

/// Share of ports that a program named, or that were found off the preferred parity.
const STRAY: f64 = 0.03;

impl RandomModels {
    pub(super) const fn new() -> Self {
        Self {
            uniform: Score::new(),
            odd: Score::new(),
            piled_uniform: Pileup::new(1),
            piled_odd: Pileup::new(2),
            low_parity: Score::new(),
            pool: PortPool::new(),
            fixed: FixedPorts::new(),
            window: Window::new(),
            spread: Spread::new(),
            reuse: 0.6,
            odd_seen: 2.0,
        }
    }

    /// Scores an event; returns the density of bind to port 0, for mixtures.
    pub(super) fn observe(&mut self, frame: &Frame, pile: Option<i32>, weight: f64) -> f64 {
        let with_stray = |density: f64| (1.0 - STRAY) * density + STRAY * frame.noise;
        self.uniform.add(with_stray(frame.fresh));
        self.low_parity.add(with_stray(frame.fresh_low));
        let reuse = self.reuse / self.odd_seen * frame.fresh_reuse;
        let odd = reuse + (1.0 - self.reuse / self.odd_seen) * frame.fresh_odd;
        self.odd.add(with_stray(odd));
        if odd > 0.0 && !frame.on_low_parity() {
            self.reuse += reuse / odd;
            self.odd_seen += 1.0;
        }
        self.piled_uniform.observe(frame, frame.fresh, pile, weight);
        self.piled_odd.observe(frame, odd, pile, weight);
        self.pool.observe(frame);
        self.fixed.observe(frame);
        self.window.observe(frame);
        self.spread.observe(frame);
        odd
    }
}

impl RandomModels {
    /// Evidence of the uniform policies.
    pub(super) fn uniform(&self, n: f64) -> f64 {
        log_sum_exp([self.uniform.log(n), self.piled_uniform.score.log(n) - PILED].into_iter())
    }

    /// Evidence of bind to port 0.
    pub(super) fn odd(&self, n: f64) -> f64 {
        log_sum_exp([self.odd.log(n), self.piled_odd.score.log(n) - PILED].into_iter())
    }
}

/// Log-odds against pile-ups.
const PILED: f64 = 2.0;
/// Maximum share of events in pile-ups: that of the range which is occupied in blocks.
const PILED_CAP: f64 = 0.35;

/// A random policy that searches on from its random start: behind each block of occupied ports a
/// pile-up grows port by port, and looks like a counter of its own.
#[derive(Clone)]
struct Pileup {
    stride: i32,
    behind: f64,
    total: f64,
    score: Score,
}

impl Pileup {
    const fn new(stride: i32) -> Self {
        Self { stride, behind: 0.3, total: 10.0, score: Score::new() }
    }

    /// Scores a `step` from the nearest of several positions, each with this `weight`.
    fn observe(&mut self, frame: &Frame, free: f64, step: Option<i32>, weight: f64) {
        let share = (self.behind / self.total).min(PILED_CAP);
        let behind = match step {
            Some(step) if step == self.stride => 0.8 * weight,
            Some(step) if step == 2 * self.stride => 0.15 * weight,
            _ => 0.0,
        };
        let piled = share * behind;
        let density = piled + (1.0 - share) * free;
        self.score.add((1.0 - STRAY) * density + STRAY * frame.noise);
        self.total += 1.0;
        if density > 0.0 {
            self.behind += piled / density;
        }
    }
}
