//! A trace: a load, a policy, and the disturbances of real traces.

use ephtrace::{
    analyse::pattern::{Clock, Observation},
    model::{Assignment, FlowKey, Origin, PortRange, RangeInForce, RangeSource},
};
use fastrand::Rng;

use crate::{
    load::{Load, Tempo, some_targets},
    policy::{Policy, Rule},
    rules::{Class, range_for, rules_for},
    world::{Range, Target, World},
};

/// One assignment of the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) ts_ns: u64,
    pub(crate) to: Target,
    pub(crate) sport: u16,
    pub(crate) range: Range,
    pub(crate) origin: Origin,
    /// Index of the policy, of two, that made it; `None` for a named port.
    pub(crate) part: Option<usize>,
    pub(crate) epoch: u64,
}

/// A generated trace and its truth.
pub(crate) struct Trace {
    pub(crate) class: Class,
    pub(crate) rules: Vec<Rule>,
    pub(crate) rows: Vec<Row>,
}

/// Part of the truth that the judge sees.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one column of the ablation")]
pub(crate) struct Shown {
    pub(crate) range: bool,
    pub(crate) netns: bool,
    pub(crate) time: bool,
    pub(crate) origin: bool,
}

/// Inputs of the main table: origin and epoch are hidden.
pub(crate) const PORTS_ONLY: Shown = Shown { range: true, netns: true, time: true, origin: false };

impl Row {
    /// Returns the shown part of the row, in the form that every recording takes.
    pub(crate) fn observation(&self, shown: Shown) -> Option<Observation> {
        let netns = 4_026_531_840 + self.to.netns as u32;
        let is_connected = !self.to.daddr.is_unspecified();
        let (low, high) = self.range;
        let range = RangeInForce { ports: PortRange::new(low, high), source: RangeSource::Netns };
        let assignment = Assignment {
            ts_ns: if shown.time { self.ts_ns } else { 0 },
            flow: FlowKey {
                netns: shown.netns.then_some(netns),
                saddr: self.to.saddr,
                daddr: is_connected.then_some(self.to.daddr),
                dport: is_connected.then_some(self.to.dport),
            },
            sport: Some(self.sport),
            range: shown.range.then_some(range),
            origin: shown.origin.then_some(self.origin),
            salt_epoch: shown.origin.then_some(self.epoch),
            ..Assignment::default()
        };
        let mut seen = Observation::new(&assignment)?;
        if !shown.time && !shown.origin {
            seen.clock = Clock::Unknown;
        }
        Some(seen)
    }
}

/// Disturbances of one trace.
struct Troubles {
    loss: f64,
    burst_loss: f64,
    reorder: f64,
    named: f64,
    named_ports: Vec<u16>,
    change_range: Option<usize>,
    /// Two machines behind one address, or a machine for each namespace.
    machines: Machines,
}

#[derive(Clone, Copy, PartialEq)]
enum Machines {
    One,
    Two,
    ByNamespace,
}

/// State of a trace while it is made.
pub(crate) struct Maker {
    pub(crate) rng: Rng,
    pub(crate) class: Class,
    pub(crate) rules: Vec<Rule>,
    pub(crate) world: World,
    pub(crate) load: Load,
    troubles: Troubles,
    policies: Vec<Vec<Policy>>,
    mixing: Mixing,
    machine: usize,
    part: usize,
    serial: u64,
    lost: usize,
}

/// Makes the trace of `class` with `n` events for `seed`; `level` scales its disturbances.
pub(crate) fn generate(class: Class, n: usize, seed: u64, level: f64) -> Trace {
    let mut maker = Maker::new(class, n, seed, level);
    let mut rows: Vec<Row> = Vec::with_capacity(n + 2);
    while rows.len() < n && maker.serial < 20 * n as u64 + 1000 {
        maker.change_range(rows.len());
        rows.extend(maker.next(rows.len()));
    }
    maker.finish(rows)
}

