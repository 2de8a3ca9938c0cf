//! A trace: a load, a policy, and the troubles that real traces have.

use ephtrace::{
    analyse::pattern::{Algorithm, Clock, Observation},
    model::{Origin, PortRange, RangeInForce, RangeSource},
};
use fastrand::Rng;

use crate::{
    policy::{EPOCH_NS, Policy, Rule},
    rules::{range_for, rules_for},
    world::{Target, World},
};

/// What a trace is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One of the policies that a verdict can name, `mixed` included.
    Known(Algorithm),
    /// A policy that is none of them.
    Open,
}

/// One event of the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) seen: Observation,
    /// Which of the two policies made it; `None` for a named port.
    pub(crate) part: Option<usize>,
    pub(crate) epoch: u64,
}

/// A generated trace and its truth.
pub(crate) struct Trace {
    pub(crate) class: Class,
    pub(crate) rules: Vec<Rule>,
    pub(crate) events: Vec<Event>,
}

/// How much of the truth the classifier is shown.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one column of the ablation")]
pub(crate) struct Shown {
    pub(crate) range: bool,
    pub(crate) netns: bool,
    pub(crate) time: bool,
    pub(crate) origin: bool,
}

/// The inputs of the main table: origin and epoch hidden.
pub(crate) const PORTS_ONLY: Shown = Shown { range: true, netns: true, time: true, origin: false };

impl Event {
    /// The event as far as it is shown.
    pub(crate) fn observation(&self, shown: Shown) -> Observation {
        let mut seen = self.seen;
        if !shown.range {
            seen.range = None;
        }
        if !shown.netns {
            seen.netns = 0;
        }
        if !shown.time {
            seen.clock = Clock::Unknown;
        }
        if shown.origin {
            seen.clock = Clock::Epoch(self.epoch);
        } else {
            seen.origin = None;
        }
        seen
    }
}

/// The troubles of one trace.
struct Troubles {
    loss: f64,
    burst_loss: f64,
    reorder: f64,
    named: f64,
    named_ports: Vec<u16>,
    change_range: Option<usize>,
}

/// The pace and the choice of destinations of one trace.
struct Load {
    now: u64,
    mean_gap: f64,
    stay: f64,
    skew: bool,
    current: usize,
    phase: u64,
}

/// Makes the trace of `class` with `n` events that `seed` stands for; `level` scales its troubles.
pub(crate) fn generate(class: Class, n: usize, seed: u64, level: f64) -> Trace {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n as u64);
    rng.u64(..);
    let rules = rules_for(class, &mut rng);
    let range = range_for(&mut rng, &rules);
    let mut world = a_world(&mut rng, n, range);
    let troubles = troubles(&mut rng, &mut world, n, level);
    let mut load = Load::new(&mut rng);
    let mut policies: Vec<Policy> =
        rules.iter().map(|rule| Policy::new(rule.clone(), &mut world)).collect();
    let mixing = Mixing::new(&mut rng, n, &rules);
    let mut events: Vec<Event> = Vec::with_capacity(n + 2);
    let mut serial = 0;
    let mut lost = 0_usize;
    let mut part = 0;
    while events.len() < n && serial < 20 * n as u64 + 1000 {
        serial += 1;
        if troubles.change_range == Some(events.len()) {
            let next = range_for(&mut rng, &rules);
            world.ranges.iter_mut().for_each(|range| *range = next);
        }
        world.release(serial);
        load.tick(&mut rng);
        let target = load.pick(&mut rng, &world);
        let event = if rng.f64() < troubles.named {
            Some(named(&mut rng, &troubles, &world, target, &load))
        } else {
            part = mixing.part(&mut rng, part);
            assigned(&mut rng, &mut policies, part, &rules, &mut world, target, &load, serial)
        };
        let Some(event) = event else { continue };
        if rng.f64() < troubles.burst_loss {
            lost = rng.usize(2..20);
        }
        if lost > 0 {
            lost -= 1;
        } else if rng.f64() >= troubles.loss {
            events.push(event);
        }
    }
    reorder(&mut rng, &mut events, troubles.reorder);
    Trace { class, rules, events }
}

fn named(rng: &mut Rng, troubles: &Troubles, world: &World, target: Target, load: &Load) -> Event {
    let port = troubles.named_ports[rng.usize(..troubles.named_ports.len())];
    let port = if port == 0 { rng.u16(1024..) } else { port };
    event(world, target, port, load, None, Origin::Explicit)
}

#[expect(clippy::too_many_arguments, reason = "one call; a struct would only rename them")]
fn assigned(
    rng: &mut Rng,
    policies: &mut [Policy],
    part: usize,
    rules: &[Rule],
    world: &mut World,
    mut target: Target,
    load: &Load,
    serial: u64,
) -> Option<Event> {
    let (origin, own_destination) = match rules[part] {
        Rule::BindZero { .. } => (Origin::Bind, rng.bool()),
        Rule::RandomStart | Rule::RandomRetry if rules.len() > 1 => (Origin::Udp, rng.bool()),
        _ => (Origin::Connect, true),
    };
    if !own_destination {
        // Not connected yet, or not at all.
        target.key = 0;
    }
    let port = policies[part].assign(world, target, load.epoch())?;
    world.take(serial, target.netns, port, target.key);
    Some(event(world, target, port, load, Some(part), origin))
}

