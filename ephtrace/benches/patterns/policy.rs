//! The policies, each as in its source.

use std::collections::HashMap;

use crate::world::{Target, World, keyed_hash, size};

/// Rule by which a port is chosen.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// One counter, up or down; per namespace or for the host.
    Sequential { down: bool, by_netns: bool },
    /// RFC 6056, 3.3.5.
    RandomIncrements { n: u32, by_netns: bool },
    /// RFC 6056, 3.3.1: random start, then the next free port.
    RandomStart,
    /// RFC 6056, 3.3.2: another random port if the first is taken.
    RandomRetry,
    /// Linux bind to port 0 (`inet_csk_find_open_port`).
    BindZero { reuse: bool },
    /// RFC 6056, 3.3.3.
    SimpleHash,
    /// `__inet_hash_connect`, Linux 4.2 to 5.11.
    HintEven,
    /// RFC 6056, 3.3.4, with this many counters.
    DoubleHash { table: u64 },
    /// `__inet_hash_connect`, Linux 5.12 to 5.17.
    Dhash256,
    /// `__inet_hash_connect`, Linux 5.18 and later; step 1 with `IP_LOCAL_PORT_RANGE`.
    Dhash64k { step: u32 },
    /// A rule that is none of the known ones.
    Open(Open),
}

/// Policies for which no verdict has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    Stride(i32),
    LaneStride(i32),
    Pool(u16),
    Cycle(u16),
    Window(u16),
    Falling(u32),
    ByProcess,
    EvenRandom,
    LaneRandom(u32),
    BitReversed,
}

/// A rule with its state.
pub(crate) struct Policy {
    rule: Rule,
    secret: u64,
    counters: HashMap<u64, u32>,
    pool: Vec<u16>,
}

/// Lifetime of the kernel's secret.
pub(crate) const EPOCH_NS: u64 = 10_000_000_000;

impl Policy {
    pub(crate) fn new(rule: Rule, world: &mut World) -> Self {
        let secret = world.rng.u64(..);
        let range = world.ranges[0];
        let pool = match rule {
            Rule::Open(Open::Pool(n) | Open::Cycle(n)) => {
                (0..n).map(|_| world.rng.u16(range.0..=range.1)).collect()
            }
            Rule::Open(Open::Window(_)) => {
                vec![world.rng.u16(range.0..=range.1 - size(range) as u16 / 8)]
            }
            _ => Vec::new(),
        };
        Self { rule, secret, counters: HashMap::new(), pool }
    }

    /// Continues a sequence after `offset`, as `FreeBSD` does from its last random port.
    pub(crate) fn continue_from(&mut self, offset: u32) {
        self.counters.insert(0, offset);
    }

    /// Returns the next port; `None` if none is free.
    pub(crate) fn assign(&mut self, world: &mut World, to: Target, epoch: u64) -> Option<u16> {
        let netns_id = |by_netns: bool| if by_netns { to.netns as u64 } else { 0 };
        match self.rule.clone() {
            Rule::Sequential { down, by_netns } => {
                self.walk(world, to, netns_id(by_netns), |_| if down { -1 } else { 1 }, false)
            }
            Rule::RandomIncrements { n, by_netns } => {
                self.walk(world, to, netns_id(by_netns), |rng| rng.i32(1..=n as i32), false)
            }
            Rule::RandomStart => random_start(world, to),
            Rule::RandomRetry => random_retry(world, to),
            Rule::BindZero { reuse } => bind_zero(world, to, reuse),
            Rule::SimpleHash => self.hashed_by_one(world, to, 0),
            Rule::DoubleHash { table } => {
                let index = keyed_hash(self.secret, to.key, 77) % table;
                self.hashed_by_one(world, to, index)
            }
            Rule::HintEven => self.hash_connect(world, to, 0, 0, 2, |_, i| i + 2),
            Rule::Dhash256 => {
                let hash = keyed_hash(self.secret, to.key, 0);
                let index = u64::from((hash as u32).wrapping_mul(0x61C8_8647) >> 24);
                self.hash_connect(world, to, index, 0, 2, |rng, i| {
                    if i == 0 && rng.u32(0..16) == 0 { 4 } else { i + 2 }
                })
            }
            Rule::Dhash64k { step } => {
                let index = keyed_hash(self.secret, to.key, epoch) & 0xffff;
                self.hash_connect(world, to, index, epoch, step, move |rng, i| {
                    i.max(rng.u32(0..8) * step) + step
                })
            }
            Rule::Open(open) => self.open(world, to, open),
        }
    }

    /// Moves a counter by `step` until a port is free.
    fn walk(
        &mut self,
        world: &mut World,
        to: Target,
        counter: u64,
        step: impl Fn(&mut fastrand::Rng) -> i32,
        sharing: bool,
    ) -> Option<u16> {
        let range = world.ranges[to.netns];
        let ports = size(range) as i32;
        let start = world.rng.u32(0..size(range));
        let value = self.counters.entry(counter).or_insert(start);
        for _ in 0..ports {
            *value = (*value as i32 + step(&mut world.rng)).rem_euclid(ports) as u32;
            let port = range.0 + *value as u16;
            let free = if sharing {
                world.free_to(to.netns, port, to.key)
            } else {
                world.free(to.netns, port)
            };
            if free {
                return Some(port);
            }
        }
        None
    }