impl Maker {
    pub(crate) fn new(class: Class, n: usize, seed: u64, level: f64) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n as u64);
        rng.u64(..);
        let rules = rules_for(class, &mut rng);
        let range = range_for(&mut rng, class, &rules);
        let (targets, namespaces) = some_targets(&mut rng, n);
        let lifetime = [1, 50, 500, 4000][rng.usize(0..4)];
        let mut world = World::new(rng.fork(), vec![range; namespaces], targets, lifetime);
        world.processes = rng.u64(2..6);
        let troubles = Troubles::new(&mut rng, &mut world, n, level);
        let tempo = tempo(class, &mut rng);
        let load = Load::new(&mut rng, tempo);
        let machines = match troubles.machines {
            Machines::One => 1,
            Machines::Two => 2,
            Machines::ByNamespace => namespaces,
        };
        let policies = (0..machines)
            .map(|_| rules.iter().map(|rule| Policy::new(rule.clone(), &mut world)).collect())
            .collect();
        let mixing = Mixing::new(&mut rng, class, n);
        Self {
            rng,
            class,
            rules,
            world,
            load,
            troubles,
            policies,
            mixing,
            machine: 0,
            part: 0,
            serial: 0,
            lost: 0,
        }
    }

    fn change_range(&mut self, events: usize) {
        if self.troubles.change_range == Some(events) {
            self.troubles.change_range = None;
            let next = range_for(&mut self.rng, self.class, &self.rules);
            self.world.ranges.iter_mut().for_each(|range| *range = next);
        }
    }

    /// Returns the next assignment; `None` if it is lost or no port is free.
    pub(crate) fn next(&mut self, events: usize) -> Option<Row> {
        self.serial += 1;
        self.world.release(self.serial);
        let target = self.load.next(&mut self.rng, &self.world);
        if self.rng.f64() < self.troubles.named {
            let port = self.troubles.named_ports[self.rng.usize(..self.troubles.named_ports.len())];
            let port = if port == 0 { self.rng.u16(1024..) } else { port };
            return {
                let row = self.row(target, port, None, Origin::Explicit);
                self.delivered(row)
            };
        }
        match self.troubles.machines {
            Machines::ByNamespace => self.machine = target.netns,
            Machines::Two if self.rng.u32(0..6) == 0 => self.machine = self.rng.usize(..2),
            _ => {}
        }
        self.part = self.mixing.part(&mut self.rng, self.part, events, self.load.now_ns);
        let row = self.assigned(target)?;
        self.delivered(row)
    }

    fn assigned(&mut self, mut target: Target) -> Option<Row> {
        let several = self.rules.len() > 1;
        let origin = match self.rules[self.part] {
            Rule::BindZero { .. } => Origin::Bind,
            Rule::RandomStart | Rule::RandomRetry if several => Origin::Udp,
            _ => Origin::Connect,
        };
        // Bound before there is a destination, or for no destination at all.
        if origin != Origin::Connect
            && self.class == Class::MixConnectBind
            && self.rng.u32(0..4) == 0
        {
            target = target.unconnected();
        }
        let policy = &mut self.policies[self.machine][self.part];
        let epoch = if self.class == Class::Linux518ForGood { 0 } else { self.load.epoch() };
        let port = policy.assign(&mut self.world, target, epoch)?;
        self.world.take(self.serial, target.netns, port, target.key);
        if self.class == Class::MixStretches && self.part == 0 {
            let low = self.world.ranges[target.netns].0;
            self.policies[self.machine][1].continue_from(u32::from(port.saturating_sub(low)));
        }
        Some(self.row(target, port, Some(self.part), origin))
    }

    fn row(&self, to: Target, sport: u16, part: Option<usize>, origin: Origin) -> Row {
        let range = self.world.ranges[to.netns];
        let (ts_ns, epoch) = (self.load.now_ns, self.load.epoch());
        Row { ts_ns, to, sport, range, origin, part, epoch }
    }

    fn delivered(&mut self, row: Row) -> Option<Row> {
        if self.rng.f64() < self.troubles.burst_loss {
            self.lost = self.rng.usize(2..20);
        }
        if self.lost > 0 {
            self.lost -= 1;
            return None;
        }
        (self.rng.f64() >= self.troubles.loss).then_some(row)
    }

    /// Returns the trace, with some of its rows overtaken by the next one.
    pub(crate) fn finish(mut self, mut rows: Vec<Row>) -> Trace {
        for i in 1..rows.len() {
            if self.rng.f64() < self.troubles.reorder {
                let (a, b) = (rows[i - 1].ts_ns, rows[i].ts_ns);
                rows.swap(i - 1, i);
                rows[i - 1].ts_ns = a;
                rows[i].ts_ns = b;
            }
        }
        Trace { class: self.class, rules: self.rules, rows }
    }
}