fn event(
    world: &World,
    target: Target,
    port: u16,
    load: &Load,
    part: Option<usize>,
    origin: Origin,
) -> Event {
    let seen = Observation {
        port,
        key: target.key,
        netns: 4_026_531_840 + target.netns as u32,
        range: Some(RangeInForce { ports: world.ranges[target.netns], source: RangeSource::Netns }),
        origin: Some(origin),
        protocol: None,
        clock: Clock::Time(load.now),
        linux: false,
        search: None,
    };
    Event { seen, part, epoch: load.epoch() }
}

fn reorder(rng: &mut Rng, events: &mut [Event], share: f64) {
    for i in 1..events.len() {
        if rng.f64() < share {
            let (a, b) = (events[i - 1].seen.clock, events[i].seen.clock);
            events.swap(i - 1, i);
            events[i - 1].seen.clock = a;
            events[i].seen.clock = b;
        }
    }
}

impl Load {
    fn new(rng: &mut Rng) -> Self {
        // From one a second to ten thousand.
        let mean_gap = 1e9 / 10_f64.powf(rng.f64() * 4.0);
        Self {
            now: 1_700_000_000_000_000_000 + rng.u64(0..3_600_000_000_000),
            mean_gap,
            stay: [0.0, 0.0, 0.5][rng.usize(0..3)],
            skew: rng.bool(),
            current: 0,
            phase: rng.u64(0..EPOCH_NS),
        }
    }

    fn epoch(&self) -> u64 {
        (self.now + self.phase) / EPOCH_NS
    }

    fn tick(&mut self, rng: &mut Rng) {
        let gap = -self.mean_gap * rng.f64().max(1e-9).ln();
        let idle = if rng.u32(0..400) == 0 { rng.u64(0..8_000_000_000) } else { 0 };
        self.now += gap as u64 + idle;
    }

    fn pick(&mut self, rng: &mut Rng, world: &World) -> Target {
        if rng.f64() >= self.stay {
            let n = world.targets.len();
            let uniform = rng.f64();
            let place = if self.skew { uniform * uniform } else { uniform };
            self.current = ((place * n as f64) as usize).min(n - 1);
        }
        world.targets[self.current]
    }
}

/// How two policies share the stream.
enum Mixing {
    None,
    ByChance(f64),
    /// Mean length of a stretch of each.
    InStretches(f64, f64),
}

impl Mixing {
    fn new(rng: &mut Rng, n: usize, rules: &[Rule]) -> Self {
        match rules {
            [Rule::RandomStart, Rule::Sequential { .. }] => {
                let length = |rng: &mut Rng| (n as f64 * (0.15 + 0.35 * rng.f64())).max(4.0);
                Self::InStretches(length(rng), length(rng))
            }
            [_, _] => Self::ByChance(0.25 + 0.5 * rng.f64()),
            _ => Self::None,
        }
    }

    fn part(&self, rng: &mut Rng, last: usize) -> usize {
        match *self {
            Self::None => 0,
            Self::ByChance(share) => usize::from(rng.f64() < share),
            Self::InStretches(a, b) => {
                let length = if last == 0 { a } else { b };
                if rng.f64() < 1.0 / length { 1 - last } else { last }
            }
        }
    }
}

fn a_world(rng: &mut Rng, n: usize, range: PortRange) -> World {
    let namespaces = if rng.u32(0..10) < 7 { 1 } else { rng.usize(2..5) };
    let most = (n / 3).clamp(2, 60);
    let destinations = match rng.u32(0..12) {
        0 => 1,
        1..=3 => 2,
        4..=6 => rng.usize(2..=most.min(6)),
        7..=9 => rng.usize(2..=most.min(15)),
        _ => rng.usize(2..=most),
    };
    let targets = (0..destinations)
        .map(|_| Target { key: rng.u64(1..), netns: rng.usize(..namespaces) })
        .collect();
    let lifetime = [1, 50, 500, 4000][rng.usize(0..4)];
    let mut world = World::new(rng.fork(), vec![range; namespaces], targets, lifetime);
    world.processes = rng.u64(2..6);
    world
}

fn troubles(rng: &mut Rng, world: &mut World, n: usize, level: f64) -> Troubles {
    let some = |rng: &mut Rng, chance: f64, values: &[f64]| {
        let value = values[rng.usize(..values.len())];
        if rng.f64() < chance * level { value * level } else { 0.0 }
    };
    let busy = some(rng, 0.4, &[0.005, 0.02, 0.1, 0.25]);
    let blocks = rng.bool();
    world.occupy(busy, blocks);
    if rng.f64() < 0.25 * level {
        let (count, length) = (rng.usize(1..6), [10, 100, 1000][rng.usize(0..3)]);
        world.reserve(count, length.min(world.ranges[0].len() as u16 / 20));
    }
    let in_range = world.ranges[0];
    let named_ports = match rng.u32(0..3) {
        0 => vec![0],
        1 => vec![8080, 443, 5432],
        _ => vec![rng.u16(in_range.low..=in_range.high), rng.u16(in_range.low..=in_range.high), 0],
    };
    Troubles {
        loss: some(rng, 0.4, &[0.01, 0.03, 0.08]),
        burst_loss: some(rng, 0.15, &[0.002, 0.01]),
        reorder: some(rng, 0.35, &[0.01, 0.04, 0.1]),
        named: some(rng, 0.35, &[0.01, 0.03, 0.06]),
        named_ports,
        change_range: (rng.f64() < level / 12.0).then(|| n / 4 + rng.usize(0..=n / 2)),
    }
}