    /// Chooses a port by RFC 6056, Algorithm 3 or 4.
    fn hashed_by_one(&mut self, world: &World, to: Target, index: u64) -> Option<u16> {
        let range = world.ranges[to.netns];
        let offset = keyed_hash(self.secret, to.key, 1) as u32;
        let start = keyed_hash(self.secret, index, 2) as u32;
        let counter = self.counters.entry(index).or_insert(start);
        for _ in 0..size(range) {
            let port = range.0 + (offset.wrapping_add(*counter) % size(range)) as u16;
            *counter = counter.wrapping_add(1);
            if world.free_to(to.netns, port, to.key) {
                return Some(port);
            }
        }
        None
    }

    /// Chooses a port as `__inet_hash_connect` does (port-selection.md, 1.3).
    fn hash_connect(
        &mut self,
        world: &mut World,
        to: Target,
        index: u64,
        salt: u64,
        step: u32,
        growth: impl Fn(&mut fastrand::Rng, u32) -> u32,
    ) -> Option<u16> {
        let range = world.ranges[to.netns];
        let mut remaining = size(range);
        if step == 2 && remaining > 1 {
            remaining &= !1;
        }
        let start = keyed_hash(self.secret, index, 3) as u32;
        let word = self.counters.entry(index).or_insert(start);
        let hash = (keyed_hash(self.secret, to.key, salt) >> 32) as u32;
        let mut offset = word.wrapping_add(hash) % remaining;
        if step == 2 {
            offset &= !1;
        }
        for pass in 0..step {
            let mut port = u32::from(range.0) + offset + pass;
            for i in (0..remaining).step_by(step as usize) {
                if port > u32::from(range.1) {
                    port -= remaining;
                }
                if world.free_to(to.netns, port as u16, to.key) {
                    *word = word.wrapping_add(growth(&mut world.rng, i));
                    return Some(port as u16);
                }
                port += step;
            }
        }
        None
    }

    fn open(&mut self, world: &mut World, to: Target, open: Open) -> Option<u16> {
        let range = world.ranges[to.netns];
        match open {
            Open::Stride(step) => self.walk(world, to, 0, |_| step, false),
            Open::LaneStride(step) => self.walk(world, to, to.key, |_| step, true),
            Open::Falling(n) => self.walk(world, to, 0, |rng| -rng.i32(1..=n as i32), false),
            Open::LaneRandom(n) => self.walk(world, to, to.key, |rng| rng.i32(1..=n as i32), true),
            Open::ByProcess => {
                let process = world.rng.u64(0..world.processes);
                self.walk(world, to, process, |_| 1, false)
            }
            Open::Pool(n) => Some(self.pool[world.rng.usize(0..usize::from(n))]),
            Open::Cycle(n) => {
                let next = self.counters.entry(0).or_insert(0);
                *next = (*next + 1) % u32::from(n);
                Some(self.pool[*next as usize])
            }
            Open::Window(n) => Some(self.pool[0].saturating_add(world.rng.u16(0..n)).min(range.1)),
            Open::EvenRandom => Some((world.rng.u16(range.0..range.1)) & !1),
            Open::BitReversed => {
                let next = self.counters.entry(0).or_insert(0);
                *next = next.wrapping_add(1);
                let reversed = (*next as u16).reverse_bits();
                Some(range.0 + (u32::from(reversed) % size(range)) as u16)
            }
        }
    }
}

fn random_start(world: &mut World, to: Target) -> Option<u16> {
    let range = world.ranges[to.netns];
    let start = world.rng.u32(0..size(range));
    (0..size(range))
        .map(|i| range.0 + ((start + i) % size(range)) as u16)
        .find(|&port| world.free(to.netns, port))
}

fn random_retry(world: &mut World, to: Target) -> Option<u16> {
    let range = world.ranges[to.netns];
    for _ in 0..1000 {
        let port = world.rng.u16(range.0..=range.1);
        if world.free(to.netns, port) {
            return Some(port);
        }
    }
    None
}

fn bind_zero(world: &mut World, to: Target, reuse: bool) -> Option<u16> {
    let range = world.ranges[to.netns];
    let half = range.0 + ((u32::from(range.1) + 1 - u32::from(range.0)) >> 2) as u16 * 2;
    let high = u32::from(range.1) + 1;
    let ends = if reuse && size(range) >= 4 { vec![u32::from(half), high] } else { vec![high] };
    for end in ends {
        let mut remaining = end - u32::from(range.0);
        if remaining > 1 {
            remaining &= !1;
        }
        let offset = world.rng.u32(0..remaining) | 1;
        for parity in [offset, offset - 1] {
            let mut port = u32::from(range.0) + parity;
            for _ in (0..remaining).step_by(2) {
                if port >= end {
                    port -= remaining;
                }
                if world.free(to.netns, port as u16) {
                    return Some(port as u16);
                }
                port += 2;
            }
        }
    }
    None
}