fn tempo(class: Class, rng: &mut Rng) -> Tempo {
    match class {
        Class::MixStretches => Tempo { rate: Some(2.0 + 10.0 * rng.f64()), steady: false },
        _ => Tempo::default(),
    }
}

/// Manner in which two policies share the stream.
enum Mixing {
    None,
    /// The second policy, with this probability.
    ByChance(f64),
    /// `FreeBSD`: random until there were `burst` connects within two seconds, then sequential for
    /// `held_ns`.
    UnderLoad {
        recent: Vec<u64>,
        burst: usize,
        held_ns: u64,
        until: u64,
    },
    /// The second policy from this event on.
    Change(usize),
}

impl Mixing {
    fn new(rng: &mut Rng, class: Class, n: usize) -> Self {
        match class {
            Class::MixConnectBind | Class::MixOthers => Self::ByChance(0.2 + 0.6 * rng.f64()),
            Class::MixChange => Self::Change((n as f64 * (0.25 + 0.5 * rng.f64())) as usize),
            Class::MixStretches => Self::UnderLoad {
                recent: Vec::new(),
                burst: 3 + rng.usize(0..=n / 16),
                held_ns: 1_000_000_000 * rng.u64(2..45),
                until: 0,
            },
            _ => Self::None,
        }
    }

    fn part(&mut self, rng: &mut Rng, last: usize, events: usize, now: u64) -> usize {
        match self {
            Self::None => last,
            Self::ByChance(share) => usize::from(rng.f64() < *share),
            Self::Change(at) => usize::from(events >= *at),
            Self::UnderLoad { recent, burst, held_ns, until } => {
                if now < *until {
                    return 1;
                }
                recent.retain(|&then| now - then < 2_000_000_000);
                recent.push(now);
                if recent.len() > *burst {
                    *until = now + *held_ns;
                    recent.clear();
                }
                0
            }
        }
    }
}

impl Troubles {
    fn new(rng: &mut Rng, world: &mut World, n: usize, level: f64) -> Self {
        let some = |rng: &mut Rng, chance: f64, values: &[f64]| {
            let value = values[rng.usize(..values.len())];
            if rng.f64() < chance * level { value * level } else { 0.0 }
        };
        let busy = some(rng, 0.4, &[0.005, 0.02, 0.1, 0.25]);
        let blocks = rng.bool();
        world.occupy(busy, blocks);
        let in_range = world.ranges[0];
        if rng.f64() < 0.25 * level {
            let (count, length) = (rng.usize(1..6), [10, 100, 500, 1000][rng.usize(0..4)]);
            world.reserve(count, length.min(crate::world::size(in_range) as u16 / 20));
        }
        let named_ports = match rng.u32(0..3) {
            0 => vec![0],
            1 => vec![8080, 1812, 4500, 5060, 5353, 20000],
            _ => vec![rng.u16(in_range.0..=in_range.1), rng.u16(in_range.0..=in_range.1), 0],
        };
        Self {
            loss: some(rng, 0.4, &[0.01, 0.03, 0.08]),
            burst_loss: some(rng, 0.15, &[0.002, 0.01]),
            reorder: some(rng, 0.35, &[0.01, 0.04, 0.1]),
            named: some(rng, 0.4, &[0.01, 0.03, 0.06]),
            named_ports,
            change_range: (rng.f64() < level / 12.0).then(|| n / 4 + rng.usize(0..=n / 2)),
            machines: if rng.f64() < level * 0.04 {
                Machines::Two
            } else if rng.bool() {
                Machines::ByNamespace
            } else {
                Machines::One
            },
        }
    }
}
